// What comes through awareness on the board, and how often one's own goes out.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Awareness } from "y-protocols/awareness";
import * as Y from "yjs";
import { MyPresence, presenceOf } from "../src/board/presence.js";
import { EditorsAwareness } from "../src/editors-awareness.js";

let awareness: Awareness;
beforeEach(() => {
  vi.useFakeTimers();
  awareness = new Awareness(new Y.Doc());
});
afterEach(() => {
  awareness.destroy();
  vi.useRealTimers();
});

function setState(clientID: number, state: Record<string, unknown> | null) {
  const isKnown = awareness.states.has(clientID);
  if (state === null) awareness.states.delete(clientID);
  else awareness.states.set(clientID, state);
  const change = {
    added: isKnown ? [] : [clientID],
    updated: isKnown && state !== null ? [clientID] : [],
    removed: state === null ? [clientID] : [],
  };
  awareness.emit("change", [change, "network"]);
}

test.each([
  [undefined],
  [null],
  ["text"],
  [{ place: "board", board: null }],
  [{ place: "board", board: { at: ["1", 2], writing: 7 } }],
  [{ place: "board", board: { at: [Number.NaN, 2], writing: "x".repeat(1_000) } }],
  [{ place: "board", board: { at: { x: 1, y: 2 } } }],
  [{ place: "code", board: { at: [1, 2], writing: "a-1" } }],
])("nobody points anywhere in %j", (state) => {
  expect(presenceOf(state)).toEqual({ at: null, writing: null });
});

test("a pointer and a note are read, and what is out of reach comes within it", () => {
  expect(presenceOf({ place: "board", board: { at: [1.5, -2], writing: "a-1" } })).toEqual({
    at: { x: 1.5, y: -2 },
    writing: "a-1",
  });
  expect(presenceOf({ place: "board", board: { at: [1e300, 0] } }).at?.x).toBeLessThan(1e6);
});

test("one's pointer is told 20 times a second at most, its last place always, its leaving at once", () => {
  const told: unknown[] = [];
  const mine = new MyPresence(awareness);
  awareness.on("update", () => told.push(awareness.getLocalState()?.board));
  for (let ms = 0; ms < 1_000; ms += 5) {
    mine.point({ x: ms, y: 0 });
    vi.advanceTimersByTime(5);
  }
  vi.advanceTimersByTime(100);
  expect(told.length).toBeLessThanOrEqual(21);
  expect(told.at(-1)).toEqual({ at: [995, 0], writing: null });
  const count = told.length;
  mine.point({ x: 1, y: 1 });
  mine.point(null);
  expect(told).toHaveLength(count + 2);
  expect(told.at(-1)).toEqual({ at: null, writing: null });
  mine.point(null);
  mine.write("a-1");
  mine.write("a-1");
  expect(told).toHaveLength(count + 3);
  expect(told.at(-1)).toEqual({ at: null, writing: "a-1" });
  mine.close();
});

test("the editors hear of carets and names, and nothing of pointers on the board", () => {
  const editors = new EditorsAwareness(awareness, "code");
  const code = editors.for("code");
  const heard: unknown[] = [];
  const listener = (changes: unknown) => heard.push(changes);
  code.on("change", listener);
  const state = { user: { name: "Ada", color: "#0f766e" }, cursor: { anchor: 1, head: 1 } };
  setState(7, state);
  expect(heard).toEqual([{ added: [7], updated: [], removed: [] }]);
  for (let x = 0; x < 50; x += 1) setState(7, { ...state, board: { at: [x, 0] } });
  vi.advanceTimersByTime(1_000);
  expect(heard).toHaveLength(1);
  for (let at = 0; at < 50; at += 1) {
    setState(7, { ...state, cursor: { anchor: at, head: at } });
    vi.advanceTimersByTime(10);
  }
  vi.advanceTimersByTime(100);
  expect(heard.length).toBeGreaterThan(5);
  expect(heard.length).toBeLessThanOrEqual(13);
  const before = heard.length;
  setState(7, null);
  vi.advanceTimersByTime(100);
  expect(heard.at(-1)).toEqual({ added: [], updated: [], removed: [7] });
  expect(heard).toHaveLength(before + 1);
  code.off("change", listener);
  setState(8, state);
  vi.advanceTimersByTime(100);
  expect(heard).toHaveLength(before + 1);
  editors.close();
});

test("an editor that nobody sees sleeps, and hears what it missed when one comes to it", () => {
  const editors = new EditorsAwareness(awareness, "board");
  const heard: unknown[] = [];
  editors.for("code").on("change", (changes: unknown) => heard.push(changes));
  const cursor = (at: number) => ({ cursor: { anchor: at, head: at } });
  setState(7, cursor(1));
  setState(8, cursor(1));
  vi.advanceTimersByTime(1_000);
  setState(7, cursor(2));
  setState(8, null);
  vi.advanceTimersByTime(1_000);
  expect(heard).toEqual([]);
  editors.show("document");
  vi.advanceTimersByTime(1_000);
  expect(heard).toEqual([]);
  editors.show("code");
  expect(heard).toEqual([{ added: [7], updated: [7], removed: [8] }]);
  setState(7, cursor(3));
  vi.advanceTimersByTime(1_000);
  expect(heard).toHaveLength(2);
  editors.close();
});

test("the editors see cleaned names and colours, and may write into what they get", () => {
  const editors = new EditorsAwareness(awareness, "code");
  const code = editors.for("code");
  setState(7, { user: { name: "M".repeat(500), color: "red;position:fixed" }, cursor: null });
  const seen = code.getStates().get(7)?.user;
  expect(seen.name).toBe("M".repeat(40));
  expect(seen.color).toMatch(/^#[0-9a-f]{6}$/);
  seen.name = "changed";
  expect(code.states.get(7)?.user.name).toBe("M".repeat(40));
  code.setLocalStateField("cursor", { anchor: 1, head: 1 });
  expect(awareness.getLocalState()?.cursor).toEqual({ anchor: 1, head: 1 });
  editors.close();
});
