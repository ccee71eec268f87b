// All notes on the screen, kept like those in the shared document.

import type { Member } from "../roster.js";
import type { Board } from "./board.js";
import { around, type Box, type Point } from "./geometry.js";
import { byHeight } from "./note.js";
import { NoteView } from "./note-view.js";
import type { Frame, Layer } from "./stage.js";

export class NotesLayer implements Layer {
  readonly #board: Board;
  readonly #plane: HTMLElement;
  readonly #views = new Map<string, NoteView>();
  /** Its height follows from its words, and the browser knows it: asking would make it lay out at once. */
  readonly #sizes: ResizeObserver;
  /** The note in one's hand, and where the hand is: what others say of its place waits. */
  #held: { readonly id: string; readonly at: Point } | null = null;

  constructor(board: Board, plane: HTMLElement) {
    this.#board = board;
    this.#plane = plane;
    this.#sizes = new ResizeObserver((entries) => {
      for (const { target, borderBoxSize } of entries) {
        const view = this.#views.get((target as HTMLElement).dataset.note ?? "");
        const height = borderBoxSize[0]?.blockSize;
        // Nothing is high on a page that is hidden.
        if (view !== undefined && height) view.height = height;
      }
    });
  }

  get count(): number {
    return this.#views.size;
  }

  get bounds(): Box | null {
    return around([...this.#views.values()].map(({ box }) => box));
  }

  view(id: string | null): NoteView | null {
    return id === null ? null : (this.#views.get(id) ?? null);
  }

  /** The notes in the order of the Tab key. */
  get order(): readonly NoteView[] {
    return [...this.#views.values()];
  }

  /** Takes over how these notes are now. Returns those that are gone. */
  sync(ids: Iterable<string>): readonly NoteView[] {
    const gone: NoteView[] = [];
    for (const id of ids) {
      const note = this.#board.note(id);
      const view = this.#views.get(id);
      if (note === null) {
        if (view !== undefined) gone.push(view);
        this.#views.delete(id);
      } else if (view === undefined) {
        const added = new NoteView(note);
        this.#views.set(id, added);
        this.#plane.append(added.element);
        this.#sizes.observe(added.element);
      } else {
        view.update(note);
        if (this.#held?.id !== id) view.place(note.at, false);
      }
    }
    for (const { element } of gone) {
      this.#sizes.unobserve(element);
      element.remove();
    }
    this.#rank();
    return gone;
  }

  /** The hand is here. */
  hold(id: string, at: Point): void {
    if (this.#held?.id !== id) this.release();
    this.#held = { id, at };
    const view = this.view(id);
    if (view === null) return;
    view.isHeld = true;
    view.place(at, true);
  }

  release(): void {
    const view = this.view(this.#held?.id ?? null);
    this.#held = null;
    if (view === null) return;
    view.isHeld = false;
    view.place(view.note.at, false);
  }

  showWriters(writers: ReadonlyMap<string, readonly Member[]>): void {
    for (const [id, view] of this.#views) view.showWriters(writers.get(id) ?? []);
  }

  paint({ share }: Frame): boolean {
    let isMoving = false;
    for (const view of this.#views.values()) isMoving = view.paint(share) || isMoving;
    return isMoving;
  }

  close(): void {
    this.#sizes.disconnect();
  }

  #rank(): void {
    const notes = [...this.#views.values()].map(({ note }) => note).sort(byHeight);
    for (const [rank, { id }] of notes.entries()) {
      const view = this.#views.get(id);
      if (view !== undefined) view.rank = rank;
    }
  }
}
