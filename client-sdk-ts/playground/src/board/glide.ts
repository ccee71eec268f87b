// How what moves in steps is shown as moving: each frame goes a part of the way that is left.

import type { Point } from "./geometry.js";

/** After this long a little over a third of the way is left. Steps arrive 50 ms apart. */
export const GLIDE_MS = 60;

/** The part of the way to go after this much time. It adds up to the same whatever the frames are. */
export function shareOf(elapsedMs: number, glideMs = GLIDE_MS): number {
  return 1 - Math.exp(-elapsedMs / glideMs);
}

/** The next point to show. It ends at `target` itself once nobody could see the difference. */
export function glide(shown: Point, target: Point, share: number): Point {
  const x = shown.x + (target.x - shown.x) * share;
  const y = shown.y + (target.y - shown.y) * share;
  const isThere = Math.abs(target.x - x) < 0.2 && Math.abs(target.y - y) < 0.2;
  return isThere ? target : { x, y };
}
