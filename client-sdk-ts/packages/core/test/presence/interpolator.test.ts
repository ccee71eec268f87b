// Points that others move: smooth, with a bounded lag, and the same however often one draws.

import { expect, test } from "vitest";
import { Interpolator, LAG_MS, pointOf } from "../../src/presence/index.js";

test("nothing before the first arrival, and then at once", () => {
  const point = new Interpolator();
  expect(point.sample(0)).toBeNull();
  expect(point.isStill(0)).toBe(true);
  point.push({ x: 5, y: 6 }, 1_000);
  expect(point.sample(1_000)).toEqual({ x: 5, y: 6 });
  expect(point.isStill(1_000)).toBe(true);
});

test("between two arrivals it moves evenly, and is where it should be after exactly the lag", () => {
  const point = new Interpolator(100);
  point.push({ x: 0, y: 0 }, 0);
  point.push({ x: 50, y: 100 }, 50);
  expect(point.sample(100)).toEqual({ x: 0, y: 0 });
  expect(point.sample(125)).toEqual({ x: 25, y: 50 });
  expect(point.isStill(125)).toBe(false);
  expect(point.sample(150)).toEqual({ x: 50, y: 100 });
  expect(point.isStill(150)).toBe(true);
  expect(point.sample(9_999)).toEqual({ x: 50, y: 100 });
});

test("after a rest it starts where it rests, without a jump", () => {
  const point = new Interpolator(100);
  point.push({ x: 0, y: 0 }, 0);
  point.push({ x: 100, y: 0 }, 60_000);
  expect(point.sample(60_000)).toEqual({ x: 0, y: 0 });
  expect(point.sample(60_050)).toEqual({ x: 50, y: 0 });
  expect(point.sample(60_100)).toEqual({ x: 100, y: 0 });
});

test("how often one draws changes nothing", () => {
  const path = (frameMs: number) => {
    const point = new Interpolator();
    const seen = new Map<number, number>();
    for (let ms = 0; ms <= 2_000; ms += 1) {
      if (ms % 50 === 0) point.push({ x: Math.sin(ms / 300) * 500, y: 0 }, ms);
      if (ms % frameMs === 0) seen.set(ms, point.sample(ms)?.x ?? Number.NaN);
    }
    return seen;
  };
  const [fast, slow] = [path(4), path(100)];
  for (const [ms, x] of slow) expect(x).toBe(fast.get(ms));
});

test("the lag is bounded whatever the pauses are, and no step is a jump", () => {
  const speed = 1;
  for (const pauses of [[16], [50], [90], [20, 95, 40, 70], [300]]) {
    const point = new Interpolator();
    let nextAt = 0;
    let turn = 0;
    let arrived = 0;
    let last = 0;
    for (let ms = 0; ms <= 3_000; ms += 1) {
      if (ms === nextAt) {
        arrived = ms * speed;
        point.push({ x: arrived, y: 0 }, ms);
        nextAt += pauses[turn % pauses.length] as number;
        turn += 1;
      }
      const { x } = point.sample(ms) ?? { x: Number.NaN };
      expect(x).toBeLessThanOrEqual(arrived);
      expect(x).toBeGreaterThanOrEqual(last);
      const longest = Math.max(...pauses);
      expect(ms * speed - x).toBeLessThanOrEqual(LAG_MS + longest);
      // Faster than it was moved only while it makes up for a rest, and then no more than the rest asks for.
      expect(x - last).toBeLessThanOrEqual(Math.max(1, longest / LAG_MS) * speed + 1e-9);
      last = x;
    }
  }
});

test("a clock that is set back, and two arrivals at once, do no harm", () => {
  const point = new Interpolator(100);
  point.push({ x: 0, y: 0 }, 1_000);
  point.push({ x: 10, y: 0 }, 1_050);
  point.push({ x: 20, y: 0 }, 500);
  point.push({ x: 30, y: 0 }, 1_050);
  expect(point.sample(1_125)).toEqual({ x: 15, y: 0 });
  expect(point.sample(1_150)).toEqual({ x: 30, y: 0 });
});

test("what is never drawn does not pile up", () => {
  const point = new Interpolator(100);
  for (let ms = 0; ms < 100_000; ms += 10) point.push({ x: ms, y: 0 }, ms);
  // Older than the lag is only where the path comes from.
  expect(point.sample(0)).toEqual({ x: 99_890, y: 0 });
});

test.each([null, 7, "x", {}, { x: 1 }, { x: 1, y: "2" }, { x: 1, y: null }, { x: 1, y: Infinity }])(
  "%j is no point",
  (value) => expect(pointOf(value)).toBeNull(),
);

test("of a point only the point is taken", () => {
  expect(pointOf({ x: 1, y: 2, z: 3 })).toEqual({ x: 1, y: 2 });
});
