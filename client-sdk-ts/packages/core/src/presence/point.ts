// A place on a plane, in whatever units the application shares: pixels of a page, or units of a canvas.

/** A place: `x` to the right, `y` down, in the units that the application shares. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** Reads a point that somebody else has written. Null if it is none: infinities and NaN are nowhere. */
export function pointOf(value: unknown): Point | null {
  if (typeof value !== "object" || value === null) return null;
  const { x, y } = value as { x?: unknown; y?: unknown };
  if (typeof x !== "number" || typeof y !== "number") return null;
  return Number.isFinite(x) && Number.isFinite(y) ? { x, y } : null;
}
