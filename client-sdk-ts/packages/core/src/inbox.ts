// The messages of one channel in their order, also while one of them is being inflated.

import type { Inflate } from "./inflate.js";
import type { RoomMessage } from "./wire.js";

export interface InboxOptions {
  readonly inflate: Inflate | null;
  /** Never sees a `deflatedDiff`: it has become a `diff`. */
  readonly onMessage: (message: RoomMessage) => void;
  /** Runs what delivers several messages. */
  readonly batch: (run: () => void) => void;
  /** A diff could not be inflated: what follows it cannot be understood. */
  readonly onBroken: (error: unknown) => void;
}

export class Inbox {
  /** What came behind a diff that is being inflated; null while there is none. */
  #behind: RoomMessage[] | null = null;
  #isClosed = false;
  readonly #options: InboxOptions;

  constructor(options: InboxOptions) {
    this.#options = options;
  }

  push(message: RoomMessage): void {
    if (this.#isClosed) return;
    if (this.#behind !== null) this.#behind.push(message);
    else if (message.type === "deflatedDiff") this.#inflate(message.deflated);
    else this.#options.onMessage(message);
  }

  /** Nothing is delivered any more. */
  close(): void {
    this.#isClosed = true;
    this.#behind = null;
  }

  #inflate(deflated: Uint8Array): void {
    const { inflate, onBroken } = this.#options;
    if (inflate === null) {
      onBroken(new Error("a deflated diff, which was not asked for"));
      return;
    }
    this.#behind = [];
    inflate(deflated)
      .then((update) => this.#goOn({ type: "diff", update }))
      .catch((error: unknown) => {
        if (!this.#isClosed) onBroken(error);
      });
  }

  #goOn(first: RoomMessage): void {
    const behind = this.#behind ?? [];
    this.#behind = null;
    this.#options.batch(() => {
      // One of them may be deflated again: then the rest goes behind it, in order.
      for (const message of [first, ...behind]) this.push(message);
    });
  }
}
