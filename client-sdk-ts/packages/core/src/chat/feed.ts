// How the list stays whole: it is opened with each connection, and what was lost on the way is asked for (CH2).

import type { Report } from "../error.js";
import type { Timing } from "../presence/timing.js";
import type { Answer, Calls } from "./calls.js";
import { ChatError } from "./error.js";
import { Log } from "./log.js";
import { numberOf, parseStored, type Stored } from "./message.js";

/** Changes can come in another order. What is missing after this time was lost, and is asked for. */
export const HOLE_MS_MAX = 1_000;
/** Without news for so long the server is asked for them. */
export const SILENCE_MS_MAX = 30_000;

export interface FeedOptions {
  readonly calls: Calls;
  readonly timing: Timing;
  readonly report: Report;
  readonly pageCount: number;
  readonly onTaken: (message: Stored) => void;
  readonly onRead: (seq: number) => void;
  /** After all that came together. */
  readonly onChange: () => void;
}

export class Feed {
  readonly log = new Log();
  readonly #options: FeedOptions;
  #isConnected = false;
  #isLive = false;
  #error: ChatError | null = null;
  /** The question that is under way. */
  #opening: object | null = null;
  #holeTimer: unknown = null;
  #silenceTimer: unknown = null;

  constructor(options: FeedOptions) {
    this.#options = options;
  }

  /** Whether everything up to now is here, but for what is late. */
  get isLive(): boolean {
    return this.#isLive;
  }

  get error(): ChatError | null {
    return this.#error;
  }

  connect(): void {
    this.#isConnected = true;
    this.#open();
  }

  disconnect(): void {
    this.#isConnected = false;
    this.#isLive = false;
    this.#opening = null;
    this.#stop();
  }

  /** What the server tells unasked. */
  hear({ message, read, missed }: Answer): void {
    // It cannot tell what. Nobody else asks at this moment: the server has spread its rooms.
    if (missed === true) this.#open();
    if (message !== undefined) this.take(message);
    this.#takeRead(read);
    this.#expect();
    this.#options.onChange();
  }

  /** The message as it was told, which may be older than what is known. Throws on what is no message. */
  take(value: unknown): Stored {
    const message = parseStored(value);
    if (this.log.take(message)) this.#options.onTaken(message);
    if (this.#isLive) this.#watchHole();
    return message;
  }

  /** The messages of an answer, as they were told. One that cannot be read does not cost the others. */
  takeAll({ messages }: Answer): Stored[] {
    const taken: Stored[] = [];
    for (const each of Array.isArray(messages) ? messages : []) {
      try {
        taken.push(this.take(each));
      } catch (error) {
        this.#options.report(error);
      }
    }
    return taken;
  }

  #open(): void {
    if (!this.#isConnected || this.#opening !== null) return;
    const opening = {};
    this.#opening = opening;
    const after = this.log.complete;
    const open = after === null ? { last: this.#options.pageCount } : { after };
    const settle = (next: () => void) => {
      if (this.#opening !== opening) return;
      this.#opening = null;
      next();
      this.#options.onChange();
    };
    this.#options.calls.ask({ open }, { isLasting: false }).then(
      (answer) => settle(() => this.#onOpened(after, answer)),
      (error: ChatError) => settle(() => this.#onFailed(error)),
    );
  }

  #onOpened(after: number | null, answer: Answer): void {
    const told = numberOf(answer.change);
    if (told === null) {
      this.#onFailed(
        new ChatError("server_broken", "The server did not say how far its list goes"),
      );
      return;
    }
    if (after !== null && told < after) {
      // It is another list: the room was deleted, and begun anew.
      this.log.clear();
      this.#open();
      return;
    }
    const taken = this.takeAll(answer);
    this.log.noteLast(numberOf(answer.count) ?? 0);
    this.#takeRead(answer.read);
    if (after === null) this.log.beginAt(firstOf(taken));
    const isMore = after !== null && answer.more === true;
    const change = isMore ? Math.max(after, ...taken.map((each) => each.change)) : told;
    this.log.finish(change);
    this.#error = null;
    if (isMore && change > after) {
      this.#open();
      return;
    }
    this.#isLive = true;
    this.#expect();
    this.#watchHole();
  }

  #onFailed(error: ChatError): void {
    this.#error = error;
    this.#expect();
  }

  #takeRead(value: unknown): void {
    const read = numberOf(value);
    if (read !== null) this.#options.onRead(read);
  }

  /** Asks when nothing is heard any more: what was lost last leaves no hole. */
  #expect(): void {
    const { timing } = this.#options;
    timing.clearTimeout(this.#silenceTimer);
    if (!this.#isConnected) return;
    this.#silenceTimer = timing.setTimeout(() => this.#open(), SILENCE_MS_MAX);
  }

  #watchHole(): void {
    if (this.#holeTimer !== null || !this.log.hasHole || !this.#isConnected) return;
    const before = this.log.complete;
    this.#holeTimer = this.#options.timing.setTimeout(() => {
      this.#holeTimer = null;
      // Another hole than the one that was there: it has its own time.
      if (this.log.complete === before) this.#open();
      else this.#watchHole();
    }, HOLE_MS_MAX);
  }

  #stop(): void {
    const { timing } = this.#options;
    timing.clearTimeout(this.#holeTimer);
    timing.clearTimeout(this.#silenceTimer);
    this.#holeTimer = null;
  }
}

/** The first number; 1 where there is none, since nothing is before it. */
export function firstOf(messages: readonly Stored[]): number {
  return messages.length === 0 ? 1 : Math.min(...messages.map(({ seq }) => seq));
}
