// A textarea on a shared text: what is typed becomes the smallest change, and what others write leaves the caret alone.

import * as Y from "yjs";
import { type DeltaStep, diffText, endOf, movedBy, rebased, type TextChange } from "./text-diff.js";

/** The part of a textarea that is used. */
export type Field = Pick<
  HTMLTextAreaElement,
  | "value"
  | "readOnly"
  | "selectionStart"
  | "selectionEnd"
  | "selectionDirection"
  | "setSelectionRange"
  | "addEventListener"
  | "removeEventListener"
>;

export class TextField {
  readonly #field: Field;
  readonly #text: Y.Text;
  readonly #write: (change: TextChange) => void;
  /** What field and text last agreed on. */
  #agreed = "";
  #isComposing = false;
  /** What others did while a word was being put together: the field must not change under it. */
  #missed: DeltaStep[][] = [];
  #isWriting = false;

  constructor(field: Field, text: Y.Text, write: (change: TextChange) => void) {
    this.#field = field;
    this.#text = text;
    this.#write = write;
    field.addEventListener("input", this.#onInput);
    field.addEventListener("compositionstart", this.#onCompositionStart);
    field.addEventListener("compositionend", this.#onCompositionEnd);
    text.observe(this.#onText);
    this.#show();
  }

  /** Takes what was typed, and lets go of both. */
  close(): void {
    this.#onCompositionEnd();
    this.#field.removeEventListener("input", this.#onInput);
    this.#field.removeEventListener("compositionstart", this.#onCompositionStart);
    this.#field.removeEventListener("compositionend", this.#onCompositionEnd);
    this.#text.unobserve(this.#onText);
  }

  readonly #onInput = (): void => {
    if (!this.#isComposing) this.#send();
  };

  readonly #onCompositionStart = (): void => {
    this.#isComposing = true;
  };

  readonly #onCompositionEnd = (): void => {
    if (!this.#isComposing) return;
    this.#isComposing = false;
    const missed = this.#missed;
    this.#missed = [];
    const change = this.#send(missed);
    if (missed.length === 0) return;
    if (change === null) {
      this.#showAfter(missed);
    } else {
      this.#show();
      const end = change.index + change.insert.length;
      this.#field.setSelectionRange(end, end);
    }
  };

  readonly #onText = (event: Y.YTextEvent, transaction: Y.Transaction): void => {
    if (this.#isWriting) return;
    const delta = event.delta as DeltaStep[];
    if (this.#isComposing) {
      this.#missed.push(delta);
      return;
    }
    this.#showAfter([delta]);
    // One's own step back: one wants to go on where it happened.
    if (transaction.origin instanceof Y.UndoManager) {
      const end = endOf(delta);
      this.#field.setSelectionRange(end, end);
    }
  };

  #send(missed: DeltaStep[][] = []): TextChange | null {
    const { value, selectionEnd, readOnly } = this.#field;
    const typed = readOnly ? null : diffText(this.#agreed, value, selectionEnd ?? value.length);
    this.#agreed = value;
    if (typed === null) return null;
    const change = rebased(typed, missed);
    this.#isWriting = true;
    try {
      this.#write(change);
    } finally {
      this.#isWriting = false;
    }
    return change;
  }

  #showAfter(deltas: DeltaStep[][]): void {
    const { selectionStart, selectionEnd, selectionDirection } = this.#field;
    const moved = (position: number | null) => deltas.reduce(movedBy, position ?? 0);
    this.#show();
    this.#field.setSelectionRange(
      moved(selectionStart),
      moved(selectionEnd),
      selectionDirection ?? "none",
    );
  }

  #show(): void {
    const value = this.#text.toString();
    this.#field.value = value;
    this.#agreed = value;
    // A field knows neither pictures nor carriage returns, which another program may have put there: positions in it
    // would not be those in the text.
    if (value.length !== this.#text.length || value.includes("\r")) this.#field.readOnly = true;
  }
}
