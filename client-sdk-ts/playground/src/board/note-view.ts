// One note on the screen: its paper, its words, the mark of who writes in it.

import { h } from "../element.js";
import type { Member } from "../roster.js";
import type { Box, Point } from "./geometry.js";
import { glide } from "./glide.js";
import type { Note } from "./note.js";

/** Letters of a note that its name for those who listen has. */
const LABEL_LENGTH_MAX = 240;
/** Up to this many letters stand large, and up to that many less so. */
const LETTERS_LARGE_MAX = 32;
const LETTERS_MEDIUM_MAX = 110;
/** More of them than this may not all be seen: a note grows to a height and not over it. */
const LETTERS_SMALL_MAX = 420;

export class NoteView {
  readonly id: string;
  readonly element: HTMLElement;
  /** Holds the words, and a field over them while one writes. */
  readonly body: HTMLElement;
  readonly #words: HTMLElement;
  readonly #writers: HTMLElement;
  #note: Note;
  #shown: Point;
  #target: Point;
  #isDrawn = false;
  #height: number;
  #text = "";
  #writersText = "";

  constructor(note: Note) {
    this.id = note.id;
    this.#note = note;
    this.#shown = note.at;
    this.#target = note.at;
    this.#height = note.size.h;
    this.#words = h("div", { class: "note-words", dir: "auto" });
    this.body = h("div", { class: "note-body" }, this.#words);
    this.#writers = h("p", { class: "note-writers", "data-testid": "note-writers", hidden: true });
    this.element = h(
      "div",
      {
        class: "note",
        tabindex: "0",
        role: "group",
        "aria-roledescription": "note",
        "data-testid": "note",
        "data-note": note.id,
      },
      this.body,
      this.#writers,
    );
    this.update(note);
  }

  get note(): Note {
    return this.#note;
  }

  /** Where it is going to be, and as high as its words made it. */
  get box(): Box {
    return { ...this.#target, w: this.#note.size.w, h: this.#height };
  }

  set height(height: number) {
    this.#height = height;
  }

  set isSelected(isSelected: boolean) {
    this.element.toggleAttribute("data-selected", isSelected);
  }

  /** Whether one holds it in one's own hand. */
  set isHeld(isHeld: boolean) {
    this.element.toggleAttribute("data-held", isHeld);
  }

  update(note: Note): void {
    this.#note = note;
    const { style, dataset } = this.element;
    dataset.color = note.color;
    style.width = `${note.size.w}px`;
    style.minHeight = `${note.size.h}px`;
    const text = note.text.toString();
    if (text !== this.#text) {
      this.#text = text;
      // A line feed at the end is a line too, which only shows when something stands in it.
      this.#words.textContent = text.endsWith("\n") ? `${text}\u200b` : text;
      dataset.length = lengthOf(text);
    }
    dataset.length ??= "large";
    this.#label();
  }

  /** Goes there; at once, if it is in one's own hand. */
  place(at: Point, isInstant: boolean): void {
    if (at.x === this.#target.x && at.y === this.#target.y && !isInstant) return;
    this.#target = at;
    if (isInstant) this.#shown = at;
    this.#isDrawn = false;
  }

  /** Over how many others it lies. */
  set rank(rank: number) {
    const value = String(rank);
    if (this.element.style.zIndex !== value) this.element.style.zIndex = value;
  }

  showWriters(writers: readonly Member[]): void {
    const [first, ...more] = writers;
    const others = more.length === 0 ? "" : ` +${more.length}`;
    const text = first === undefined ? "" : `${first.name}${others}`;
    if (text === this.#writersText) return;
    this.#writersText = text;
    this.#writers.hidden = first === undefined;
    this.#writers.textContent = text;
    this.element.toggleAttribute("data-written", first !== undefined);
    if (first !== undefined) this.element.style.setProperty("--person", first.color);
    this.#label();
  }

  /** Says whether it is still on its way. */
  paint(share: number): boolean {
    if (this.#isDrawn) return false;
    this.#shown = glide(this.#shown, this.#target, share);
    this.#isDrawn = this.#shown === this.#target;
    this.element.style.transform = `translate(${this.#shown.x}px, ${this.#shown.y}px)`;
    return !this.#isDrawn;
  }

  #label(): void {
    const words = this.#text.trim().slice(0, LABEL_LENGTH_MAX) || "empty";
    const color = this.#note.color;
    const writers = this.#writersText === "" ? "" : `. ${this.#writersText} is writing`;
    const label = `${color[0]?.toUpperCase()}${color.slice(1)}: ${words}${writers}`;
    if (this.element.ariaLabel !== label) this.element.ariaLabel = label;
  }
}

function lengthOf(text: string): "large" | "medium" | "small" | "long" {
  // A line takes place however short it is.
  const letters = text.length + 12 * (text.split("\n").length - 1);
  if (letters <= LETTERS_LARGE_MAX) return "large";
  if (letters <= LETTERS_MEDIUM_MAX) return "medium";
  return letters <= LETTERS_SMALL_MAX ? "small" : "long";
}
