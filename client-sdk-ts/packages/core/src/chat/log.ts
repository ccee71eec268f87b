// The messages that are known here, and how far that knowledge has no holes.

import type { Stored } from "./message.js";

export class Log {
  readonly #messages = new Map<number, Stored>();
  /** Everything up to this change is here; null before the list was opened. */
  #complete: number | null = null;
  /** Changes beyond the first hole. */
  readonly #ahead = new Set<number>();
  /** The list begins with this message; null before it was opened. */
  #first: number | null = null;
  #lastSeq = 0;

  get complete(): number | null {
    return this.#complete;
  }

  /** Something is missing: it is late, or lost. */
  get hasHole(): boolean {
    return this.#complete !== null && this.#ahead.size > 0;
  }

  get first(): number | null {
    return this.#first;
  }

  /** Of all messages, also of those that are not here. */
  get lastSeq(): number {
    return this.#lastSeq;
  }

  get(seq: number): Stored | undefined {
    return this.#messages.get(seq);
  }

  all(): Iterable<Stored> {
    return this.#messages.values();
  }

  /** The list: without holes at its beginning, in the order of the server. */
  list(): Stored[] {
    const first = this.#first ?? Number.POSITIVE_INFINITY;
    return sorted([...this.#messages.values()].filter(({ seq }) => seq >= first));
  }

  replies(thread: number): Stored[] {
    return sorted([...this.#messages.values()].filter((message) => message.thread === thread));
  }

  /** Says whether that was news. They may come in any order, and more than once. */
  take(message: Stored): boolean {
    this.#note(message.change);
    this.noteLast(message.seq);
    const known = this.#messages.get(message.seq);
    if (known !== undefined && known.change >= message.change) return false;
    this.#messages.set(message.seq, message);
    return true;
  }

  noteLast(seq: number): void {
    this.#lastSeq = Math.max(this.#lastSeq, seq);
  }

  /** The server has told everything up to this change. */
  finish(change: number): void {
    this.#complete = Math.max(this.#complete ?? 0, change);
    for (const each of this.#ahead) if (each <= this.#complete) this.#ahead.delete(each);
    this.#advance();
  }

  /** All messages from this one on are here. */
  beginAt(seq: number): void {
    this.#first = Math.min(this.#first ?? seq, seq);
  }

  clear(): void {
    this.#messages.clear();
    this.#ahead.clear();
    this.#complete = null;
    this.#first = null;
    this.#lastSeq = 0;
  }

  #note(change: number): void {
    if (change <= (this.#complete ?? 0)) return;
    this.#ahead.add(change);
    this.#advance();
  }

  #advance(): void {
    if (this.#complete === null) return;
    while (this.#ahead.delete(this.#complete + 1)) this.#complete += 1;
  }
}

function sorted(messages: Stored[]): Stored[] {
  return messages.sort((a, b) => a.seq - b.seq);
}
