// Undo and redo of one's own changes: never of what others have done.

import { type Room, undoOf } from "@roomtone/core";
import { useSyncExternalStore } from "react";
import * as Y from "yjs";
import { useRoom } from "./context.js";

/** Any shared type of Yjs. */
// The parameter stands for a type's events, and no event is looked at here.
// biome-ignore lint/suspicious/noExplicitAny: see above
export type SharedType = Y.AbstractType<any>;

/** Which changes are taken back, and which of them together. */
export interface UndoOptions {
  /** Changes within this time are undone together. */
  readonly captureMs?: number;
  /** Only changes with one of these origins, null being that of those without. Default: all that were made here. */
  readonly origins?: readonly unknown[];
}

/** The history of one's own changes. The same object until `canUndo` or `canRedo` changes. */
export interface Undo {
  readonly canUndo: boolean;
  readonly canRedo: boolean;
  /** Takes back the last step. */
  readonly undo: () => void;
  /** Does again what was taken back last. */
  readonly redo: () => void;
  /** What comes next is undone by itself. */
  readonly stopCapturing: () => void;
  /** Forgets all steps. */
  readonly clear: () => void;
}

/** Changes within this time are undone together, unless the application wants another. */
export const CAPTURE_MS = 500;

/**
 * The own changes of these types. Components that ask for the same share one history. It begins when the first of them
 * is mounted and stays as long as the room, whether or not anything shows it.
 */
export function useUndo(
  scope: SharedType | readonly SharedType[],
  options: UndoOptions = {},
): Undo {
  const room = useRoom();
  const types = scope instanceof Y.AbstractType ? [scope] : scope;
  const { captureMs = CAPTURE_MS, origins = null } = options;
  const history = historyOf(room, { types, captureMs, origins });
  return useSyncExternalStore(history.subscribe, history.get, history.getServer);
}

/** What tells one history from another. */
interface Subject {
  readonly types: readonly SharedType[];
  readonly captureMs: number;
  readonly origins: readonly unknown[] | null;
}

/** By room, because a history lives as long as that. */
const histories = new WeakMap<Room, History[]>();

function historyOf(room: Room, subject: Subject): History {
  if (subject.types.length === 0 || subject.types.some(({ doc }) => doc !== room.doc)) {
    throw new TypeError("useUndo needs types of this room's document, and at least one");
  }
  const known = histories.get(room) ?? [];
  histories.set(room, known);
  let history = known.find((each) => isSame(each.subject, subject));
  if (history === undefined) {
    history = new History(room, subject);
    known.push(history);
  }
  return history;
}

class History {
  readonly subject: Subject;
  readonly #room: Room;
  readonly #listeners = new Set<() => void>();
  readonly #nothing: Undo;
  #manager: Y.UndoManager | null = null;
  #snapshot: Undo;

  constructor(room: Room, subject: Subject) {
    this.#room = room;
    this.subject = subject;
    this.#nothing = {
      canUndo: false,
      canRedo: false,
      undo: () => void this.#manager?.undo(),
      redo: () => void this.#manager?.redo(),
      stopCapturing: () => this.#manager?.stopCapturing(),
      clear: () => this.#manager?.clear(),
    };
    this.#snapshot = this.#nothing;
  }

  readonly get = (): Undo => this.#snapshot;

  readonly getServer = (): Undo => this.#nothing;

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#begin();
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Not before the first component is mounted: a rendering must leave nothing behind. */
  #begin(): void {
    if (this.#manager !== null) return;
    const { types, captureMs, origins } = this.subject;
    const manager = undoOf(this.#room, [...types], {
      captureTimeout: captureMs,
      ...(origins === null ? {} : { trackedOrigins: new Set(origins) }),
    });
    this.#manager = manager;
    const refresh = () => this.#refresh(manager);
    manager.on("stack-item-added", refresh);
    manager.on("stack-item-popped", refresh);
    manager.on("stack-cleared", refresh);
  }

  #refresh(manager: Y.UndoManager): void {
    const canUndo = manager.canUndo();
    const canRedo = manager.canRedo();
    if (canUndo === this.#snapshot.canUndo && canRedo === this.#snapshot.canRedo) return;
    this.#snapshot = { ...this.#nothing, canUndo, canRedo };
    for (const listener of [...this.#listeners]) listener();
  }
}

function isSame(a: Subject, b: Subject): boolean {
  return (
    a.captureMs === b.captureMs &&
    isSameList(a.types, b.types) &&
    isSameList(a.origins ?? ALL, b.origins ?? ALL)
  );
}

/** Stands for a list that was not given: an empty one would mean no origin at all. */
const ALL: readonly unknown[] = [Symbol("all")];

function isSameList(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, index) => Object.is(item, b[index]));
}
