// The question before a page is closed. Pain: outline #3230.

import { expect, test } from "vitest";
import { guardUnload } from "../src/index.js";
import { emptySync, World } from "./fakes.js";

class Page extends EventTarget {
  readonly listeners = new Set<unknown>();

  override addEventListener(name: string, listener: EventListener): void {
    super.addEventListener(name, listener);
    this.listeners.add(listener);
  }

  override removeEventListener(name: string, listener: EventListener): void {
    super.removeEventListener(name, listener);
    this.listeners.delete(listener);
  }

  /** Says whether the browser would ask. */
  close(): boolean {
    return !this.dispatchEvent(new Event("beforeunload", { cancelable: true }));
  }
}

test("asks while something is unsaved, and listens only then", async () => {
  const world = new World();
  const page = new Page();
  const room = world.room();
  const release = guardUnload(room, page);
  const socket = await world.open();
  socket.say(...emptySync());
  expect([page.close(), page.listeners.size]).toEqual([false, 0]);
  room.doc.getText().insert(0, "a");
  room.doc.getText().insert(0, "b");
  expect([page.close(), page.listeners.size]).toEqual([true, 1]);
  socket.say({ channel: 1, type: "saved", seq: 3 });
  expect([page.close(), page.listeners.size]).toEqual([false, 0]);
  room.doc.getText().insert(0, "c");
  release();
  room.doc.getText().insert(0, "d");
  expect([page.close(), page.listeners.size]).toEqual([false, 0]);
});

test("asks for what was unsaved before, and no more when the room has ended", () => {
  const world = new World();
  const page = new Page();
  const room = world.room();
  room.doc.getText().insert(0, "a");
  guardUnload(room, page);
  expect(page.close()).toBe(true);
  room.destroy();
  expect([page.close(), page.listeners.size]).toEqual([false, 0]);
});

test("where there is no page there is nothing to guard", () => {
  const world = new World();
  const room = world.room();
  expect(() => guardUnload(room)()).not.toThrow();
  room.destroy();
});
