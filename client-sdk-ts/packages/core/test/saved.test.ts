// "Is it saved?" Pains: hocuspocus #183, #548, #614, #635, #654, #825; outline #3230.

import { describe, expect, test } from "vitest";
import * as Y from "yjs";
import type { Room, Saved } from "../src/index.js";
import { CHANGES_COUNT_MAX } from "../src/saved.js";
import { type FakeSocket, World } from "./fakes.js";
import { FakeServer } from "./server.js";

class Pair {
  readonly world = new World();
  readonly server = new FakeServer();
  readonly room: Room;
  readonly seen: Saved["state"][] = [];

  constructor(doc?: Y.Doc) {
    this.world.randomNext = 0;
    this.room = this.world.room(doc === undefined ? {} : { doc });
    this.room.on("saved", ({ state }) => {
      if (this.seen.at(-1) !== state) this.seen.push(state);
    });
  }

  get text(): Y.Text {
    return this.room.doc.getText("t");
  }

  async join(): Promise<FakeSocket> {
    this.world.clock.advance(0);
    const socket = await this.world.open();
    this.server.join(socket);
    this.server.read();
    return socket;
  }

  drop(): void {
    this.server.leave(this.world.socket);
    this.world.socket.end(1006);
  }

  expect(state: Saved["state"], unsaved: number): void {
    const { saved } = this.room;
    expect([saved.state, saved.unsaved]).toEqual([state, unsaved]);
  }
}

test("nothing done is saved; a change is saved when it comes back, not when it is sent", async () => {
  const pair = new Pair();
  await pair.join();
  pair.server.commit();
  pair.expect("saved", 0);
  expect(pair.room.saved.lastSavedAt).toBeNull();
  pair.text.insert(0, "a");
  pair.text.insert(1, "b");
  pair.expect("saving", 2);
  pair.server.read();
  pair.expect("saving", 2);
  pair.world.clock.advance(7);
  pair.server.commit();
  pair.expect("saved", 0);
  expect(pair.room.saved.lastSavedAt).toBe(pair.world.clock.nowMs);
  expect(pair.seen).toEqual(["saving", "saved"]);
});

test("the snapshot is the same object until something changes", async () => {
  const pair = new Pair();
  await pair.join();
  const before = pair.room.saved;
  pair.server.commit();
  expect(pair.room.saved).toBe(before);
  pair.text.insert(0, "a");
  expect(pair.room.saved).not.toBe(before);
});

test("a deletion, a format and a change that does both wait for their own content", async () => {
  const pair = new Pair();
  await pair.join();
  pair.text.insert(0, "hello world");
  pair.server.read();
  pair.server.commit();
  pair.text.delete(0, 3);
  pair.expect("saving", 1);
  pair.text.format(0, 4, { bold: true });
  pair.room.doc.transact(() => {
    pair.text.insert(2, "!");
    pair.text.delete(0, 1);
  });
  pair.expect("saving", 3);
  pair.server.read();
  pair.server.commit();
  pair.expect("saved", 0);
});

test("the work of others confirms nothing", async () => {
  const pair = new Pair();
  const mine = await pair.join();
  const other = pair.world.room();
  await pair.join();
  pair.text.insert(0, "mine");
  other.doc.getText("t").insert(0, "theirs");
  // Mine stays on the way while theirs is committed and comes to both.
  const frames = mine.sent.splice(0);
  pair.server.read();
  pair.server.commit();
  pair.expect("saving", 1);
  expect(pair.text.toString()).toContain("theirs");
  expect(other.saved.state).toBe("saved");
  mine.sent.push(...frames);
  pair.server.read();
  pair.server.commit();
  pair.expect("saved", 0);
  expect(pair.text.toString()).toBe(other.doc.getText("t").toString());
  expect(other.saved.state).toBe("saved");
});

test("offline work is counted, and saved after the return", async () => {
  const pair = new Pair();
  pair.text.insert(0, "before the first connection");
  pair.expect("offline", 1);
  await pair.join();
  pair.expect("saving", 1);
  pair.server.commit();
  pair.expect("saved", 0);
  pair.drop();
  pair.expect("saved", 0);
  pair.text.insert(0, "away ");
  pair.text.delete(5, 3);
  pair.expect("offline", 2);
  await pair.join();
  pair.expect("saving", 2);
  pair.server.commit();
  pair.expect("saved", 0);
  expect(pair.server.disk.getText("t").toString()).toBe(pair.text.toString());
});

test("what the document held at the start, or got from elsewhere, is unsaved work too", async () => {
  const doc = new Y.Doc();
  doc.getText("t").insert(0, "from disk");
  const pair = new Pair(doc);
  pair.expect("offline", 1);
  const elsewhere = new Y.Doc();
  elsewhere.getText("t").insert(0, "from a file ");
  Y.applyUpdate(doc, Y.encodeStateAsUpdate(elsewhere), "file");
  pair.expect("offline", 2);
  await pair.join();
  pair.server.commit();
  pair.expect("saved", 0);
  expect(pair.server.disk.getText("t").toString()).toBe(doc.getText("t").toString());
});

describe("a socket that drops between the change and its echo", () => {
  test("before the server read it: sent again", async () => {
    const pair = new Pair();
    await pair.join();
    pair.server.commit();
    pair.text.insert(0, "a");
    pair.drop();
    pair.expect("offline", 1);
    await pair.join();
    pair.expect("saving", 1);
    pair.server.commit();
    pair.expect("saved", 0);
  });

  test("hocuspocus #825: after the server read it, so that it brings nothing new the second time", async () => {
    const pair = new Pair();
    await pair.join();
    pair.text.insert(0, "abc");
    pair.text.delete(1, 1);
    pair.server.read();
    pair.drop();
    pair.expect("offline", 2);
    await pair.join();
    pair.expect("saving", 2);
    pair.server.commit();
    pair.expect("saved", 0);
  });

  test("after the server read it, and with new work besides: the echo holds only what is new", async () => {
    const pair = new Pair();
    await pair.join();
    pair.text.insert(0, "abc");
    pair.text.delete(1, 1);
    pair.server.read();
    pair.drop();
    pair.server.commit();
    pair.text.insert(0, "away ");
    pair.text.delete(0, 1);
    pair.expect("offline", 4);
    await pair.join();
    pair.expect("saving", 4);
    pair.server.commit();
    pair.expect("saved", 0);
  });

  test("hocuspocus #183: with a server that died before the commit: not shown as saved, and sent again", async () => {
    const pair = new Pair();
    await pair.join();
    pair.text.insert(0, "abc");
    pair.text.delete(0, 1);
    pair.server.read();
    pair.server.crash();
    pair.expect("offline", 2);
    await pair.join();
    pair.expect("saving", 2);
    pair.server.commit();
    pair.expect("saved", 0);
    expect(pair.server.disk.getText("t").toString()).toBe("bc");
  });
});

test("Step2 shows what is in the server's memory, deletions included: it confirms nothing", async () => {
  const pair = new Pair();
  await pair.join();
  pair.text.insert(0, "abc");
  pair.server.read();
  pair.server.commit();
  pair.text.delete(0, 3);
  pair.server.read();
  pair.drop();
  await pair.join();
  expect(pair.room.synced).toBe(true);
  pair.expect("saving", 1);
});

test("changes made while the first exchange is under way are held back, and go with the answer", async () => {
  const pair = new Pair();
  const socket = await pair.world.open();
  pair.text.insert(0, "early");
  expect(socket.take().map((message) => message.type)).toEqual(["step1", "awareness"]);
  pair.server.join(socket);
  expect(socket.take().map((message) => message.type)).toEqual(["step2"]);
  pair.text.insert(0, "late ");
  expect(socket.take().map((message) => message.type)).toEqual(["update"]);
  pair.expect("saving", 2);
});

test("more changes than are counted apart stay counted, and are confirmed", async () => {
  const pair = new Pair();
  const count = CHANGES_COUNT_MAX + 500;
  for (let i = 0; i < count; i += 1) pair.text.insert(0, "x");
  pair.expect("offline", count);
  await pair.join();
  pair.server.commit();
  pair.expect("saved", 0);
});

test("an edit that an observer makes while an update is applied is counted and sent", async () => {
  const pair = new Pair();
  await pair.join();
  pair.server.commit();
  pair.text.observe((_event, transaction) => {
    if (!transaction.local) pair.room.doc.getMap("m").set("seen", true);
  });
  const other = pair.world.room();
  await pair.join();
  other.doc.getText("t").insert(0, "hi");
  pair.server.read();
  pair.server.commit();
  pair.expect("saving", 1);
  pair.server.read();
  pair.server.commit();
  pair.expect("saved", 0);
  expect(pair.server.disk.getMap("m").get("seen")).toBe(true);
});

describe("random edits, drops, crashes and commits", () => {
  const seeds = Array.from({ length: 60 }, (_, index) => index + 1);
  test.each(seeds)("seed %i: what is shown as saved is on the disk", async (seed) => {
    const random = generator(seed);
    const pick = (n: number) => Math.floor(random() * n);
    const world = new World();
    const server = new FakeServer();
    const rooms = [world.room({ connect: false }), world.room({ connect: false })];
    const sockets = new Map<Room, FakeSocket>();

    const connect = async (room: Room) => {
      room.connect();
      const socket = await world.open();
      sockets.set(room, socket);
      server.join(socket);
    };
    // A room answers for what was done in it. What it saw of others' work is theirs to answer for.
    const done = new Map<Room, Uint8Array[]>(rooms.map((room) => [room, []]));
    for (const room of rooms) {
      room.doc.on("update", (update: Uint8Array, origin: unknown) => {
        if (origin !== room) done.get(room)?.push(update);
      });
    }
    const check = () => {
      for (const room of rooms) {
        if (room.saved.unsaved > 0) continue;
        expect(done.get(room)?.every((update) => holds(server.disk, update))).toBe(true);
      }
    };

    for (let step = 0; step < 120; step += 1) {
      const room = rooms[pick(rooms.length)] as Room;
      const text = room.doc.getText("t");
      switch (pick(8)) {
        case 0:
        case 1:
          text.insert(pick(text.length + 1), "ab".repeat(1 + pick(3)));
          break;
        case 2:
          if (text.length > 0) {
            const at = pick(text.length);
            text.delete(at, Math.min(1 + pick(4), text.length - at));
          }
          break;
        case 3:
        case 4:
          server.read();
          break;
        case 5:
          server.commit();
          break;
        case 6:
          if (room.status === "connected") {
            server.leave(sockets.get(room) as FakeSocket);
            room.disconnect();
          } else {
            await connect(room);
          }
          break;
        case 7:
          if (pick(4) === 0) {
            server.crash();
            for (const each of rooms) each.disconnect();
          }
          break;
      }
      check();
    }

    for (const room of rooms) if (room.status !== "connected") await connect(room);
    server.read();
    server.commit();
    server.read();
    server.commit();
    check();
    for (const room of rooms) {
      expect(room.saved.unsaved).toBe(0);
      expect(room.doc.getText("t").toString()).toBe(server.disk.getText("t").toString());
      room.destroy();
    }
  });
});

/** Whether `disk` has every insert and every deletion of the update. */
function holds(disk: Y.Doc, update: Uint8Array): boolean {
  const probe = new Y.Doc();
  Y.applyUpdate(probe, Y.encodeStateAsUpdate(disk));
  let changed = false;
  probe.on("update", () => {
    changed = true;
  });
  Y.applyUpdate(probe, update);
  return !changed;
}

/** mulberry32: the same numbers for the same seed. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
