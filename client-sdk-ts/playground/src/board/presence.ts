// What people on the board tell each other of themselves: where they point, and which note they write in.

import type { Awareness } from "y-protocols/awareness";
import { isRecord } from "../person.js";
import { Throttle } from "../throttle.js";
import { clamp, type Point } from "./geometry.js";
import { BOARD_REACH_MAX } from "./note.js";

export interface Presence {
  readonly at: Point | null;
  /** The id of a note. */
  readonly writing: string | null;
}

/** Shortest time between two places of one's pointer that others are told. */
const POINTER_INTERVAL_MS = 50;
const ID_LENGTH_MAX = 64;

/** Reads an awareness state. Never throws, whatever is in it. Who is elsewhere in the room points at nothing here. */
export function presenceOf(state: unknown): Presence {
  const board = isRecord(state) && state.place === "board" ? state.board : undefined;
  const { at, writing } = isRecord(board) ? board : {};
  return {
    at: pointOf(at),
    writing: typeof writing === "string" && writing.length <= ID_LENGTH_MAX ? writing : null,
  };
}

/** One's own presence, told to others. */
export class MyPresence {
  readonly #awareness: Awareness;
  readonly #pace: Throttle<void>;
  #at: Point | null = null;
  #writing: string | null = null;

  constructor(awareness: Awareness) {
    this.#awareness = awareness;
    this.#pace = new Throttle(POINTER_INTERVAL_MS, () => this.#tell());
  }

  point(at: Point | null): void {
    if (at === null && this.#at === null) return;
    this.#at = at;
    this.#pace.push();
    // Nobody waits for a pointer that is gone.
    if (at === null) this.#pace.flush();
  }

  write(id: string | null): void {
    if (this.#writing === id) return;
    this.#writing = id;
    this.#tell();
  }

  close(): void {
    this.#pace.cancel();
  }

  #tell(): void {
    if (this.#awareness.getLocalState() === null) return;
    const at = this.#at === null ? null : [Math.round(this.#at.x), Math.round(this.#at.y)];
    this.#awareness.setLocalStateField("board", { at, writing: this.#writing });
  }
}

function pointOf(value: unknown): Point | null {
  if (!Array.isArray(value)) return null;
  const [x, y] = value as unknown[];
  if (typeof x !== "number" || typeof y !== "number") return null;
  if (!Number.isFinite(x) || !Number.isFinite(y)) return null;
  const within = (n: number) => clamp(n, -2 * BOARD_REACH_MAX, 2 * BOARD_REACH_MAX);
  return { x: within(x), y: within(y) };
}
