// At most so often, and always the last value.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Throttle } from "../src/throttle.js";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("runs at once, then at most once an interval, with the last value", () => {
  const ran: [number, number][] = [];
  const startMs = Date.now();
  const throttle = new Throttle<number>(50, (value) => ran.push([Date.now() - startMs, value]));
  for (let i = 0; i <= 20; i += 1) {
    throttle.push(i);
    vi.advanceTimersByTime(8);
  }
  vi.advanceTimersByTime(500);
  expect(ran).toEqual([
    [0, 0],
    [50, 6],
    [100, 12],
    [150, 18],
    [200, 20],
  ]);
});

test("after a pause it runs at once again", () => {
  const run = vi.fn();
  const throttle = new Throttle<number>(50, run);
  throttle.push(1);
  vi.advanceTimersByTime(60);
  throttle.push(2);
  expect(run).toHaveBeenCalledTimes(2);
});

test("flush does what waits now, and once", () => {
  const run = vi.fn();
  const throttle = new Throttle<number>(50, run);
  throttle.push(1);
  throttle.push(2);
  throttle.flush();
  expect(run.mock.calls).toEqual([[1], [2]]);
  vi.advanceTimersByTime(500);
  throttle.flush();
  expect(run).toHaveBeenCalledTimes(2);
});

test("cancel forgets what waits", () => {
  const run = vi.fn();
  const throttle = new Throttle<number>(50, run);
  throttle.push(1);
  throttle.push(2);
  throttle.cancel();
  vi.advanceTimersByTime(500);
  expect(run.mock.calls).toEqual([[1]]);
});
