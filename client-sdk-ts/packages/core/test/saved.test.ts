// "Is it saved?" Pains: hocuspocus #183, #548, #614, #635, #654, #825; outline #3230; hedgedoc #6608; y-sweet #415.

import { describe, expect, test } from "vitest";
import * as Y from "yjs";
import type { Room, Saved } from "../src/index.js";
import { EMPTY_STATE_VECTOR, type FakeSocket, settled, World } from "./fakes.js";
import { FakeServer, holds } from "./server.js";

class Pair {
  readonly world = new World();
  readonly server = new FakeServer();
  readonly room: Room;
  readonly seen: Saved["state"][] = [];

  constructor(doc?: Y.Doc) {
    this.world.random = () => 0;
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
    const socket = await this.world.dial();
    this.server.accept(socket);
    this.server.read();
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

test("na4 nothing done is saved; a change is saved when the server says so, not when it is sent", async () => {
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
  expect(frames).toHaveLength(1);
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
  expect(pair.server.disk().getText("t").toString()).toBe(pair.text.toString());
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
  expect(pair.server.disk().getText("t").toString()).toBe(doc.getText("t").toString());
});

describe("a socket that drops between the change and its confirmation", () => {
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

  test("after the server read it, and with new work besides", async () => {
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
    expect(pair.server.disk().getText("t").toString()).toBe("bc");
  });
});

test("na3 the server's Diff shows what is in its memory, deletions included: it confirms nothing", async () => {
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

test("na3 changes made while the first exchange is under way are held back, and go with the answer", async () => {
  const pair = new Pair();
  const socket = await pair.world.open();
  pair.text.insert(0, "early");
  expect(socket.takeTypes()).toEqual(["hello", "join", "awareness"]);
  socket.say({ channel: 1, type: "stateVector", stateVector: EMPTY_STATE_VECTOR });
  expect(socket.take()).toMatchObject([{ type: "diff", seq: 1 }]);
  pair.text.insert(0, "late ");
  expect(socket.take()).toMatchObject([{ type: "edit", seq: 2 }]);
  pair.expect("saving", 2);
  socket.say({ channel: 1, type: "saved", seq: 1 });
  pair.expect("saving", 1);
  socket.say({ channel: 1, type: "saved", seq: 2 });
  pair.expect("saved", 0);
});

test("na3 na4 a StateVector later on is answered too, with the next number", async () => {
  const pair = new Pair();
  const socket = await pair.join();
  pair.text.insert(0, "a");
  socket.take();
  socket.say({ channel: 1, type: "stateVector", stateVector: EMPTY_STATE_VECTOR });
  const [diff] = socket.take();
  expect(diff).toMatchObject({ type: "diff", seq: 3 });
  expect(diff?.type === "diff" && holds(pair.room.doc, diff.update)).toBe(true);
  socket.say({ channel: 1, type: "saved", seq: 2 });
  pair.expect("saved", 0);
});

test("na4 numbers begin anew with each Join, and those of the last one mean nothing", async () => {
  const pair = new Pair();
  const first = await pair.join();
  for (let i = 0; i < 5; i += 1) pair.text.insert(0, "x");
  pair.drop();
  pair.world.clock.advance(0);
  await pair.world.open();
  first.say({ channel: 1, type: "saved", seq: 6 });
  pair.expect("saving", 5);
  const second = pair.world.socket;
  second.take();
  // Nothing is carried by the new membership yet: a number from before it confirms nothing.
  second.say({ channel: 1, type: "saved", seq: 6 });
  pair.expect("saving", 5);
  second.say({ channel: 1, type: "stateVector", stateVector: EMPTY_STATE_VECTOR });
  expect(second.take()).toMatchObject([{ type: "diff", seq: 1 }]);
  second.say({ channel: 1, type: "saved", seq: 1 });
  pair.expect("saved", 0);
});

test("many changes stay counted, and are confirmed with one number", async () => {
  const pair = new Pair();
  await pair.join();
  pair.server.commit();
  for (let i = 0; i < 1_500; i += 1) pair.text.insert(0, "x");
  pair.expect("saving", 1_500);
  pair.server.read();
  pair.server.commit();
  pair.expect("saved", 0);
});

describe("na7 a change that the server refuses", () => {
  test("stays unsaved, and is told", async () => {
    const pair = new Pair();
    pair.server.role = "viewer";
    const denied: unknown[] = [];
    pair.room.on("denied", (event) => denied.push(event));
    const socket = await pair.join();
    pair.server.commit();
    pair.expect("saved", 0);
    pair.text.insert(0, "no");
    pair.server.read();
    pair.server.commit();
    expect(denied).toEqual([{ reason: "you may only read" }]);
    pair.expect("saving", 1);
    // The server could not place what follows.
    pair.text.insert(0, "no ");
    expect(socket.take()).toEqual([]);
    pair.expect("saving", 2);
    expect(pair.room.status).toBe("connected");
  });

  test("is taken, with all that followed, when the role allows it", async () => {
    const pair = new Pair();
    pair.server.role = "viewer";
    await pair.join();
    pair.text.insert(0, "b");
    pair.server.read();
    pair.text.insert(0, "a");
    pair.server.setRole("editor");
    pair.server.read();
    pair.server.read();
    pair.server.commit();
    pair.expect("saved", 0);
    expect(pair.server.disk().getText("t").toString()).toBe("ab");
    pair.text.insert(2, "c");
    pair.server.read();
    pair.server.commit();
    pair.expect("saved", 0);
  });
});

describe("whenSaved", () => {
  test("resolves when all is on the disk, and at once when it is", async () => {
    const pair = new Pair();
    await pair.room.whenSaved();
    pair.text.insert(0, "a");
    let isSaved = false;
    const waiting = pair.room.whenSaved().then(() => {
      isSaved = true;
    });
    await pair.join();
    await settled();
    expect(isSaved).toBe(false);
    pair.server.commit();
    await waiting;
    expect(pair.room.saved.unsaved).toBe(0);
  });

  test("rejects when the room ends before that", async () => {
    const pair = new Pair();
    pair.text.insert(0, "a");
    const before = pair.room.whenSaved();
    pair.room.destroy();
    await expect(before).rejects.toMatchObject({ code: "room_destroyed" });
    await expect(pair.room.whenSaved()).rejects.toMatchObject({ code: "room_destroyed" });
  });
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
  expect(pair.server.disk().getMap("m").get("seen")).toBe(true);
});
