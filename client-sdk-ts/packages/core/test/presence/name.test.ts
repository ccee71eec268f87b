// Names that strangers chose.

import { expect, test } from "vitest";
import { cleanName, initialsOf, NAME_LENGTH_MAX } from "../../src/presence/index.js";

test.each([
  ["Ada Lovelace", "Ada Lovelace"],
  ["  Ada\n\tLovelace ", "Ada Lovelace"],
  ["Ada\u202Ecod.exe", "Ada cod.exe"],
  ["\u200B\u2060\uFEFF", ""],
  ["<b>Ada</b>", "<b>Ada</b>"],
  [null, ""],
  [7, ""],
  [{ toString: () => "Ada" }, ""],
])("%j is shown as %j", (name, shown) => {
  expect(cleanName(name)).toBe(shown);
});

test("a long name is cut between letters, not in one", () => {
  expect(cleanName("x".repeat(1_000_000))).toHaveLength(NAME_LENGTH_MAX);
  expect([...cleanName("😀".repeat(100))]).toHaveLength(NAME_LENGTH_MAX);
  expect(cleanName("😀".repeat(100)).endsWith("😀")).toBe(true);
});

test.each([
  ["Ada Lovelace", "AL"],
  ["ada", "A"],
  ["Ada King Lovelace", "AL"],
  ["Élan (he) 7", "É7"],
  ["— —", "?"],
  ["", "?"],
])("%j has the initials %j", (name, initials) => {
  expect(initialsOf(name)).toBe(initials);
});
