// Many rooms on one connection: each joins, leaves and fails alone.

import { describe, expect, test } from "vitest";
import * as Y from "yjs";
import { BACKOFF_MS_HERD, STABLE_MS_MIN } from "../src/backoff.js";
import { AUTHORIZE_MS_MAX } from "../src/connection.js";
import type { Room, RoomOptions } from "../src/index.js";
import * as wire from "../src/wire.js";
import { decodeClientFrame } from "../src/wire-client.js";
import { admit, emptySync, type FakeSocket, joined, settled, World, welcome } from "./fakes.js";
import { FakeServer } from "./server.js";

const left = (channel: number, code: number, epoch = 0) =>
  ({ channel, type: "left", code, reason: "why", epoch }) as const;

/** A client with rooms that the server let in. */
async function opened(...names: string[]) {
  const world = new World();
  const client = world.client({ token: () => "t" });
  const rooms = names.map((name) => client.open(name));
  const socket = await world.open();
  socket.take();
  return { world, client, rooms: rooms as [Room, ...Room[]], socket };
}

function joinsOf(socket: FakeSocket) {
  return socket.take().flatMap((message) => (message.type === "join" ? [message] : []));
}

test("na1 Hello and all Joins leave in one frame, at first and after a loss", async () => {
  const world = new World();
  const client = world.client({ token: async () => "secret" });
  const one = client.open("one");
  client.open("two", { token: "its own", epoch: 7 });
  expect(client.status).toBe("connecting");
  const first = await world.dial();
  expect(first.sent).toHaveLength(1);
  expect(first.take()).toMatchObject([
    { channel: 0, type: "hello", token: "secret" },
    { channel: 1, type: "join", name: "one", epoch: 0, token: "" },
    { channel: 2, type: "join", name: "two", epoch: 7, token: "its own" },
  ]);
  first.say(welcome(), joined(1, 3), joined(2, 7), ...emptySync(1), ...emptySync(2));
  one.doc.getText().insert(0, "x");
  first.end(1006);
  world.retry(client);
  const second = await world.dial();
  expect(second.sent).toHaveLength(1);
  expect(second.take()).toMatchObject([
    { type: "hello" },
    { channel: 1, name: "one", epoch: 3, stateVector: Y.encodeStateVector(one.doc) },
    { channel: 2, name: "two", epoch: 7 },
  ]);
});

test("one frame of the server's is answered with one", async () => {
  const world = new World();
  const client = world.client();
  for (const name of ["one", "two"]) client.open(name);
  const socket = await world.dial();
  socket.sent.length = 0;
  socket.say(welcome(), joined(1), ...emptySync(1), joined(2), ...emptySync(2));
  expect(socket.sent).toHaveLength(1);
  expect(socket.take().map(({ channel, type }) => `${channel} ${type}`)).toEqual([
    "1 awareness",
    "1 diff",
    "2 awareness",
    "2 diff",
  ]);
});

test("more Joins than a frame may hold go in several", async () => {
  const world = new World();
  const client = world.client();
  const rooms = Array.from({ length: wire.FRAME_MESSAGES_MAX + 10 }, (_, i) => client.open(`${i}`));
  const socket = await world.dial();
  expect(socket.sent.map((frame) => [...decodeClientFrame(frame)].length)).toEqual([1_000, 11]);
  for (const room of rooms) room.awareness.destroy();
});

test("what is large goes in a frame of its own", async () => {
  const world = new World();
  const client = world.client();
  for (const name of ["one", "two", "three"]) {
    const { doc } = client.open(name);
    if (name !== "two") doc.getText().insert(0, "x".repeat(50_000));
  }
  const socket = await world.dial();
  socket.sent.length = 0;
  socket.say(
    welcome(),
    ...[1, 2, 3].flatMap((channel) => [joined(channel), ...emptySync(channel)]),
  );
  expect(
    socket.sent.map((frame) => [...decodeClientFrame(frame)].map(({ channel }) => channel)),
  ).toEqual([[1, 1, 2, 2, 3], [3]]);
});

test("a room that is opened later joins on the open connection, and one that waits does not", async () => {
  const { client, socket } = await opened("one");
  const late = client.open("late", { connect: false });
  expect(late.status).toBe("disconnected");
  expect(socket.take()).toEqual([]);
  late.connect();
  expect(late.status).toBe("connecting");
  expect(socket.take()).toMatchObject([{ channel: 2, type: "join", name: "late" }]);
  socket.say(joined(2));
  expect(late.status).toBe("connected");
});

test("a room that connects opens the connection", async () => {
  const world = new World();
  const client = world.client();
  const room = client.open("one", { connect: false });
  await settled();
  expect(world.sockets).toHaveLength(0);
  room.connect();
  await world.open();
  expect([client.status, room.status]).toEqual(["connected", "connected"]);
});

test("what is said in one room is not heard in the other", async () => {
  const world = new World();
  const client = world.client();
  const server = new FakeServer();
  const here = [client.open("one"), client.open("two")];
  server.accept(await world.dial());
  const there = world.room({ name: "one" });
  server.accept(await world.dial());
  server.read();
  server.read();
  there.doc.getText("t").insert(0, "hello");
  there.awareness.setLocalState({ name: "ada" });
  server.read();
  server.commit();
  expect(here.map((room) => room.doc.getText("t").toString())).toEqual(["hello", ""]);
  expect(here.map((room) => room.awareness.getStates().size)).toEqual([2, 1]);
});

describe("leaving one room", () => {
  test("tells the server, and leaves the other alone", async () => {
    const { client, rooms, socket } = await opened("one", "two");
    const [one, two] = rooms as [Room, Room];
    socket.say(...emptySync(1), ...emptySync(2));
    socket.take();
    one.disconnect();
    expect(socket.take()).toEqual([{ channel: 1, type: "leave" }]);
    expect([one.status, one.synced, two.status, two.synced]).toEqual([
      "disconnected",
      false,
      "connected",
      true,
    ]);
    expect(client.status).toBe("connected");
  });

  test("its number is not used again: what was under way for it comes to nobody", async () => {
    const { rooms, socket } = await opened("one");
    const [one] = rooms;
    one.disconnect();
    one.connect();
    expect(socket.take().map(({ channel, type }) => `${channel} ${type}`)).toEqual([
      "1 leave",
      "2 join",
    ]);
    const other = new Y.Doc();
    other.getText().insert(0, "late");
    const update = Y.encodeStateAsUpdate(other);
    socket.say({ channel: 1, type: "update", update }, left(1, 4403), joined(2));
    expect(one.status).toBe("connected");
    expect(one.doc.getText().toString()).toBe("");
  });

  test("for good: the client forgets it", async () => {
    const { world, client, rooms, socket } = await opened("one", "two");
    rooms[0].destroy();
    expect(socket.takeTypes()).toEqual(["awareness", "leave"]);
    socket.end(1006);
    world.retry(client);
    expect(joinsOf(await world.dial()).map(({ name }) => name)).toEqual(["two"]);
  });
});

describe("na6 Left", () => {
  test.each([4400, 4403, 4404])("%i: that room is refused, and the others stay", async (code) => {
    const { world, client, rooms, socket } = await opened("one", "two");
    const [one, two] = rooms as [Room, Room];
    const seen: unknown[] = [];
    one.on("refused", (refusal) => seen.push(refusal));
    socket.say(left(1, code));
    expect(seen).toEqual([{ code, reason: "why" }]);
    expect([one.status, two.status, client.status]).toEqual(["refused", "connected", "connected"]);
    world.clock.advance(STABLE_MS_MIN);
    expect(socket.take()).toEqual([]);
    // It is not asked again with the next connection either, but when it is told to.
    socket.end(1006);
    world.retry(client);
    const next = await world.open();
    expect(joinsOf(next).map(({ name }) => name)).toEqual(["two"]);
    one.connect();
    expect(joinsOf(next).map(({ name }) => name)).toEqual(["one"]);
    expect(one.refusal).toBeNull();
  });

  test("1013: the room comes back after a pause that grows", async () => {
    const { world, rooms, socket } = await opened("one", "two");
    const [one, two] = rooms as [Room, Room];
    const delays: number[] = [];
    for (let channel = 1; delays.length < 4; channel += channel === 1 ? 2 : 1) {
      socket.say(left(channel, 1013));
      expect([one.status, two.status]).toEqual(["connecting", "connected"]);
      delays.push((one.retryAt ?? 0) - world.clock.nowMs);
      expect(socket.take()).toEqual([]);
      world.retry(one);
      expect(joinsOf(socket)).toMatchObject([{ name: "one" }]);
    }
    expect(delays).toEqual([250, 500, 1_000, 1_000]);
    socket.say(joined(6));
    world.clock.advance(STABLE_MS_MIN);
    socket.say(left(6, 1011));
    expect((one.retryAt ?? 0) - world.clock.nowMs).toBe(BACKOFF_MS_HERD / 2);
  });

  test("1013 and then the connection is lost: the room comes back with that", async () => {
    const { world, client, rooms, socket } = await opened("one");
    socket.say(left(1, 1013));
    socket.end(1006);
    expect(rooms[0].retryAt).toBe(client.retryAt);
    world.retry(client);
    await world.open();
    expect(rooms[0].status).toBe("connected");
    expect(world.clock.timers.size).toBeGreaterThan(0);
  });

  test("in place of a Joined", async () => {
    const world = new World();
    const client = world.client();
    const room = client.open("one");
    const socket = await world.dial();
    socket.say(welcome(), left(1, 4403));
    expect(room.refusal).toEqual({ code: 4403, reason: "why" });
    expect(client.status).toBe("connected");
  });
});

describe("na8 a token that ended for a room", () => {
  test("is renewed once for all rooms, before they join again", async () => {
    const world = new World();
    let count = 0;
    const client = world.client({ token: async () => `t${++count}` });
    for (const name of ["one", "two"]) client.open(name);
    const socket = await world.open();
    socket.take();
    socket.say(left(1, 4401), left(2, 4401));
    world.clock.advance(1_000);
    await settled();
    expect(socket.take()).toMatchObject([
      { channel: 0, type: "token", token: "t2" },
      { channel: 3, type: "join", name: "one", token: "" },
      { channel: 4, type: "join", name: "two", token: "" },
    ]);
  });

  test("ends it when the new one is no better, until it was in for a while", async () => {
    const { world, rooms, socket } = await opened("one");
    const [room] = rooms;
    socket.say(left(1, 4401));
    world.retry(room);
    await settled();
    socket.say(joined(2));
    world.clock.advance(STABLE_MS_MIN);
    socket.say(left(2, 4401));
    expect(room.status).toBe("connecting");
    world.retry(room);
    await settled();
    socket.say(left(3, 4401));
    expect(room.refusal).toEqual({ code: 4401, reason: "why" });
  });

  test("ends it when it is plain", async () => {
    const world = new World();
    const client = world.client({ token: "t" });
    const room = client.open("one");
    (await world.open()).say(left(1, 4401));
    expect(room.status).toBe("refused");
  });

  test("of its own is asked for at each Join", async () => {
    const world = new World();
    const client = world.client({ token: "common" });
    let count = 0;
    const room = client.open("one", { token: async () => `own${++count}` });
    const socket = await world.dial();
    expect(socket.takeTypes()).toEqual(["hello"]);
    await settled();
    expect(joinsOf(socket)).toMatchObject([{ channel: 1, token: "own1" }]);
    socket.say(welcome(), left(1, 4401));
    world.retry(room);
    await settled();
    expect(socket.take()).toMatchObject([{ channel: 2, type: "join", token: "own2" }]);
  });

  test("of its own that does not come costs one attempt", async () => {
    const world = new World();
    const client = world.client();
    let mode = 0;
    const room = client.open("one", {
      token: () => {
        mode += 1;
        if (mode === 1) throw new Error("thrown");
        return mode === 2 ? new Promise<string>(() => {}) : "good";
      },
    });
    const socket = await world.dial();
    socket.say(welcome());
    await settled();
    world.retry(room);
    await settled();
    world.clock.advance(AUTHORIZE_MS_MAX);
    expect(joinsOf(socket)).toEqual([]);
    world.retry(room);
    await settled();
    expect(joinsOf(socket)).toMatchObject([{ token: "good" }]);
    expect(world.errors).toMatchObject([{ message: "thrown" }]);
    expect(client.status).toBe("connected");
  });

  test("of its own that comes after the room was left is nobody's", async () => {
    const world = new World();
    const client = world.client();
    const room = client.open("one", { token: async () => "late" });
    const socket = await world.dial();
    room.disconnect();
    await settled();
    expect(socket.takeTypes()).toEqual(["hello"]);
    expect(room.status).toBe("disconnected");
  });
});

describe("y-websocket #189: a message that is larger than the server takes", () => {
  const cases: [string, (room: Room) => void][] = [
    ["an edit", (room) => room.doc.getText().insert(0, "x".repeat(2_000))],
    ["an awareness", (room) => room.awareness.setLocalState({ name: "x".repeat(2_000) })],
  ];
  test.each(cases)("%s ends its room and no other, without an eternal loop", async (_name, act) => {
    const world = new World();
    const client = world.client();
    const [one, two] = [client.open("one"), client.open("two")];
    const socket = await world.dial();
    admit(socket, { frameBytesMax: 1_000 });
    socket.say(...emptySync(1), ...emptySync(2));
    socket.take();
    act(one);
    expect(one.refusal?.code).toBe(1009);
    expect([one.status, two.status]).toEqual(["refused", "connected"]);
    expect(socket.take()).toEqual([{ channel: 1, type: "leave" }]);
    world.clock.advance(5_000);
    await settled();
    expect(world.sockets).toHaveLength(1);
  });

  test("stays unsaved", async () => {
    const world = new World();
    const room = world.room();
    const socket = await world.dial();
    admit(socket, { frameBytesMax: 1_000 });
    socket.say(...emptySync());
    room.doc.getText().insert(0, "x".repeat(2_000));
    expect(room.saved).toMatchObject({ state: "offline", unsaved: 1 });
  });
});

describe("the client", () => {
  test("shows and tells its status, and takes its rooms along", async () => {
    const { world, client, rooms, socket } = await opened("one", "two");
    const seen: string[] = [];
    const unsubscribe = client.on("status", ({ status }) => seen.push(status));
    socket.end(1006);
    client.disconnect();
    expect(rooms.map((room) => room.status)).toEqual(["disconnected", "disconnected"]);
    client.connect();
    await world.open();
    expect(rooms.map((room) => room.status)).toEqual(["connected", "connected"]);
    unsubscribe();
    client.disconnect();
    expect(seen).toEqual(["connecting", "disconnected", "connecting", "connected"]);
  });

  test("that is refused refuses all rooms, and brings all back", async () => {
    const { world, client, rooms, socket } = await opened("one", "two");
    const seen: unknown[] = [];
    client.on("refused", (refusal) => seen.push(refusal));
    rooms[0].on("refused", (refusal) => seen.push(refusal));
    socket.end(4403, "no");
    const refusal = { code: 4403, reason: "no" };
    expect(seen).toEqual([refusal, refusal]);
    expect(client.refusal).toEqual(refusal);
    expect(rooms.map((room) => [room.status, room.refusal])).toEqual([
      ["refused", refusal],
      ["refused", refusal],
    ]);
    rooms[1]?.connect();
    await world.open();
    expect(rooms.map((room) => room.status)).toEqual(["connected", "connected"]);
  });

  test("that is destroyed ends its rooms, says goodbye in one frame, and opens no more", async () => {
    const { world, client, rooms, socket } = await opened("one", "two");
    socket.take();
    client.destroy();
    client.destroy();
    client.connect();
    await settled();
    expect(socket.sent).toHaveLength(1);
    expect(socket.takeTypes()).toEqual(["awareness", "leave", "awareness", "leave"]);
    expect(rooms.every((room) => room.doc.isDestroyed)).toBe(true);
    expect(world.sockets).toHaveLength(1);
    expect(world.clock.timers.size).toBe(0);
    expect(world.listeners.size).toBe(0);
    expect(() => client.open("three")).toThrow(
      expect.objectContaining({ name: "RoomtoneError", code: "client_destroyed" }),
    );
  });

  test("may be ended by a listener in the middle of anything", async () => {
    for (const act of ["disconnect", "destroy"] as const) {
      for (const name of ["status", "sync", "saved", "role", "denied", "event"] as const) {
        const { world, client, rooms, socket } = await opened("one", "two");
        rooms[0].on(name, () => client[act]());
        socket.say(
          ...emptySync(1),
          { channel: 1, type: "role", role: "viewer" },
          { channel: 1, type: "refused", reason: "" },
          { channel: 1, type: "event", user: "", name: "wave", payload: "1" },
          ...emptySync(2),
        );
        rooms[0].doc.getText().insert(0, "x");
        if (socket.state === "open") socket.end(1006);
        await settled();
        expect([name, act, client.status]).toEqual([name, act, "disconnected"]);
        expect(world.clock.timers.size).toBe(0);
        expect(world.errors).toEqual([]);
      }
    }
  });
});

test("a room with a broken update starts anew alone", async () => {
  const { client, rooms, socket, world } = await opened("one", "two");
  socket.say({ channel: 1, type: "update", update: new Uint8Array([9, 9, 9]) });
  expect(rooms.map((room) => room.status)).toEqual(["connecting", "connected"]);
  expect(client.status).toBe("connected");
  expect(world.errors).toHaveLength(1);
  expect(socket.take()).toEqual([{ channel: 1, type: "leave" }]);
});

test("the room that made its connection ends it", async () => {
  const options: Partial<RoomOptions> = { name: "alone" };
  const world = new World();
  const room = world.room(options);
  const socket = await world.open();
  socket.take();
  room.disconnect();
  expect(socket.takeTypes()).toEqual(["leave"]);
  expect(socket.closedWith).toBe(1000);
  room.connect();
  await world.open();
  expect(room.status).toBe("connected");
});
