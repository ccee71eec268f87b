// A set of content ids: for each Yjs client, ranges of its clock. Inserts and deletes are both named this way.

/** From `start` up to but not including `end`. */
interface Range {
  start: number;
  end: number;
}

export class IdSet {
  /** Sorted, and neither overlapping nor touching; a client without ranges has no entry. */
  readonly #ranges = new Map<number, Range[]>();

  get isEmpty(): boolean {
    return this.#ranges.size === 0;
  }

  add(client: number, start: number, end: number): void {
    if (end <= start) return;
    const ranges = this.#ranges.get(client);
    if (ranges === undefined) {
      this.#ranges.set(client, [{ start, end }]);
      return;
    }
    const last = ranges.at(-1);
    if (last !== undefined && start >= last.start) {
      // Clocks grow, so nearly every id is added here.
      if (start <= last.end) last.end = Math.max(last.end, end);
      else ranges.push({ start, end });
      return;
    }
    this.#ranges.set(client, normalised([...ranges, { start, end }]));
  }

  addAll(other: IdSet): void {
    for (const [client, ranges] of other.#ranges) {
      for (const { start, end } of ranges) this.add(client, start, end);
    }
  }

  /** Takes out what the other set holds. */
  subtract(other: IdSet): void {
    for (const [client, ranges] of this.#ranges) {
      const taken = other.#ranges.get(client);
      if (taken === undefined) continue;
      const left = difference(ranges, taken);
      if (left.length === 0) this.#ranges.delete(client);
      else this.#ranges.set(client, left);
    }
  }

  /** The lowest clock of each client. */
  lowest(): Map<number, number> {
    const clocks = new Map<number, number>();
    for (const [client, [first]] of this.#ranges) {
      if (first !== undefined) clocks.set(client, first.start);
    }
    return clocks;
  }
}

function normalised(ranges: Range[]): Range[] {
  ranges.sort((a, b) => a.start - b.start);
  const result: Range[] = [];
  for (const range of ranges) {
    const last = result.at(-1);
    if (last !== undefined && range.start <= last.end) last.end = Math.max(last.end, range.end);
    else result.push({ ...range });
  }
  return result;
}

function difference(ranges: readonly Range[], taken: readonly Range[]): Range[] {
  const result: Range[] = [];
  // Both lists are sorted: what lies wholly before this range lies before all later ones too.
  let first = 0;
  for (const range of ranges) {
    let start = range.start;
    while (first < taken.length && (taken[first]?.end ?? 0) <= start) first += 1;
    for (let index = first; index < taken.length; index += 1) {
      const hole = taken[index];
      if (hole === undefined || hole.start >= range.end) break;
      if (hole.start > start) result.push({ start, end: hole.start });
      start = Math.max(start, hole.end);
    }
    if (start < range.end) result.push({ start, end: range.end });
  }
  return result;
}
