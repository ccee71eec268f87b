// Undo on the board: one's own steps, and never what another person did.

import * as Y from "yjs";

/** Marks the transactions of this person's hands. What comes from elsewhere has another origin. */
export const MINE = Symbol("mine");

/** Steps end where they are told to, not after a time. */
const NO_TIMEOUT_MS = Number.MAX_SAFE_INTEGER;

export function history(notes: Y.Map<unknown>): Y.UndoManager {
  return new Y.UndoManager(notes, {
    trackedOrigins: new Set([MINE]),
    captureTimeout: NO_TIMEOUT_MS,
    deleteFilter: (item) => mayGo(notes, item),
  });
}

function mayGo(notes: Y.Map<unknown>, item: Y.Item): boolean {
  const { parent, content } = item;
  if (parent === notes && content instanceof Y.ContentType) {
    return !isTouchedByOthers(content.type, notes.doc?.clientID);
  }
  // What a value was before stands in its place already, unless that could not be brought back: then it stays, because a
  // note that lost its place or its text would be none.
  const isValue = parent instanceof Y.Map && parent.parent === notes && item.parentSub !== null;
  return !isValue || parent._map.get(item.parentSub ?? "") !== item;
}

/**
 * To undo the making of a note would take away what others have done with it since. Then the note stays; what one wrote
 * in it oneself goes.
 */
function isTouchedByOthers(note: unknown, mine: number | undefined): boolean {
  if (!(note instanceof Y.Map)) return false;
  for (const value of note._map.values()) if (value.id.client !== mine) return true;
  const text = note.get("text");
  return text instanceof Y.Text && isWrittenByOthers(text, mine);
}

function isWrittenByOthers(text: Y.Text, mine: number | undefined): boolean {
  for (let item = text._start; item !== null; item = item.right) {
    if (!item.deleted && item.countable && item.id.client !== mine) return true;
  }
  return false;
}
