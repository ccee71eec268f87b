// Undo of what was done here, and of nothing that others did.

import * as Y from "yjs";
import type { Room } from "./room.js";

/** The shared types whose changes are taken back, or the document for all of them. */
export type UndoScope = ConstructorParameters<typeof Y.UndoManager>[0];
/** The options of a `Y.UndoManager`. */
export type UndoOptions = NonNullable<ConstructorParameters<typeof Y.UndoManager>[1]>;

/**
 * Takes back local changes in the scope, whoever made them here: the application, or an editor with an origin of its own.
 * What came from the server or from a store is left alone. `trackedOrigins` narrows it to some origins. It ends with the
 * room.
 */
export function undoOf(
  room: Pick<Room, "on">,
  scope: UndoScope,
  options: UndoOptions = {},
): Y.UndoManager {
  const { captureTransaction = () => true } = options;
  const manager = new Y.UndoManager(scope, {
    ...options,
    trackedOrigins: options.trackedOrigins ?? new AllButUndo(),
    captureTransaction: (transaction) => transaction.local && captureTransaction(transaction),
  });
  const { destroy } = manager;
  manager.destroy = () => {
    unsubscribe();
    // Yjs leaves this one behind, and with it all that could be undone.
    manager.doc.off("destroy", destroy);
    destroy();
  };
  const unsubscribe = room.on("destroy", () => manager.destroy());
  return manager;
}

/** Every origin, except another undo manager: what that one takes back is its own to bring again. */
class AllButUndo extends Set<unknown> {
  /** Yjs asks for the origin, and then for its class. */
  override has(origin: unknown): boolean {
    if (super.has(origin)) return true;
    return origin !== Y.UndoManager && !(origin instanceof Y.UndoManager);
  }
}
