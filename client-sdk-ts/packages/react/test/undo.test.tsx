// Undo of one's own changes.

import { act } from "@testing-library/react";
import { beforeEach, expect, test } from "vitest";
import * as Y from "yjs";
import { type Undo, type UndoOptions, useDoc, useUndo } from "../src/index.js";
import { counted, Stage } from "./stage.js";

let stage: Stage;
beforeEach(() => {
  stage = new Stage();
});

const text = () => stage.room.doc.getText("t");
const change = (run: () => void) => act(async () => run());

function history(options: UndoOptions = {}) {
  return counted(() => useUndo(useDoc().getText("t"), { captureMs: 0, ...options }));
}

const can = ({ canUndo, canRedo }: Undo) => [canUndo, canRedo];

test("own changes are undone and redone, and only whether one can is rendered", async () => {
  const { Counted, seen } = history();
  stage.show(<Counted />);
  await change(() => text().insert(0, "one"));
  await change(() => text().insert(3, " two"));
  await change(() => text().insert(7, " three"));
  expect(seen.map(can)).toEqual([
    [false, false],
    [true, false],
  ]);
  await change(() => seen.at(-1)?.undo());
  expect(text().toString()).toBe("one two");
  await change(() => seen.at(-1)?.undo());
  await change(() => seen.at(-1)?.undo());
  expect(text().toString()).toBe("");
  await change(() => seen.at(-1)?.redo());
  expect(text().toString()).toBe("one");
  expect(seen.map(can)).toEqual([
    [false, false],
    [true, false],
    [true, true],
    [false, true],
    [true, true],
  ]);
  await change(() => seen.at(-1)?.clear());
  expect(seen.map(can).at(-1)).toEqual([false, false]);
});

test("what others did stays, also in the midst of what is undone", async () => {
  const { Counted, seen } = history();
  stage.show(<Counted />);
  await change(() => text().insert(0, "mine"));
  await stage.edit((doc) => doc.getText("t").insert(2, " THEIRS "));
  await stage.edit((doc) => doc.getText("t").insert(0, "more "));
  await change(() => seen.at(-1)?.undo());
  expect(text().toString()).toBe("more  THEIRS ");
  expect(seen.map(can).at(-1)).toEqual([false, true]);
});

test("changes shortly after each other are one, unless one says stop", async () => {
  const { Counted, seen } = history({ captureMs: 60_000 });
  stage.show(<Counted />);
  await change(() => text().insert(0, "a"));
  await change(() => text().insert(1, "b"));
  seen.at(-1)?.stopCapturing();
  await change(() => text().insert(2, "c"));
  await change(() => seen.at(-1)?.undo());
  expect(text().toString()).toBe("ab");
  await change(() => seen.at(-1)?.undo());
  expect(text().toString()).toBe("");
});

test("whatever was made here counts, an editor's work too; other types do not", async () => {
  const { Counted, seen } = history();
  stage.show(<Counted />);
  await change(() => stage.room.doc.getText("other").insert(0, "x"));
  expect(seen.map(can)).toEqual([[false, false]]);
  await change(() => stage.room.doc.transact(() => text().insert(0, "editor"), {}));
  await change(() => seen.at(-1)?.undo());
  expect(text().toString()).toBe("");
});

test("origins narrow it", async () => {
  const editor = {};
  const { Counted, seen } = history({ origins: [editor] });
  stage.show(<Counted />);
  await change(() => text().insert(0, "without "));
  expect(seen.map(can)).toEqual([[false, false]]);
  await change(() => stage.room.doc.transact(() => text().insert(0, "editor "), editor));
  await change(() => seen.at(-1)?.undo());
  expect(text().toString()).toBe("without ");
});

test("two buttons share one history, which outlives both", async () => {
  const first = history();
  const second = history();
  stage.show([<first.Counted key="1" />, <second.Counted key="2" />]);
  await change(() => text().insert(0, "x"));
  expect(can(second.seen.at(-1) as Undo)).toEqual([true, false]);
  stage.show(null);
  await change(() => text().insert(1, "y"));
  const third = history();
  stage.show(<third.Counted />);
  await change(() => third.seen.at(-1)?.undo());
  await change(() => third.seen.at(-1)?.undo());
  expect(text().toString()).toBe("");
});

test("types of no document, or of another one, have no history here", () => {
  stage.show(null);
  for (const types of [new Y.Text(), new Y.Doc().getText("t"), []]) {
    const { Counted } = counted(() => useUndo(types));
    expect(() => stage.show(<Counted />)).toThrow(TypeError);
    stage.leave();
  }
});

test("the history ends with its room", async () => {
  const doc = new Y.Doc();
  const first = counted(() => useUndo(useDoc().getText("t")));
  stage.show(<first.Counted />, { doc });
  await change(() => text().insert(0, "x"));
  stage.leave();
  await stage.pass(0);
  const second = counted(() => useUndo(useDoc().getText("t")));
  stage.show(<second.Counted />, { doc });
  await change(() => text().insert(1, "y"));
  await change(() => second.seen.at(-1)?.undo());
  expect(doc.getText("t").toString()).toBe("x");
});
