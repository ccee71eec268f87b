// The ground comes along when one drags something to the edge of the window.

import type { Point, Size } from "./geometry.js";
import type { Frame, Layer } from "./stage.js";

/** How far from the edge it begins, and how fast the ground is at the edge itself. */
const EDGE_PX = 36;
const SPEED_PX_PER_S = 700;

/** Pixels a second that the window goes over the board with the hand here. */
export function edgeSpeed({ x, y }: Point, { w, h }: Size): Point {
  const along = (at: number, length: number) => {
    // In a window that is all edge nothing would ever stand still.
    const edge = Math.min(EDGE_PX, length / 4);
    const depth = Math.max(0, edge - at) - Math.max(0, at - (length - edge));
    return -Math.max(-1, Math.min(1, depth / edge)) * SPEED_PX_PER_S || 0;
  };
  return { x: along(x, w), y: along(y, h) };
}

export class EdgePan implements Layer {
  readonly #pan: (dx: number, dy: number) => void;
  #hand: Point | null = null;

  constructor(pan: (dx: number, dy: number) => void) {
    this.#pan = pan;
  }

  /** Where the hand is while it drags, or that it does not. */
  get hand(): Point | null {
    return this.#hand;
  }

  set hand(at: Point | null) {
    this.#hand = at;
  }

  paint({ size, elapsedMs }: Frame): boolean {
    if (this.#hand === null) return false;
    const { x, y } = edgeSpeed(this.#hand, size);
    if (x === 0 && y === 0) return false;
    this.#pan((-x * elapsedMs) / 1_000, (-y * elapsedMs) / 1_000);
    return true;
  }
}
