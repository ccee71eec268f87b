// Writing in a note: a field over its words, for as long as one is at it.

import type * as Y from "yjs";
import { h } from "../element.js";
import type { Board } from "./board.js";
import { NOTE_TEXT_LENGTH_MAX } from "./note.js";
import type { NoteView } from "./note-view.js";
import { TextField } from "./text-field.js";

/** Who stops for longer than this begins a new step of undo. */
const STEP_PAUSE_MS = 1_000;

interface Session {
  readonly view: NoteView;
  readonly text: Y.Text;
  readonly field: HTMLTextAreaElement;
  readonly binding: TextField;
}

export class Writing {
  readonly #board: Board;
  readonly #onChange: (id: string | null) => void;
  #session: Session | null = null;
  #wroteAtMs = 0;

  constructor(board: Board, onChange: (id: string | null) => void) {
    this.#board = board;
    this.#onChange = onChange;
  }

  /** The note one writes in. */
  get id(): string | null {
    return this.#session?.view.id ?? null;
  }

  /** What stands in the field, whatever became of the note. */
  get words(): string {
    return this.#session?.field.value ?? "";
  }

  begin(view: NoteView): void {
    const { text } = view.note;
    if (this.#session?.text === text) return;
    this.end();
    const field = h("textarea", {
      class: "note-field",
      "data-testid": "note-field",
      "aria-label": "Words of the note. Escape leaves it.",
      maxlength: String(NOTE_TEXT_LENGTH_MAX),
      spellcheck: "true",
      dir: "auto",
      blur: () => {
        // When another window comes to the front, one comes back to where one was.
        if (document.activeElement !== field) this.end();
      },
    });
    view.body.append(field);
    view.element.toggleAttribute("data-writing", true);
    const binding = new TextField(field, text, (change) => {
      const nowMs = Date.now();
      if (nowMs - this.#wroteAtMs > STEP_PAUSE_MS) this.#board.beginStep();
      this.#wroteAtMs = nowMs;
      this.#board.write(text, change);
    });
    this.#session = { view, text, field, binding };
    this.#wroteAtMs = 0;
    field.setSelectionRange(field.value.length, field.value.length);
    field.focus({ preventScroll: true });
    this.#onChange(view.id);
  }

  end(): void {
    const session = this.#session;
    if (session === null) return;
    // First: to take the field away takes its focus, and that ends it too.
    this.#session = null;
    session.binding.close();
    session.view.element.toggleAttribute("data-writing", false);
    session.field.remove();
    this.#board.beginStep();
    this.#onChange(null);
  }

  /** The note's text may be another object now, when it was deleted and brought back. */
  refresh(): void {
    const session = this.#session;
    if (session !== null && session.view.note.text !== session.text) this.begin(session.view);
  }
}
