// Moves a note under a hand or by keys: at once on this screen, and at a bearable pace for everybody else.

import { Throttle } from "../throttle.js";
import type { Board } from "./board.js";
import type { Point } from "./geometry.js";
import type { NotesLayer } from "./notes-layer.js";

/** Shortest time between two places of a note that others are told. */
const MOVE_INTERVAL_MS = 50;
/** A key that is pressed again within this time goes on with the same step. */
const NUDGE_MS_MAX = 800;

export class Mover {
  readonly #board: Board;
  readonly #layer: NotesLayer;
  readonly #draw: () => void;
  readonly #onNudged: (id: string) => void;
  readonly #pace = new Throttle<{ id: string; at: Point }>(MOVE_INTERVAL_MS, ({ id, at }) =>
    this.#board.move(id, at),
  );
  /** The note that moves, and where it is. */
  #move: { readonly id: string; at: Point } | null = null;
  #nudge: ReturnType<typeof setTimeout> | undefined;

  constructor(
    board: Board,
    layer: NotesLayer,
    options: { readonly draw: () => void; readonly onNudged: (id: string) => void },
  ) {
    this.#board = board;
    this.#layer = layer;
    this.#draw = options.draw;
    this.#onNudged = options.onNudged;
  }

  /** Picks the note up. `false`: it is gone. */
  begin(id: string): boolean {
    this.end();
    const note = this.#board.note(id);
    if (note === null) return false;
    this.#board.beginStep();
    this.#board.raise(id);
    this.#move = { id, at: note.at };
    return true;
  }

  drag(at: Point): void {
    if (this.#move !== null) this.#go(this.#move, at);
  }

  /** By this much from where it is. Several of them are one step. */
  nudge(id: string, dx: number, dy: number): void {
    clearTimeout(this.#nudge);
    if (this.#move?.id !== id && !this.begin(id)) return;
    const move = this.#move;
    if (move === null) return;
    this.#go(move, { x: move.at.x + dx, y: move.at.y + dy });
    this.#nudge = setTimeout(() => {
      this.end();
      this.#onNudged(id);
    }, NUDGE_MS_MAX);
  }

  /** Puts it down, and tells its last place. */
  end(): void {
    clearTimeout(this.#nudge);
    if (this.#move === null) return;
    this.#move = null;
    this.#pace.flush();
    this.#layer.release();
    this.#board.beginStep();
    this.#draw();
  }

  #go(move: { readonly id: string; at: Point }, at: Point): void {
    move.at = at;
    this.#layer.hold(move.id, at);
    this.#pace.push({ id: move.id, at });
    this.#draw();
  }
}
