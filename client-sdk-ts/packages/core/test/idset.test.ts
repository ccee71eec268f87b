// Sets of content ids, against plain sets of numbers.

import { expect, test } from "vitest";
import { IdSet } from "../src/idset.js";

type Ranges = readonly (readonly [start: number, end: number])[];

function setOf(ranges: Ranges): IdSet {
  const set = new IdSet();
  for (const [start, end] of ranges) set.add(1, start, end);
  return set;
}

/** Which of the clocks 0 to 19 are in the set, asked by taking everything else out. */
function clocks(set: IdSet): number[] {
  return Array.from({ length: 20 }, (_, clock) => clock).filter((clock) => {
    const copy = new IdSet();
    copy.addAll(set);
    const others = new IdSet();
    others.add(1, 0, clock);
    others.add(1, clock + 1, 100);
    copy.subtract(others);
    return !copy.isEmpty;
  });
}

const cases: [Ranges, Ranges][] = [
  [[[0, 5]], [[0, 5]]],
  [[[0, 5]], [[2, 3]]],
  [[[0, 10]], [[1, 2], [4, 6], [9, 12]]], // biome-ignore format: one case, one line
  [[[5, 7], [0, 3], [2, 6]], [[0, 1], [6, 7]]], // biome-ignore format: one case, one line
  [[[0, 2], [4, 6], [8, 10]], [[1, 9]]], // biome-ignore format: one case, one line
  [[[3, 3]], []],
  [[[1, 4]], [[4, 9], [0, 1]]], // biome-ignore format: one case, one line
];

test.each(cases)("%j less %j", (a, b) => {
  const expected = new Set<number>();
  for (const [start, end] of a) for (let i = start; i < end; i += 1) expected.add(i);
  expect(clocks(setOf(a))).toEqual([...expected].sort((x, y) => x - y));
  for (const [start, end] of b) for (let i = start; i < end; i += 1) expected.delete(i);
  const set = setOf(a);
  set.subtract(setOf(b));
  expect(clocks(set)).toEqual([...expected].sort((x, y) => x - y));
  expect(set.isEmpty).toBe(expected.size === 0);
});

test("knows its lowest id of each client", () => {
  const set = setOf([
    [5, 6],
    [7, 8],
  ]);
  set.add(2, 3, 4);
  set.add(2, 1, 2);
  expect([...set.lowest()]).toEqual([
    [1, 5],
    [2, 1],
  ]);
});
