// Cursors and selections that stay where they belong while others write.

import { describe, expect, test } from "vitest";
import * as Y from "yjs";
import { indexOf, rangeOf, shareIndex, shareRange } from "../../src/presence/index.js";

function textOf(content: string): Y.Text {
  const text = new Y.Doc().getText("t");
  text.insert(0, content);
  return text;
}

/** The way through awareness. */
function sent(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

test("a range moves with what it holds", () => {
  const text = textOf("hello world");
  const range = sent(shareRange(text, 6, 11));
  text.insert(0, "oh, ");
  expect(rangeOf(text, range)).toEqual({ anchor: 10, head: 15 });
  text.delete(0, 12);
  expect(rangeOf(text, range)).toEqual({ anchor: 0, head: 3 });
  text.delete(0, 3);
  expect(rangeOf(text, range)).toEqual({ anchor: 0, head: 0 });
});

test("what is inserted at the edges of a range stays outside, in either direction", () => {
  const text = textOf("abc");
  const forward = sent(shareRange(text, 1, 2));
  const backward = sent(shareRange(text, 2, 1));
  text.insert(2, "<");
  text.insert(1, ">");
  expect(text.toString()).toBe("a>b<c");
  expect(rangeOf(text, forward)).toEqual({ anchor: 2, head: 3 });
  expect(rangeOf(text, backward)).toEqual({ anchor: 3, head: 2 });
});

test("a place at the very end stays there, also in an empty text", () => {
  const text = textOf("");
  const place = sent(shareIndex(text, 0));
  text.insert(0, "ab");
  expect(indexOf(text, place)).toBe(2);
  const end = sent(shareIndex(text, 2));
  text.insert(2, "c");
  expect(indexOf(text, end)).toBe(3);
});

test("lists, nested types and other copies of the document", () => {
  const doc = new Y.Doc();
  const list = doc.getArray<unknown>("l");
  const nested = new Y.Text("deep");
  list.push([1, nested, 3]);
  const inList = sent(shareIndex(list, 2));
  const inText = sent(shareIndex(nested, 4));
  list.insert(0, [0]);
  const copy = new Y.Doc();
  Y.applyUpdate(copy, Y.encodeStateAsUpdate(doc));
  const copied = copy.getArray<unknown>("l");
  expect(indexOf(copied, inList)).toBe(3);
  expect(indexOf(copied.get(2) as Y.Text, inText)).toBe(4);
  expect(indexOf(copied, inText)).toBeNull();
});

test("all see the same place, also in what its author has undone", () => {
  const text = textOf("abc");
  const undo = new Y.UndoManager(text, { captureTimeout: 0 });
  const place = sent(shareIndex(text, 2));
  text.delete(1, 2);
  undo.undo();
  expect(text.toString()).toBe("abc");
  const copy = new Y.Doc();
  Y.applyUpdate(copy, Y.encodeStateAsUpdate(text.doc as Y.Doc));
  expect(indexOf(text, place)).toBe(indexOf(copy.getText("t"), place));
});

test("what an editor binding shares is read as well", () => {
  const text = textOf("hello");
  const position = (index: number) =>
    sent(Y.relativePositionToJSON(Y.createRelativePositionFromTypeIndex(text, index)));
  expect(rangeOf(text, { anchor: position(1), head: position(4) })).toEqual({ anchor: 1, head: 4 });
});

test("a place that does not exist cannot be shared", () => {
  const text = textOf("abc");
  for (const index of [-1, 4, 1.5, Number.NaN]) {
    expect(() => shareIndex(text, index)).toThrow(RangeError);
  }
});

describe("what strangers write", () => {
  const id = (client: unknown, clock: unknown) => ({ client, clock });
  test.each([
    null,
    undefined,
    7,
    "text",
    [],
    {},
    { item: 5 },
    { item: id("a", 0) },
    { item: id(1, -1) },
    { item: id(1, 0.5) },
    { item: id(1, 1e300) },
    { item: id(99, 5), tname: "t" },
    { type: id(99, 5) },
    { tname: {} },
    { tname: "t", assoc: "left" },
    { tname: "elsewhere" },
    { tname: "toString" },
  ])("%j is nowhere, and leaves the document as it was", (position) => {
    const text = textOf("abc");
    expect(indexOf(text, position)).toBeNull();
    expect(rangeOf(text, { anchor: position, head: position })).toBeNull();
    expect(rangeOf(text, position)).toBeNull();
    expect([...(text.doc?.share.keys() ?? [])]).toEqual(["t"]);
  });

  test("a place that has not arrived yet is nowhere until it does", () => {
    const text = textOf("abc");
    const other = new Y.Doc();
    Y.applyUpdate(other, Y.encodeStateAsUpdate(text.doc as Y.Doc));
    other.getText("t").insert(3, "def");
    const place = sent(shareIndex(other.getText("t"), 4));
    expect(indexOf(text, place)).toBeNull();
    Y.applyUpdate(text.doc as Y.Doc, Y.encodeStateAsUpdate(other));
    expect(indexOf(text, place)).toBe(4);
  });

  test("a place in a type that was deleted is nowhere or harmless", () => {
    const doc = new Y.Doc();
    const list = doc.getArray<Y.Text>("l");
    list.push([new Y.Text("gone")]);
    const nested = list.get(0);
    const place = sent(shareIndex(nested, 2));
    list.delete(0);
    expect(() => indexOf(nested, place)).not.toThrow();
    expect(indexOf(list as Y.Array<unknown>, place)).toBeNull();
  });
});
