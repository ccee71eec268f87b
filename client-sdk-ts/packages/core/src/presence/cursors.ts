// The cursors of others on a plane, drawn smoothly, and drawn only while something moves.

import { type Report, reporter } from "../error.js";
import { type Frames, pageFrames } from "./frames.js";
import { Interpolator } from "./interpolator.js";
import { type Point, pointOf } from "./point.js";
import type { Other, Presence } from "./presence.js";
import { type Timing, timing } from "./timing.js";

/** Where somebody's cursor is drawn at this moment. */
export interface Cursor<T> extends Point {
  readonly other: Other<T>;
}

/** How cursors are read from what people show, and drawn. */
export interface CursorOptions<T> {
  /** Where somebody's cursor is; null if they have none at present. Default: `state.cursor`, if that is a point. */
  readonly cursorOf?: (state: T) => Point | null | undefined;
  /** How far what is drawn lies behind what arrived. */
  readonly lagMs?: number;
  readonly frames?: Frames;
  /** Is told what `cursorOf` and drawing throw. */
  readonly onError?: Report;
  readonly environment?: Partial<Timing>;
}

interface Track<T> {
  readonly interpolator: Interpolator;
  other: Other<T>;
  last: Point;
}

/** The cursors of others, a fixed lag behind what arrived, so that they glide. `cursorTracker()` makes one. */
export class CursorTracker<T extends object> {
  readonly #presence: Presence<T>;
  readonly #cursorOf: (state: T) => Point | null | undefined;
  readonly #lagMs: number | undefined;
  readonly #frames: Frames;
  readonly #timing: Timing;
  readonly #report: Report;
  readonly #tracks = new Map<number, Track<T>>();
  readonly #drawers = new Set<(cursors: readonly Cursor<T>[]) => void>();
  /** Those whose state made `cursorOf` throw: it is told once, not with each move they make. */
  readonly #reported = new Set<number>();
  readonly #unsubscribe: () => void;
  #seen: readonly Other<T>[] = [];
  #frame: unknown = null;

  constructor(presence: Presence<T>, options: CursorOptions<T> = {}) {
    this.#presence = presence;
    this.#cursorOf = options.cursorOf ?? ((state) => (state as { cursor?: Point }).cursor);
    this.#lagMs = options.lagMs;
    this.#frames = options.frames ?? pageFrames;
    this.#timing = timing(options.environment);
    this.#report = reporter(options.onError);
    this.#unsubscribe = presence.subscribe(() => {
      this.#read();
      this.#wake();
    });
    this.#read();
  }

  /** Where the cursors are at this moment. */
  sample(): Cursor<T>[] {
    const nowMs = this.#timing.now();
    return [...this.#tracks.values()].flatMap(({ interpolator, other }) => {
      const point = interpolator.sample(nowMs);
      return point === null ? [] : [{ ...point, other }];
    });
  }

  /** Draws with the next frame, and then in each in which something moves. Returns the way to stop. */
  onFrame(draw: (cursors: readonly Cursor<T>[]) => void): () => void {
    this.#drawers.add(draw);
    this.#wake();
    return () => {
      this.#drawers.delete(draw);
      if (this.#drawers.size === 0) this.#sleep();
    };
  }

  /** Draws and follows nothing any more. */
  destroy(): void {
    this.#unsubscribe();
    this.#drawers.clear();
    this.#tracks.clear();
    this.#sleep();
  }

  #read(): void {
    const { others } = this.#presence;
    if (others === this.#seen) return;
    this.#seen = others;
    const nowMs = this.#timing.now();
    const gone = new Set(this.#tracks.keys());
    for (const other of others) {
      const point = this.#pointOf(other);
      if (point === null) continue;
      gone.delete(other.clientId);
      const track = this.#tracks.get(other.clientId);
      if (track === undefined) {
        const interpolator = new Interpolator(this.#lagMs);
        interpolator.push(point, nowMs);
        this.#tracks.set(other.clientId, { interpolator, other, last: point });
        continue;
      }
      track.other = other;
      // Others may have changed in something else: that is no arrival.
      if (point.x === track.last.x && point.y === track.last.y) continue;
      track.last = point;
      track.interpolator.push(point, nowMs);
    }
    for (const clientId of gone) this.#tracks.delete(clientId);
    for (const clientId of this.#reported) {
      if (this.#presence.other(clientId) === undefined) this.#reported.delete(clientId);
    }
  }

  #pointOf({ clientId, state }: Other<T>): Point | null {
    try {
      return pointOf(this.#cursorOf(state));
    } catch (error) {
      if (!this.#reported.has(clientId)) this.#report(error);
      this.#reported.add(clientId);
      return null;
    }
  }

  #wake(): void {
    if (this.#drawers.size === 0 || this.#frame !== null) return;
    this.#frame = this.#frames.request(() => {
      this.#frame = null;
      this.#draw();
    });
  }

  #sleep(): void {
    if (this.#frame !== null) this.#frames.cancel(this.#frame);
    this.#frame = null;
  }

  #draw(): void {
    const cursors = this.sample();
    for (const draw of [...this.#drawers]) {
      try {
        draw(cursors);
      } catch (error) {
        this.#report(error);
      }
    }
    const nowMs = this.#timing.now();
    const tracks = [...this.#tracks.values()];
    if (tracks.some(({ interpolator }) => !interpolator.isStill(nowMs))) this.#wake();
  }
}

/** Follows the cursors of others, until it is destroyed. */
export function cursorTracker<T extends object>(
  presence: Presence<T>,
  options?: CursorOptions<T>,
): CursorTracker<T> {
  return new CursorTracker(presence, options);
}
