// Cursors and selections in shared texts and lists, which stay where they belong while others write.

import * as Y from "yjs";

/** What has places: a text, a list, or the children of an XML element. */
export type Sequence = Y.Text | Y.Array<unknown> | Y.XmlFragment;

/** A selection as it is shared, plain JSON. Editor bindings write the same two fields. */
export interface SharedRange {
  readonly anchor: unknown;
  readonly head: unknown;
}

/** A selection in a text as it is now. `head` is where the caret blinks: it may stand before `anchor`. */
export interface Range {
  readonly anchor: number;
  readonly head: number;
}

/** A place between two elements, as it is shared. It belongs to what follows it. */
export function shareIndex(type: Sequence, index: number): unknown {
  return shared(type, index, 0);
}

/** A selection from `anchor` to `head`. What others insert right at its edges stays outside. */
export function shareRange(type: Sequence, anchor: number, head: number = anchor): SharedRange {
  // The later end belongs to what stands before it.
  return {
    anchor: shared(type, anchor, anchor > head ? -1 : 0),
    head: shared(type, head, head > anchor ? -1 : 0),
  };
}

/** Where a shared place is now. Null if it is in another type, is not here yet, or was never a place. */
export function indexOf(type: Sequence, position: unknown): number | null {
  const { doc } = type;
  const relative = relativeOf(position);
  if (doc === null || relative === null) return null;
  // Yjs would make a type of that name: strangers must not fill the document with names.
  if (relative.item === null && relative.tname !== null && !doc.share.has(relative.tname)) {
    return null;
  }
  try {
    // Without following what was undone: only who undid it could, and all must see the same.
    const absolute = Y.createAbsolutePositionFromRelativePosition(relative, doc, false);
    return absolute?.type === type ? absolute.index : null;
  } catch {
    // An id that no client ever gave.
    return null;
  }
}

/** Where a shared selection is now. Null if either end has no place in this type. */
export function rangeOf(type: Sequence, range: unknown): Range | null {
  if (typeof range !== "object" || range === null) return null;
  const { anchor: from, head: to } = range as { anchor?: unknown; head?: unknown };
  const anchor = indexOf(type, from);
  const head = indexOf(type, to);
  return anchor === null || head === null ? null : { anchor, head };
}

function shared(type: Sequence, index: number, assoc: number): unknown {
  if (!Number.isInteger(index) || index < 0 || index > type.length) {
    throw new RangeError(`There is no place ${index} in a sequence of ${type.length}`);
  }
  const position = Y.createRelativePositionFromTypeIndex(type, index, assoc);
  return Y.relativePositionToJSON(position);
}

/** Null if it does not have the shape of a position. */
function relativeOf(value: unknown): Y.RelativePosition | null {
  if (typeof value !== "object" || value === null) return null;
  const { type, tname, item, assoc } = value as Record<string, unknown>;
  const isShaped =
    isIdOrNone(type) &&
    isIdOrNone(item) &&
    (tname == null || typeof tname === "string") &&
    (assoc == null || typeof assoc === "number") &&
    (type != null || item != null || tname != null);
  return isShaped ? Y.createRelativePositionFromJSON(value) : null;
}

function isIdOrNone(value: unknown): boolean {
  if (value == null) return true;
  const { client, clock } = value as { client?: unknown; clock?: unknown };
  return isCount(client) && isCount(clock);
}

function isCount(value: unknown): boolean {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
