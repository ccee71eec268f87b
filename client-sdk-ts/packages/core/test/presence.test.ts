// Who is here: how a client shows itself, and when it forgets others. Pains: y-websocket #122, yjs #732.

import * as decoding from "lib0/decoding";
import { expect, test } from "vitest";
import { Awareness, encodeAwarenessUpdate } from "y-protocols/awareness";
import * as Y from "yjs";
import type { Addressed, AwarenessUpdate, ClientMessage } from "../src/wire.js";
import { names, settled, World } from "./fakes.js";

function peer(name: string): Awareness {
  const awareness = new Awareness(new Y.Doc());
  awareness.setLocalState({ name });
  return awareness;
}

function messageOf(awareness: Awareness): Addressed<AwarenessUpdate> {
  const update = encodeAwarenessUpdate(awareness, [awareness.clientID]);
  return { channel: 1, type: "awareness", update };
}

/** The clock in an awareness update of one client. */
function clockIn(message: ClientMessage | undefined, clientID: number): number {
  if (message?.type !== "awareness") throw new Error("not an awareness message");
  const decoder = decoding.createDecoder(message.update);
  expect(decoding.readVarUint(decoder)).toBe(1);
  expect(decoding.readVarUint(decoder)).toBe(clientID);
  return decoding.readVarUint(decoder);
}

test("y-websocket #122: each join bumps the own clock, so that presence returns at once", async () => {
  const world = new World();
  const room = world.room();
  room.awareness.setLocalState({ name: "me" });
  const id = room.awareness.clientID;
  const first = (await world.open()).take();
  expect(first.map((message) => message.type)).toEqual(["hello", "join", "awareness"]);
  world.socket.end(1006);
  world.retry(room);
  const second = (await world.open()).take();
  expect(second.map((message) => message.type)).toEqual(["hello", "join", "awareness"]);
  expect(clockIn(second[2], id)).toBeGreaterThan(clockIn(first[2], id));
  room.destroy();
});

test("a client that shows nothing sends nothing", async () => {
  const world = new World();
  const room = world.room();
  room.awareness.setLocalState(null);
  expect((await world.open()).take().map((message) => message.type)).toEqual(["hello", "join"]);
  room.destroy();
});

test("people are forgotten when the socket goes, and return with the clock they had", async () => {
  const world = new World();
  const room = world.room();
  room.awareness.setLocalState({ name: "me" });
  const ada = peer("ada");
  (await world.open()).say(messageOf(ada));
  expect(names(room.awareness)).toEqual(["ada", "me"]);
  world.socket.end(1006);
  expect(names(room.awareness)).toEqual(["me"]);
  world.retry(room);
  (await world.open()).say(messageOf(ada));
  expect(names(room.awareness)).toEqual(["ada", "me"]);
  ada.destroy();
  room.destroy();
});

test("yjs #732: what others show is never sent back", async () => {
  const world = new World();
  const room = world.room();
  const ada = peer("ada");
  const socket = await world.open();
  socket.take();
  for (let move = 0; move < 5; move += 1) {
    ada.setLocalState({ name: "ada", move });
    socket.say(messageOf(ada));
  }
  expect(socket.take()).toEqual([]);
  room.awareness.setLocalState({ name: "me" });
  expect(socket.take()).toHaveLength(1);
  ada.destroy();
  room.destroy();
});

test("a client that is declared gone says that it is still here", async () => {
  const world = new World();
  const room = world.room();
  room.awareness.setLocalState({ name: "me" });
  const id = room.awareness.clientID;
  const socket = await world.open();
  const clock = clockIn(socket.take()[2], id);
  const gone = new Awareness(new Y.Doc());
  gone.clientID = id;
  gone.states.clear();
  gone.meta.set(id, { clock, lastUpdated: 0 });
  socket.say({ channel: 1, type: "awareness", update: encodeAwarenessUpdate(gone, [id]) });
  expect(names(room.awareness)).toEqual(["me"]);
  expect(clockIn(socket.take()[0], id)).toBe(clock + 1);
  gone.destroy();
  room.destroy();
});

test("leaving tells the others before the socket closes", async () => {
  const world = new World();
  const room = world.room();
  const id = room.awareness.clientID;
  const socket = await world.open();
  const clock = clockIn(socket.take()[2], id);
  room.destroy();
  await settled();
  const [last, leave] = socket.take();
  expect(clockIn(last, id)).toBe(clock + 1);
  expect(leave).toEqual({ channel: 1, type: "leave" });
  expect(last?.type === "awareness" && new TextDecoder().decode(last.update)).toContain("null");
});
