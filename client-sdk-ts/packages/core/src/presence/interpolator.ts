// A point that somebody else moves, drawn smoothly between the few places that arrive.

import type { Point } from "./point.js";

/**
 * How far what is drawn lies behind what arrived. It covers the pause between two arrivals: the sender's 50 ms and the
 * tick of the server.
 */
export const LAG_MS = 100;

interface Sample extends Point {
  readonly atMs: number;
}

/**
 * Draws the path as it was `lagMs` ago. So the lag is always the same and has nothing to do with how often somebody
 * draws, and a place that arrived is reached exactly that much later.
 */
export class Interpolator {
  readonly #lagMs: number;
  /** In the order of their times. What is older than the lag is gone, but for the last such one. */
  #samples: Sample[] = [];

  constructor(lagMs: number = LAG_MS) {
    this.#lagMs = lagMs;
  }

  /** A place that arrived at this time. */
  push({ x, y }: Point, atMs: number): void {
    const last = this.#samples.at(-1);
    // A clock that was set back does not turn the path around.
    const at = last === undefined ? atMs : Math.max(atMs, last.atMs);
    if (last !== undefined && at - last.atMs > this.#lagMs) {
      // It rested there until now: without this the rest would be drawn as a slow start and a jump.
      this.#samples.push({ ...last, atMs: at - this.#lagMs });
    }
    if (last?.atMs === at) this.#samples.pop();
    this.#samples.push({ x, y, atMs: at });
    this.#forgetBefore(at - this.#lagMs);
  }

  /** Where it is drawn at this time. Null before the first arrival. */
  sample(nowMs: number): Point | null {
    const first = this.#samples[0];
    if (first === undefined) return null;
    const atMs = nowMs - this.#lagMs;
    let from = first;
    for (const to of this.#samples) {
      if (to.atMs > atMs) return between(from, to, atMs);
      from = to;
    }
    return { x: from.x, y: from.y };
  }

  /** Whether it has come to rest: until something arrives, `sample` answers the same. */
  isStill(nowMs: number): boolean {
    const last = this.#samples.at(-1);
    return last === undefined || this.#samples.length === 1 || nowMs - this.#lagMs >= last.atMs;
  }

  #forgetBefore(atMs: number): void {
    let keepFrom = 0;
    while ((this.#samples[keepFrom + 1]?.atMs ?? Number.POSITIVE_INFINITY) <= atMs) keepFrom += 1;
    if (keepFrom > 0) this.#samples = this.#samples.slice(keepFrom);
  }
}

function between(from: Sample, to: Sample, atMs: number): Point {
  if (atMs <= from.atMs) return { x: from.x, y: from.y };
  const share = (atMs - from.atMs) / (to.atMs - from.atMs);
  return { x: from.x + (to.x - from.x) * share, y: from.y + (to.y - from.y) * share };
}
