// What is left of rooms that were opened and left. Pains: y-websocket #23 #100 #163 #176, y-sweet #394.

import { afterEach, expect, test } from "vitest";
import * as Y from "yjs";
import { type Client, guardUnload, undoOf } from "../src/index.js";
import { emptySync, type FakeSocket, joined, World, welcome } from "./fakes.js";

const ROOMS = 1_000;
/** Until compilers and caches are done with growing. */
const WARM_UP = 2_000;
const GROWTH_MAX = 0.05;

const { setInterval, clearInterval } = globalThis;
const intervals = new Set<unknown>();

/** Awareness takes the intervals of the runtime. A spy of vitest's would keep their closures alive. */
function countIntervals(): void {
  globalThis.setInterval = ((...args: Parameters<typeof setInterval>) => {
    const timer = setInterval(...args);
    intervals.add(timer);
    return timer;
  }) as typeof setInterval;
  globalThis.clearInterval = (timer) => {
    intervals.delete(timer);
    clearInterval(timer);
  };
}

afterEach(() => {
  Object.assign(globalThis, { setInterval, clearInterval });
  intervals.clear();
});

/** Opens a room, does what people do in one, and leaves it. */
function visit(client: Client, socket: FakeSocket, theirs: Y.Doc): void {
  const room = client.open("room");
  for (const name of ["status", "sync", "saved", "event", "role"] as const) room.on(name, () => {});
  guardUnload(room, new EventTarget());
  const text = room.doc.getText("t");
  const undo = undoOf(room, text);
  const join = socket.take().find((message) => message.type === "join");
  const channel = join?.channel ?? 0;
  const update = Y.encodeStateAsUpdate(theirs);
  socket.say(joined(channel), ...emptySync(channel), { channel, type: "update", update });
  expect(text.length).toBeGreaterThan(0);
  room.awareness.setLocalState({ name: "me" });
  text.insert(0, "mine");
  undo.undo();
  room.send("wave", { x: 1 });
  expect(room.saved.unsaved).toBe(2);
  // Some are left in the middle of things, and for some the server has the last word.
  if (channel % 3 === 0) socket.say({ channel, type: "saved", seq: 3 });
  if (channel % 3 === 1) socket.say({ channel, type: "left", code: 1013, reason: "", epoch: 0 });
  room.destroy();
  socket.take();
}

function heapBytes(): number {
  if (globalThis.gc === undefined) throw new Error("run with --expose-gc");
  for (let i = 0; i < 5; i += 1) globalThis.gc();
  return process.memoryUsage().heapUsed;
}

test("1,000 rooms leave no heap, no timer and no listener behind", {
  timeout: 60_000,
}, async () => {
  countIntervals();
  const world = new World();
  const client = world.client();
  const theirs = new Y.Doc();
  theirs.getText("t").insert(0, "x".repeat(10_000));
  client.open("first");
  const socket = await world.dial();
  socket.say(welcome());
  socket.take();
  const timers = world.clock.timers.size;
  const mine = intervals.size;

  for (let i = 0; i < WARM_UP; i += 1) visit(client, socket, theirs);
  const before = heapBytes();
  for (let i = 0; i < ROOMS; i += 1) visit(client, socket, theirs);
  const growth = heapBytes() / before - 1;

  expect(growth).toBeLessThan(GROWTH_MAX);
  expect(client.status).toBe("connected");
  expect(world.clock.timers.size).toBe(timers);
  expect(world.listeners.size).toBe(1);
  expect(intervals.size).toBe(mine);
  client.destroy();
  expect(world.clock.timers.size).toBe(0);
  expect(world.listeners.size).toBe(0);
  expect(intervals.size).toBe(0);
  theirs.destroy();
});

test("1,000 rooms that made their own connection leave nothing either", {
  timeout: 60_000,
}, async () => {
  const world = new World();
  const visitAlone = async () => {
    const room = world.room();
    const socket = await world.open();
    socket.say(...emptySync());
    room.doc.getText("t").insert(0, "mine");
    room.destroy();
    world.sockets.length = 0;
  };
  for (let i = 0; i < WARM_UP; i += 1) await visitAlone();
  const before = heapBytes();
  for (let i = 0; i < ROOMS; i += 1) await visitAlone();
  expect(heapBytes() / before - 1).toBeLessThan(GROWTH_MAX);
  expect(world.clock.timers.size).toBe(0);
  expect(world.listeners.size).toBe(0);
});

test("a document that lives on keeps nothing of the rooms that it was in", async () => {
  const world = new World();
  const client = world.client();
  const doc = new Y.Doc();
  const { awareness } = client.open("first", { doc });
  const socket = await world.dial();
  socket.say(welcome());
  const listeners = (of: { _observers: Map<string, Set<unknown>> }) =>
    [...of._observers].map(([name, { size }]) => [name, size]);
  const before = [listeners(doc), listeners(awareness)];
  for (let i = 0; i < 100; i += 1) client.open("room", { doc, awareness }).destroy();
  expect([listeners(doc), listeners(awareness)]).toEqual(before);
  client.destroy();
});
