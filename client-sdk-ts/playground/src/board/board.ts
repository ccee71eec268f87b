// The board in the shared document: notes by their id, what one can do to them, and one's own steps back.

import * as Y from "yjs";
import type { Point } from "./geometry.js";
import { history, MINE } from "./history.js";
import { type Note, type NoteColor, newNote, placeOf, readNote } from "./note.js";
import type { TextChange } from "./text-diff.js";

/** The root of the document that holds the notes. */
const NOTES = "board";

/** Notes of a board. With more of them pages become slow, so no more are made. */
export const NOTES_COUNT_MAX = 1_000;

/** What a note has beside its text. */
const VALUES = ["at", "size", "color", "z"] as const;

export type BoardListener = (ids: ReadonlySet<string>) => void;

export class Board {
  readonly #doc: Y.Doc;
  readonly #notes: Y.Map<unknown>;
  readonly #history: Y.UndoManager;
  readonly #values = new Map<string, ReadonlyMap<string, unknown>>();
  readonly #forget: () => void;
  #made = 0;

  constructor(doc: Y.Doc) {
    this.#doc = doc;
    this.#notes = doc.getMap(NOTES);
    this.#history = history(this.#notes);
    this.#remember(new Set(this.ids));
    this.#forget = this.subscribe(this.#remember);
  }

  get ids(): IterableIterator<string> {
    return this.#notes.keys();
  }

  note(id: string): Note | null {
    return readNote(id, this.#notes.get(id), this.#values.get(id));
  }

  get isFull(): boolean {
    return this.#notes.size >= NOTES_COUNT_MAX;
  }

  /** Calls the listener with the notes that came, went or changed. Returns the way to unsubscribe. */
  subscribe(listener: BoardListener): () => void {
    const observe = (events: Y.YEvent<Y.AbstractType<unknown>>[]) => {
      const ids = new Set<string>();
      for (const event of events) {
        const [id] = event.path;
        if (id !== undefined) ids.add(String(id));
        else for (const key of event.keys.keys()) ids.add(key);
      }
      listener(ids);
    };
    this.#notes.observeDeep(observe as Parameters<Y.Map<unknown>["observeDeep"]>[0]);
    return () =>
      this.#notes.unobserveDeep(observe as Parameters<Y.Map<unknown>["unobserveDeep"]>[0]);
  }

  /** Begins a new step: what follows, up to the next one, is undone together. */
  beginStep(): void {
    this.#history.stopCapturing();
  }

  /** Returns the id of the new note, or `null` when there is no room for it. */
  create(at: Point, color: NoteColor, text = ""): string | null {
    if (this.isFull) return null;
    const id = this.#newId();
    this.#act(() => this.#notes.set(id, newNote(at, color, this.#topZ() + 1, text)));
    return id;
  }

  move(id: string, at: Point): void {
    const place = placeOf(at);
    const note = this.note(id);
    if (note === null || (note.at.x === place[0] && note.at.y === place[1])) return;
    this.#set(id, "at", place);
  }

  recolor(id: string, color: NoteColor): void {
    if (this.note(id)?.color !== color) this.#set(id, "color", color);
  }

  /** Lays it over all others. */
  raise(id: string): void {
    const note = this.note(id);
    if (note === null) return;
    const top = this.#topZ(id);
    if (note.z <= top) this.#set(id, "z", top + 1);
  }

  /** A note that is deleted is gone, whatever others do to it at the same moment. To undo it brings back all its words. */
  remove(id: string): void {
    this.#act(() => this.#notes.delete(id));
  }

  write(text: Y.Text, { index, remove, insert }: TextChange): void {
    this.#act(() => {
      if (remove > 0) text.delete(index, remove);
      if (insert !== "") text.insert(index, insert);
    });
  }

  get canUndo(): boolean {
    return this.#history.canUndo();
  }

  get canRedo(): boolean {
    return this.#history.canRedo();
  }

  undo(): void {
    this.#history.undo();
    this.#complete();
  }

  redo(): void {
    this.#history.redo();
    this.#complete();
  }

  /** Calls the listener when there may be more or less to undo. */
  onHistory(listener: () => void): void {
    this.#history.on("stack-item-added", listener);
    this.#history.on("stack-item-popped", listener);
    this.#history.on("stack-cleared", listener);
  }

  close(): void {
    this.#forget();
    this.#history.destroy();
  }

  /**
   * Yjs does not bring back a value of a deleted note that somebody else replaced at the moment of its deletion. What it
   * was last takes its place, or a note would come back in the middle of the board.
   */
  #complete(): void {
    this.#doc.transact(() => {
      for (const id of this.ids) {
        const note = this.#notes.get(id);
        if (!(note instanceof Y.Map)) continue;
        for (const [key, value] of this.#values.get(id) ?? []) {
          if (!note.has(key)) note.set(key, value);
        }
      }
    });
  }

  /** The values of a note, also for when it is gone. */
  readonly #remember = (ids: ReadonlySet<string>): void => {
    for (const id of ids) {
      const note = this.#notes.get(id);
      if (!(note instanceof Y.Map)) continue;
      const values = new Map(this.#values.get(id));
      for (const key of VALUES) if (note.has(key)) values.set(key, note.get(key));
      this.#values.set(id, values);
    }
  };

  #act(run: () => void): void {
    this.#doc.transact(run, MINE);
  }

  #set(id: string, key: string, value: unknown): void {
    const note = this.#notes.get(id);
    if (note instanceof Y.Map) this.#act(() => void note.set(key, value));
  }

  #topZ(except?: string): number {
    let top = 0;
    for (const id of this.ids) {
      if (id !== except) top = Math.max(top, this.note(id)?.z ?? 0);
    }
    return Math.min(top, Number.MAX_SAFE_INTEGER - 1);
  }

  /** Two clients never have the same number, and one client counts. */
  #newId(): string {
    for (;;) {
      this.#made += 1;
      const id = `${this.#doc.clientID.toString(36)}-${this.#made}`;
      if (!this.#notes.has(id)) return id;
    }
  }
}
