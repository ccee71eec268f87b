// The updates that are not known to be on the disk yet, each under a number, in their order.

import * as Y from "yjs";

/** One update, and the numbers that it stands for. */
export interface Batch {
  readonly first: number;
  readonly last: number;
  readonly update: Uint8Array;
}

export class Backlog {
  readonly #updates = new Map<number, Uint8Array>();
  #last = 0;
  /** Updates that were given up. They are counted, not kept. */
  #abandoned = 0;
  #keeps = true;

  /** How many updates are not known to be on the disk. */
  get count(): number {
    return this.#updates.size + this.#abandoned;
  }

  /** Whether there is anything to write. */
  get isEmpty(): boolean {
    return this.#updates.size === 0;
  }

  /** The number of the oldest update that waits, infinity where none does. */
  get first(): number {
    for (const number of this.#updates.keys()) return number;
    return Number.POSITIVE_INFINITY;
  }

  /** The number of the newest update, waiting or not. */
  get last(): number {
    return this.#last;
  }

  add(update: Uint8Array): void {
    this.#last += 1;
    if (this.#keeps) this.#updates.set(this.#last, update);
    else this.#abandoned += 1;
  }

  /** All that wait and have a number above `number`, as one update. */
  after(number: number): Batch | null {
    const waiting = [...this.#updates].filter(([each]) => each > number);
    const [first] = waiting;
    if (first === undefined) return null;
    const updates = waiting.map(([, update]) => update);
    const update = updates.length === 1 ? first[1] : Y.mergeUpdates(updates);
    return { first: first[0], last: this.#last, update };
  }

  /** Those with the numbers `first` to `last` are on the disk. */
  confirm(first: number, last: number): void {
    for (const number of this.#updates.keys()) {
      if (number >= first && number <= last) this.#updates.delete(number);
    }
  }

  /** Nothing will be written any more: memory is given back, and what is lost is counted. */
  abandon(): void {
    this.#keeps = false;
    this.#abandoned += this.#updates.size;
    this.#updates.clear();
  }
}
