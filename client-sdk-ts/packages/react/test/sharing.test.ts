// What is equal keeps its identity, and what is not is not taken for equal.

import { expect, test } from "vitest";
import { keepEqual } from "../src/sharing.js";

test.each([
  [1, 1],
  [Number.NaN, Number.NaN],
  [{}, {}],
  [[], []],
  [{ a: { b: [1, { c: null }] } }, { a: { b: [1, { c: null }] } }],
  [
    { a: 1, b: 2 },
    { b: 2, a: 1 },
  ],
])("%j is kept", (last, next) => {
  expect(keepEqual(last, next)).toBe(last);
});

test.each([
  [0, -0],
  [{ a: undefined }, { b: undefined }],
  [{ a: 1 }, {}],
  [{}, { a: undefined }],
  [[1], [1, 2]],
  [[1, 2], [1]],
  [[undefined], []],
  [[], {}],
  [null, {}],
  ["1", 1],
  [new Date(0), new Date(0)],
  [new Map(), new Map()],
])("%j and %j are not the same", (last, next) => {
  const kept = keepEqual<unknown>(last, next);
  expect(kept).not.toBe(last);
  expect(kept).toEqual(next);
});

test("what has not changed is kept inside of what has", () => {
  const last = { a: { x: 1 }, list: [{ y: 1 }, { z: 1 }] };
  const kept = keepEqual(last, { a: { x: 1 }, list: [{ y: 1 }, { z: 2 }] });
  expect(kept).toEqual({ a: { x: 1 }, list: [{ y: 1 }, { z: 2 }] });
  expect(kept.a).toBe(last.a);
  expect(kept.list[0]).toBe(last.list[0]);
  expect(kept.list[1]).not.toBe(last.list[1]);
});
