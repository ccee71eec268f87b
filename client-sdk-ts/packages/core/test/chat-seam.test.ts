// What the chat needs of a room: a way to ask, and a way to hear. What is said there, the room does not know.

import { expect, test } from "vitest";
import { joined, World } from "./fakes.js";

test("calls go out numbered on the room's channel, and answers and changes come to its listeners", async () => {
  const world = new World();
  const room = world.room();
  const heard: unknown[] = [];
  room.on("chat", (message) => heard.push(message));
  expect(room.callChat("{}")).toBeNull();
  const socket = await world.open();
  socket.take();
  const first = room.callChat('{"open":{"last":50}}');
  const second = room.callChat('{"read":{"seq":7}}');
  expect(socket.take()).toEqual([
    { channel: 1, type: "chatCall", call: first, request: '{"open":{"last":50}}' },
    { channel: 1, type: "chatCall", call: second, request: '{"read":{"seq":7}}' },
  ]);
  expect(second).not.toBe(first);
  socket.say(
    { channel: 1, type: "chatAnswer", call: second ?? 0, answer: '{"read":7}' },
    { channel: 1, type: "chatChange", change: '{"read":7}' },
    { channel: 2, type: "chatChange", change: '{"read":8}' },
  );
  expect(heard).toMatchObject([{ answer: '{"read":7}' }, { change: '{"read":7}' }]);
});

test("nothing is asked while the room is joined anew", async () => {
  const world = new World();
  const room = world.room();
  const socket = await world.open();
  socket.say({ channel: 1, type: "left", code: 1013, reason: "", epoch: 0 });
  expect(room.callChat("{}")).toBeNull();
  world.retry(room);
  expect(room.callChat("{}")).toBeNull();
  socket.say(joined(2));
  expect(room.callChat("{}")).not.toBeNull();
});
