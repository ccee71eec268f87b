// Undo and redo of one's own changes: never of what others have done.

import { useSyncExternalStore } from "react";
import * as Y from "yjs";

// The parameter stands for a type's events, and no event is looked at here.
// biome-ignore lint/suspicious/noExplicitAny: see above
type SharedType = Y.AbstractType<any>;

export type UndoScope = SharedType | readonly SharedType[];

export interface UndoOptions {
  /** Changes within this time are undone together. */
  readonly captureMs?: number;
  /** Origins of transactions that count as own changes, beside those without an origin: an editor binding's, say. */
  readonly origins?: readonly unknown[];
}

export interface Undo {
  readonly canUndo: boolean;
  readonly canRedo: boolean;
  readonly undo: () => void;
  readonly redo: () => void;
  /** What comes next is undone by itself. */
  readonly stopCapturing: () => void;
  readonly clear: () => void;
}

/** Changes within this time are undone together, unless the application wants another. */
export const CAPTURE_MS = 500;

/**
 * The own changes of these types. Components that ask for the same types share one history. It begins when the first
 * of them is mounted and stays as long as the document, whether or not anything shows it.
 */
export function useUndo(scope: UndoScope, options: UndoOptions = {}): Undo {
  const types = scope instanceof Y.AbstractType ? [scope] : scope;
  const { captureMs = CAPTURE_MS, origins = [] } = options;
  const history = historyOf(types, captureMs, origins);
  return useSyncExternalStore(history.subscribe, history.get, history.getServer);
}

/** By document, because a history lives as long as that. */
const histories = new WeakMap<Y.Doc, History[]>();

function historyOf(
  types: readonly SharedType[],
  captureMs: number,
  origins: readonly unknown[],
): History {
  const doc = types[0]?.doc;
  if (doc == null) throw new TypeError("useUndo needs at least one type that is in a document");
  let known = histories.get(doc);
  if (known === undefined) {
    known = [];
    histories.set(doc, known);
  }
  let history = known.find((each) => each.is(types, captureMs, origins));
  if (history === undefined) {
    history = new History(types, captureMs, origins);
    known.push(history);
  }
  return history;
}

class History {
  readonly #types: readonly SharedType[];
  readonly #captureMs: number;
  readonly #origins: readonly unknown[];
  readonly #listeners = new Set<() => void>();
  readonly #nothing: Undo;
  #manager: Y.UndoManager | null = null;
  #snapshot: Undo;

  constructor(types: readonly SharedType[], captureMs: number, origins: readonly unknown[]) {
    this.#types = types;
    this.#captureMs = captureMs;
    this.#origins = origins;
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

  is(types: readonly SharedType[], captureMs: number, origins: readonly unknown[]): boolean {
    return (
      captureMs === this.#captureMs &&
      isSameList(types, this.#types) &&
      isSameList(origins, this.#origins)
    );
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
    const manager = new Y.UndoManager([...this.#types], {
      captureTimeout: this.#captureMs,
      trackedOrigins: new Set([null, ...this.#origins]),
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

function isSameList(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, index) => Object.is(item, b[index]));
}
