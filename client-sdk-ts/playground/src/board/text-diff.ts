// What a person did to a text, found from before, after and the caret; and where a caret goes when others write.

export interface TextChange {
  readonly index: number;
  /** UTF-16 units to take away at the index, as Yjs counts. */
  readonly remove: number;
  readonly insert: string;
}

/** A step of a Yjs delta. */
export interface DeltaStep {
  readonly retain?: number;
  readonly delete?: number;
  readonly insert?: unknown;
}

/**
 * The one change that makes `after` of `before`, or `null`. `caret` is where it stands in `after`: among equal letters
 * only it knows which of them is new, and what another person writes beside the wrong one would end up elsewhere.
 */
export function diffText(before: string, after: string, caret: number): TextChange | null {
  if (before === after) return null;
  const shorter = Math.min(before.length, after.length);
  // What stands behind the caret was there before.
  let suffix = commonSuffix(before, after, 0, Math.min(before.length, after.length - caret));
  const prefix = commonPrefix(before, after, shorter - suffix);
  // Unless the caret has nothing to do with it, as after a correction of an earlier word.
  suffix = commonSuffix(before, after, suffix, shorter - prefix);
  return {
    index: prefix,
    remove: before.length - suffix - prefix,
    insert: after.slice(prefix, after.length - suffix),
  };
}

/** Where a position goes when this happens to the text. What is written exactly there comes behind it. */
export function movedBy(position: number, delta: readonly DeltaStep[]): number {
  let at = 0;
  let moved = position;
  for (const step of delta) {
    if (at > moved) break;
    if (step.retain !== undefined) {
      at += step.retain;
    } else if (step.delete !== undefined) {
      if (at < moved) moved -= Math.min(step.delete, moved - at);
    } else {
      const length = lengthOf(step.insert);
      if (at < moved) moved += length;
      at += length;
    }
  }
  return moved;
}

/** The same change, on a text to which all this has happened meanwhile. */
export function rebased(change: TextChange, deltas: readonly (readonly DeltaStep[])[]): TextChange {
  let { index } = change;
  let end = change.index + change.remove;
  for (const delta of deltas) {
    index = movedBy(index, delta);
    end = movedBy(end, delta);
  }
  return { index, remove: Math.max(0, end - index), insert: change.insert };
}

/** Where the last change of a delta ends. */
export function endOf(delta: readonly DeltaStep[]): number {
  let at = 0;
  let end = 0;
  for (const step of delta) {
    at += step.retain ?? (step.delete === undefined ? lengthOf(step.insert) : 0);
    if (step.retain === undefined) end = at;
  }
  return end;
}

function lengthOf(insert: unknown): number {
  return typeof insert === "string" ? insert.length : 1;
}

function commonPrefix(a: string, b: string, most: number): number {
  let length = 0;
  while (length < most && a[length] === b[length]) length += 1;
  // Half of a pair that makes one sign cannot be told to others.
  return length > 0 && isHigh(a.charCodeAt(length - 1)) ? length - 1 : length;
}

function commonSuffix(a: string, b: string, from: number, most: number): number {
  let length = from;
  while (length < most && a[a.length - 1 - length] === b[b.length - 1 - length]) length += 1;
  return length > 0 && isLow(a.charCodeAt(a.length - length)) ? length - 1 : length;
}

function isHigh(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff;
}

function isLow(code: number): boolean {
  return code >= 0xdc00 && code <= 0xdfff;
}
