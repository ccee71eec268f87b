// Undo takes back what was done here.

import { expect, test } from "vitest";
import { Awareness } from "y-protocols/awareness";
import * as Y from "yjs";
import { undoOf } from "../src/index.js";
import { emptySync, World } from "./fakes.js";

async function room() {
  const world = new World();
  const room = world.room();
  const socket = await world.open();
  socket.say(...emptySync());
  const text = room.doc.getText("t");
  const theirs = (insert: string) => {
    const other = new Y.Doc();
    Y.applyUpdate(other, Y.encodeStateAsUpdate(room.doc));
    other.getText("t").insert(0, insert);
    const update = Y.encodeStateAsUpdate(other, Y.encodeStateVector(room.doc));
    socket.say({ channel: 1, type: "update", update });
  };
  return { world, room, socket, text, theirs };
}

test("own changes are undone and done again, with others' between them left alone", async () => {
  const { room: mine, text, theirs } = await room();
  const undo = undoOf(mine, text, { captureTimeout: 0 });
  text.insert(0, "a");
  theirs("X");
  text.insert(text.length, "b");
  expect(text.toString()).toBe("Xab");
  undo.undo();
  expect(text.toString()).toBe("Xa");
  undo.undo();
  expect(text.toString()).toBe("X");
  expect(undo.undoStack).toHaveLength(0);
  undo.redo();
  undo.redo();
  expect(text.toString()).toBe("Xab");
});

test("what the server or a store brings is never undone", async () => {
  const { room: mine, text, theirs } = await room();
  const undo = undoOf(mine, text);
  theirs("X");
  const stored = new Y.Doc();
  stored.getText("t").insert(0, "stored ");
  Y.applyUpdate(mine.doc, Y.encodeStateAsUpdate(stored), "store");
  expect(undo.canUndo()).toBe(false);
});

test("editors with an origin of their own are undone too; what another undo took back is not", async () => {
  const { room: mine, text } = await room();
  const undo = undoOf(mine, text, { captureTimeout: 0 });
  const another = new Y.UndoManager(text, { captureTimeout: 0 });
  mine.doc.transact(() => text.insert(0, "a"), { editor: true });
  text.insert(1, "b");
  expect(undo.undoStack).toHaveLength(2);
  another.undo();
  expect(text.toString()).toBe("a");
  expect(undo.undoStack).toHaveLength(2);
});

test("options narrow it: the scope, some origins, some transactions", async () => {
  const { room: mine, text } = await room();
  const map = mine.doc.getMap("m");
  const undo = undoOf(mine, [text], {
    captureTimeout: 0,
    trackedOrigins: new Set(["typing"]),
    captureTransaction: (transaction) => !transaction.meta.has("secret"),
  });
  map.set("k", 1);
  text.insert(0, "a");
  expect(undo.undoStack).toHaveLength(0);
  mine.doc.transact((transaction) => {
    transaction.meta.set("secret", true);
    text.insert(0, "b");
  }, "typing");
  expect(undo.undoStack).toHaveLength(0);
  mine.doc.transact(() => text.insert(0, "c"), "typing");
  expect(undo.undoStack).toHaveLength(1);
});

test("it ends with the room, or before it, and leaves nothing in a document that lives on", async () => {
  const world = new World();
  const doc = new Y.Doc();
  const awareness = new Awareness(doc);
  const text = doc.getText("t");
  const listeners = () => [...doc._observers].map(([name, { size }]) => [name, size]);
  const before = listeners();
  for (const first of ["undo", "room"] as const) {
    const mine = world.room({ doc, awareness });
    const undo = undoOf(mine, text);
    text.insert(0, "a");
    expect(undo.undoStack).toHaveLength(1);
    (first === "undo" ? undo : mine).destroy();
    text.insert(0, "b");
    expect([first, undo.undoStack.length]).toEqual([first, 1]);
    mine.destroy();
  }
  expect(listeners()).toEqual(before);
  awareness.destroy();
});

test("undo is a change like any other: it is saved", async () => {
  const { room: mine, text, socket } = await room();
  const undo = undoOf(mine, text);
  text.insert(0, "a");
  undo.undo();
  expect(mine.saved.unsaved).toBe(2);
  socket.say({ channel: 1, type: "saved", seq: 3 });
  expect(mine.saved.unsaved).toBe(0);
});
