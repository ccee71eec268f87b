// What the application throws, and what the server sends broken: neither takes anything else along.

import { describe, expect, test } from "vitest";
import * as Y from "yjs";
import { EMPTY_UPDATE, emptySync, settled, World } from "./fakes.js";
import { serverFrame } from "./wire-server.js";

const SYNCED = { channel: 1, type: "diff", update: EMPTY_UPDATE } as const;

describe("what the application throws", () => {
  test("in a listener reaches onError and nothing else", async () => {
    const world = new World();
    const room = world.room();
    const boom = new Error("boom");
    const throws = () => {
      throw boom;
    };
    const seen: boolean[] = [];
    room.on("status", throws);
    room.on("saved", throws);
    room.on("sync", throws);
    room.on("sync", (synced) => seen.push(synced));
    room.awareness.on("change", throws);
    const socket = await world.open();
    socket.say(SYNCED);
    room.doc.getText().insert(0, "x");
    socket.end(1006);
    expect(seen).toEqual([true, false]);
    expect(new Set(world.errors)).toEqual(new Set([boom]));
    world.retry(room);
    await world.open();
    expect(room.status).toBe("connected");
  });

  test("in an observer of the document costs neither the update nor the connection", async () => {
    const world = new World();
    const room = world.room();
    room.doc.getText().observe(() => {
      throw new Error("boom");
    });
    const other = new Y.Doc();
    other.getText().insert(0, "hello");
    const socket = await world.open();
    socket.say({ channel: 1, type: "diff", update: Y.encodeStateAsUpdate(other) });
    expect(room.doc.getText().toString()).toBe("hello");
    expect(room.synced).toBe(true);
    expect(world.errors).toHaveLength(1);
  });

  test("even in onError harms nobody", async () => {
    const world = new World();
    const room = world.room({
      onError: () => {
        throw new Error("again");
      },
    });
    room.on("status", () => {
      throw new Error("boom");
    });
    await world.open();
    expect(room.status).toBe("connected");
  });

  test("a listener may disconnect or destroy in the middle of anything", async () => {
    for (const act of ["disconnect", "destroy"] as const) {
      for (const name of ["status", "sync", "saved"] as const) {
        const world = new World();
        const room = world.room();
        const socket = await world.open();
        room.on(name, () => room[act]());
        socket.say(...emptySync());
        room.doc.getText().insert(0, "x");
        socket.end(1006);
        await settled();
        expect([name, act, room.status]).toEqual([name, act, "disconnected"]);
        expect(world.clock.timers.size).toBe(0);
      }
    }
  });
});

describe("broken frames", () => {
  test.each([
    ["an empty frame", []],
    ["an unfinished number", [0x80]],
    ["a length beyond the frame", [1, 34, 200, 1]],
    ["an update that is none", [1, 34, 3, 9, 9, 9]],
    ["a Diff that is none", [1, 33, 3, 9, 9, 9]],
    ["a state vector that is none", [1, 32, 2, 9, 9]],
  ])("%s: the room starts anew", async (_name, bytes) => {
    const world = new World();
    const room = world.room();
    (await world.open()).receive(new Uint8Array(bytes));
    expect(room.status).toBe("connecting");
    expect(room.synced).toBe(false);
    expect(room.retryAt).not.toBeNull();
    expect(world.errors).toHaveLength(1);
  });

  test.each([
    ["na2 a message of an unknown type", [1, 99, 1, 2]],
    ["a channel that nobody has", [5, 34, 3, 9, 9, 9]],
    ["awareness that is no JSON", [1, 48, 5, 1, 7, 1, 1, 123]],
    ["an event that is no JSON", [1, 49, 4, 0, 0, 1, 123]],
  ])("%s: passed over", async (_name, bytes) => {
    const world = new World();
    const room = world.room();
    (await world.open()).receive(new Uint8Array(bytes));
    expect(room.status).toBe("connected");
  });

  test("behind what made a listener disconnect: not read any more", async () => {
    const world = new World();
    const room = world.room();
    const socket = await world.open();
    room.on("sync", () => room.disconnect());
    const good = serverFrame(SYNCED);
    socket.receive(Uint8Array.from([...good, 0x80]));
    expect(room.status).toBe("disconnected");
    expect(world.errors).toEqual([]);
  });

  test("a text frame: passed over", async () => {
    const world = new World();
    const room = world.room();
    (await world.open()).onmessage?.({ data: "hello" });
    expect(room.status).toBe("connected");
  });
});
