// What is said to those who are here now.

import { describe, expect, test } from "vitest";
import { EVENT_BYTES_MAX } from "../src/event.js";
import type { Json, RoomEvent } from "../src/index.js";
import { World } from "./fakes.js";
import { FakeServer } from "./server.js";

test("na9 an event comes to the others in the room, once, and not to who sent it", async () => {
  const world = new World();
  const server = new FakeServer();
  const rooms = [];
  const seen: [number, RoomEvent][] = [];
  for (const index of [0, 1, 2]) {
    const room = world.room({ name: index === 2 ? "elsewhere" : "room" });
    room.on("event", (event) => seen.push([index, event]));
    rooms.push(room);
    server.accept(await world.dial());
    server.read();
  }
  expect(rooms[0]?.send("wave", { x: 1, to: ["ada", null] })).toBe(true);
  expect(rooms[0]?.send("bare")).toBe(true);
  server.read();
  expect(seen).toEqual([
    [1, { user: null, name: "wave", payload: { x: 1, to: ["ada", null] } }],
    [1, { user: null, name: "bare", payload: null }],
  ]);
});

test("an event is on the wire as JSON, with the user of whose it is", async () => {
  const world = new World();
  const room = world.room();
  const seen: RoomEvent[] = [];
  room.on("event", (event) => seen.push(event));
  const socket = await world.open();
  socket.take();
  room.send("wave", { x: 1 });
  expect(socket.take()).toEqual([{ channel: 1, type: "event", name: "wave", payload: '{"x":1}' }]);
  socket.say({ channel: 1, type: "event", user: "ada", name: "wave", payload: "[1]" });
  expect(seen).toEqual([{ user: "ada", name: "wave", payload: [1] }]);
});

test("without a connection there is nobody to say it to, then or later", async () => {
  const world = new World();
  const room = world.room();
  expect(room.send("wave", 1)).toBe(false);
  const socket = await world.open();
  expect(socket.takeTypes()).toEqual(["hello", "join", "awareness"]);
});

describe("bad input throws, and says why", () => {
  const circle: { self?: unknown } = {};
  circle.self = circle;
  const cases: [string, unknown, string][] = [
    ["a function", () => {}, "event_invalid"],
    ["a circle", circle, "event_invalid"],
    ["a big number", 1n, "event_invalid"],
    ["too much", "x".repeat(EVENT_BYTES_MAX), "event_too_large"],
    ["too much in UTF-8", "é".repeat(EVENT_BYTES_MAX / 2), "event_too_large"],
  ];
  test.each(cases)("%s", async (_name, payload, code) => {
    const world = new World();
    const room = world.room();
    const socket = await world.open();
    socket.take();
    // What a caller without types may pass.
    expect(() => room.send("wave", payload as Json)).toThrow(
      expect.objectContaining({ name: "RoomtoneError", code }),
    );
    expect(socket.take()).toEqual([]);
    expect(room.status).toBe("connected");
  });

  test("as much as may be", async () => {
    const world = new World();
    const room = world.room();
    await world.open();
    expect(room.send("wave", "x".repeat(EVENT_BYTES_MAX - "wave".length - 2))).toBe(true);
    expect(() => room.send("wave", "x".repeat(EVENT_BYTES_MAX - "wave".length - 1))).toThrow();
  });
});
