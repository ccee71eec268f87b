// Where one looks from: which point of the board is at the corner of the screen, and how large things are.

import { type Box, clamp, distance, middle, type Point, type Size } from "./geometry.js";

export interface Camera extends Point {
  /** Pixels of the screen for one of the board. */
  readonly zoom: number;
}

export const ZOOM_MIN = 0.1;
export const ZOOM_MAX = 3;
/** What one press of a button or a key does to the zoom. */
export const ZOOM_STEP = 1.25;

export function toBoard(camera: Camera, { x, y }: Point): Point {
  return { x: camera.x + x / camera.zoom, y: camera.y + y / camera.zoom };
}

export function toScreen(camera: Camera, { x, y }: Point): Point {
  return { x: (x - camera.x) * camera.zoom, y: (y - camera.y) * camera.zoom };
}

/** The ground moves with the finger by this much of the screen. */
export function panned(camera: Camera, dx: number, dy: number): Camera {
  return { ...camera, x: camera.x - dx / camera.zoom, y: camera.y - dy / camera.zoom };
}

/** The point under `screen` stays where it is. */
export function zoomedAt(camera: Camera, screen: Point, factor: number): Camera {
  const zoom = clamp(camera.zoom * factor, ZOOM_MIN, ZOOM_MAX);
  const fixed = toBoard(camera, screen);
  return { x: fixed.x - screen.x / zoom, y: fixed.y - screen.y / zoom, zoom };
}

/** Two fingers went from here to there: what was between them still is. */
export function pinched(
  camera: Camera,
  from: readonly [Point, Point],
  to: readonly [Point, Point],
): Camera {
  const before = middle(...from);
  const after = middle(...to);
  const moved = panned(camera, after.x - before.x, after.y - before.y);
  // Fingers on one spot would zoom without end.
  const factor = Math.max(1, distance(...to)) / Math.max(1, distance(...from));
  return zoomedAt(moved, after, factor);
}

/** Shows all of the box with this much of the screen around it, and never larger than it is. */
export function fitted(box: Box, screen: Size, margin: number): Camera {
  const room = { w: Math.max(1, screen.w - 2 * margin), h: Math.max(1, screen.h - 2 * margin) };
  const zoom = clamp(Math.min(room.w / box.w, room.h / box.h, 1), ZOOM_MIN, ZOOM_MAX);
  return centered({ x: box.x + box.w / 2, y: box.y + box.h / 2 }, screen, zoom);
}

/** Looks at this point of the board. */
export function centered(point: Point, screen: Size, zoom: number): Camera {
  return { x: point.x - screen.w / zoom / 2, y: point.y - screen.h / zoom / 2, zoom };
}

/** Moves as little as shows the box. What is larger than the screen shows its upper left corner. */
export function revealed(camera: Camera, box: Box, screen: Size, margin: number): Camera {
  const pad = margin / camera.zoom;
  const along = (at: number, length: number, from: number, seen: number) => {
    if (at + length + pad > from + seen) from = at + length + pad - seen;
    return at - pad < from ? at - pad : from;
  };
  return {
    x: along(box.x, box.w, camera.x, screen.w / camera.zoom),
    y: along(box.y, box.h, camera.y, screen.h / camera.zoom),
    zoom: camera.zoom,
  };
}

/**
 * A camera on the way: `share` 0 is `from`, 1 is `to`. The reach (1 / zoom) goes evenly and not the zoom, so that a point
 * which is at one place of the screen at both ends stays there in between.
 */
export function between(from: Camera, to: Camera, share: number): Camera {
  const mix = (a: number, b: number) => a + (b - a) * share;
  return {
    x: mix(from.x, to.x),
    y: mix(from.y, to.y),
    zoom: 1 / mix(1 / from.zoom, 1 / to.zoom),
  };
}

/** Whether nobody could tell them apart. */
export function isNear(a: Camera, b: Camera): boolean {
  return (
    Math.abs(a.zoom / b.zoom - 1) < 0.001 &&
    Math.abs(a.x - b.x) * b.zoom < 0.25 &&
    Math.abs(a.y - b.y) * b.zoom < 0.25
  );
}
