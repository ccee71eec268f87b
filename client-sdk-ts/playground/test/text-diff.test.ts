// The smallest change between two texts, and where carets go.

import { describe, expect, test } from "vitest";
import {
  type DeltaStep,
  diffText,
  endOf,
  movedBy,
  rebased,
  type TextChange,
} from "../src/board/text-diff.js";
import { Random } from "./random.js";

/** A text with `|` where the caret is. */
function diff(before: string, after: string) {
  const caret = after.indexOf("|");
  return diffText(before, after.replace("|", ""), caret < 0 ? after.length : caret);
}

function applied(text: string, { index, remove, insert }: TextChange): string {
  return text.slice(0, index) + insert + text.slice(index + remove);
}

describe("diffText", () => {
  test("nothing changed", () => {
    expect(diff("same", "same|")).toBeNull();
  });

  test.each([
    ["", "a|", { index: 0, remove: 0, insert: "a" }],
    ["ab", "a|", { index: 1, remove: 1, insert: "" }],
    ["one three", "one two |three", { index: 4, remove: 0, insert: "two " }],
    ["one two three", "one |three", { index: 4, remove: 4, insert: "" }],
    ["one two", "one 2|", { index: 4, remove: 3, insert: "2" }],
  ])("%s to %s", (before, after, change) => {
    expect(diff(before, after)).toEqual(change);
  });

  test("among equal letters the caret says which is new", () => {
    expect(diff("aaa", "a|aaa")).toEqual({ index: 0, remove: 0, insert: "a" });
    expect(diff("aaa", "aaa|a")).toEqual({ index: 2, remove: 0, insert: "a" });
    expect(diff("aaaa", "aa|a")).toEqual({ index: 2, remove: 1, insert: "" });
  });

  test("a correction far from the caret stays as small as it is", () => {
    expect(diff("helo big world", "hello big world|")).toEqual({
      index: 3,
      remove: 0,
      insert: "l",
    });
  });

  test("half of a sign is never told to others", () => {
    // Both begin with the same half of a pair, or end with one.
    expect(diff("😀", "😁|")).toEqual({ index: 0, remove: 2, insert: "😁" });
    const [high, low] = ["\ud83d", "\ude00"];
    const before = `x${high}${low}y`;
    const after = `x\ud83e${low}y`;
    expect(diffText(before, after, after.length)).toEqual({
      index: 1,
      remove: 2,
      insert: `\ud83e${low}`,
    });
  });

  test("whatever was done, doing the change gives the same text", () => {
    const random = new Random(1);
    const letters = ["a", "b", "a", "\n", "😀", "😁"];
    const text = () => Array.from({ length: random.below(7) }, () => random.pick(letters)).join("");
    for (let i = 0; i < 5_000; i += 1) {
      const [before, after] = [text(), text()];
      const change = diffText(before, after, random.below(after.length + 1));
      if (change === null) expect(before).toBe(after);
      else expect(applied(before, change)).toBe(after);
    }
  });
});

describe("movedBy", () => {
  const insert: DeltaStep[] = [{ retain: 3 }, { insert: "xy" }];
  const remove: DeltaStep[] = [{ retain: 3 }, { delete: 2 }];

  test.each([
    [2, insert, 2],
    [3, insert, 3],
    [4, insert, 6],
    [2, remove, 2],
    [4, remove, 3],
    [9, remove, 7],
    [4, [{ delete: 2 }, { insert: "abc" }, { retain: 1 }, { insert: {} }], 6],
  ])("a caret at %i", (position, delta, moved) => {
    expect(movedBy(position, delta)).toBe(moved);
  });

  test("what stands behind the caret stays behind it", () => {
    const random = new Random(2);
    for (let i = 0; i < 2_000; i += 1) {
      const text = "abcdefghij".slice(0, random.below(10) + 1);
      const caret = random.below(text.length + 1);
      const from = random.below(text.length + 1);
      const count = random.below(text.length - from + 1);
      const delta: DeltaStep[] = [
        ...(from > 0 ? [{ retain: from }] : []),
        ...(count > 0 ? [{ delete: count }] : []),
        { insert: "XY" },
      ];
      const after = `${text.slice(0, from)}XY${text.slice(from + count)}`;
      const moved = movedBy(caret, delta);
      const kept = [...text.slice(caret)].filter(
        (_, k) => caret + k < from || caret + k >= from + count,
      );
      expect(after.slice(moved).replace("XY", "")).toBe(kept.join(""));
    }
  });
});

test("endOf is where the last change ends", () => {
  expect(endOf([{ retain: 2 }, { insert: "abc" }, { retain: 4 }])).toBe(5);
  expect(endOf([{ retain: 2 }, { delete: 3 }])).toBe(2);
});

test("a change is rebased over what others did meanwhile", () => {
  const change = { index: 4, remove: 2, insert: "new" };
  expect(rebased(change, [[{ insert: "ab" }]])).toEqual({ ...change, index: 6 });
  expect(rebased(change, [[{ retain: 5 }, { delete: 3 }]])).toEqual({ ...change, remove: 1 });
  expect(rebased(change, [[{ delete: 9 }]])).toEqual({ index: 0, remove: 0, insert: "new" });
});
