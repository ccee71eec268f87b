// Which local changes the server has on its disk, by the numbers that it confirms.

import type { Status } from "./connection.js";

/** Whether what was done here is on the server's disk. */
export interface Saved {
  /**
   * `saved`: everything done here is on the server's disk. `saving`: changes are on their way.
   * `offline`: changes are kept in this process only, and there is no connection.
   */
  readonly state: "saved" | "saving" | "offline";
  /** Local changes that the server has not confirmed. */
  readonly unsaved: number;
  /** When the server last confirmed a change, in milliseconds since 1970. */
  readonly lastSavedAt: number | null;
}

export function savedOf(unsaved: number, status: Status, lastSavedAt: number | null): Saved {
  if (unsaved === 0) return { state: "saved", unsaved, lastSavedAt };
  return { state: status === "connected" ? "saving" : "offline", unsaved, lastSavedAt };
}

/** A message under way, and how many changes stand or fall with it. */
interface Carried {
  readonly seq: number;
  readonly count: number;
}

/**
 * Every Diff and Edit of a membership has a number, and the server confirms that all up to one are on its disk. A change
 * is confirmed with the message that carried it. When the membership is lost, so is all that was known of its numbers:
 * whether the server has what it did not confirm, on disk or only in memory, cannot be told. Then the Diff of the next
 * one carries all of it, since it holds whatever the server lacks and every deletion; what the server had
 * already is confirmed by it too.
 */
export class Ledger {
  /** Changes that no message of this membership carries yet. */
  #waiting = 0;
  #carried: Carried[] = [];
  #carriedCount = 0;
  #lastSeq = 0;

  get unsaved(): number {
    return this.#waiting + this.#carriedCount;
  }

  /** One more local change. */
  record(): void {
    this.#waiting += 1;
  }

  /** The number of a message that carries all that waits. */
  carry(): number {
    this.#lastSeq += 1;
    if (this.#waiting > 0) this.#carried.push({ seq: this.#lastSeq, count: this.#waiting });
    this.#carriedCount += this.#waiting;
    this.#waiting = 0;
    return this.#lastSeq;
  }

  /** Everything up to this number is on the disk. Says whether that confirmed any change. */
  confirm(seq: number): boolean {
    const left = this.#carried.findIndex((message) => message.seq > seq);
    const confirmed = this.#carried.splice(0, left === -1 ? this.#carried.length : left);
    for (const { count } of confirmed) this.#carriedCount -= count;
    return confirmed.length > 0;
  }

  /** The membership is over, and with it its numbers. */
  reset(): void {
    this.#waiting += this.#carriedCount;
    this.#carried = [];
    this.#carriedCount = 0;
    this.#lastSeq = 0;
  }
}
