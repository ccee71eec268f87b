// Questions to the server and their answers, over connections that come and go: each is asked until it is answered.

import type { Timing } from "../presence/timing.js";
import { ChatError, parseError } from "./error.js";
import { fieldsOf } from "./message.js";

/** Time for an answer. Over it the question is asked again. */
export const ANSWER_MS_MAX = 15_000;
/** The pause after the server said that its store is away; it doubles up to the other one. */
export const AWAY_MS_BASE = 1_000;
export const AWAY_MS_MAX = 30_000;
/** What `too_fast` can make one wait. */
export const TOO_FAST_MS_MAX = 60_000;

export type Answer = Record<string, unknown>;

interface Call {
  readonly request: string;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: ChatError) => void;
  /** Changes are made one after the other, in their order. */
  readonly isWrite: boolean;
  /** Whether it is asked again on the next connection. */
  readonly isLasting: boolean;
}

interface UnderWay {
  readonly call: Call;
  readonly timer: unknown;
}

export interface CallsOptions {
  /** Sends a request, and returns its number; null without a connection. */
  readonly send: (request: string) => number | null;
  readonly timing: Timing;
}

export class Calls {
  readonly #options: CallsOptions;
  /** In the order in which they are to be asked. */
  #waiting: Call[] = [];
  readonly #underWay = new Map<number, UnderWay>();
  /** Calls that are made again at their time. */
  readonly #pauses = new Map<unknown, Call>();
  /** The change that is under way, or waits for its time: no other one overtakes it. */
  #writing: Call | null = null;
  #awayMs = AWAY_MS_BASE;
  #isEnded = false;

  constructor(options: CallsOptions) {
    this.#options = options;
  }

  /** A question that changes nothing. Not lasting: it rejects when the connection is lost. */
  ask(request: object, { isLasting = true } = {}): Promise<Answer> {
    return this.#call(request, false, isLasting);
  }

  /** A change: it is made after those before it, and made again until the server has answered. */
  write(request: object): Promise<Answer> {
    return this.#call(request, true, true);
  }

  /** There is a connection: everything that waits is asked. */
  resume(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const call of waiting) this.#start(call);
  }

  /** The connection is gone, and the numbers with it. */
  suspend(): void {
    const lost = [...this.#underWay.values()];
    for (const { timer } of lost) this.#options.timing.clearTimeout(timer);
    this.#underWay.clear();
    for (const { call } of lost.reverse()) {
      if (call.isWrite) this.#writing = null;
      if (call.isLasting) this.#waiting.unshift(call);
      else call.reject(new ChatError("away", "The connection was lost"));
    }
  }

  /** The answer to a question. One that nobody waits for any more is nobody's. */
  answer(number: number, text: string): void {
    const underWay = this.#underWay.get(number);
    if (underWay === undefined) return;
    this.#underWay.delete(number);
    this.#options.timing.clearTimeout(underWay.timer);
    this.#onAnswer(underWay.call, parse(text));
  }

  end(): void {
    this.#isEnded = true;
    const { timing } = this.#options;
    for (const { timer } of this.#underWay.values()) timing.clearTimeout(timer);
    for (const timer of this.#pauses.keys()) timing.clearTimeout(timer);
    const underWay = [...this.#underWay.values()].map(({ call }) => call);
    const calls = [...underWay, ...this.#pauses.values(), ...this.#waiting];
    this.#underWay.clear();
    this.#pauses.clear();
    this.#waiting = [];
    for (const { reject } of calls) reject(ended());
  }

  #call(request: object, isWrite: boolean, isLasting: boolean): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (this.#isEnded) reject(ended());
      else this.#start({ request: JSON.stringify(request), resolve, reject, isWrite, isLasting });
    });
  }

  /** `isNext`: the changes that wait come behind it. */
  #start(call: Call, isNext = false): void {
    const number = this.#mayStart(call, isNext) ? this.#options.send(call.request) : null;
    if (number === null) {
      this.#wait(call);
      return;
    }
    if (call.isWrite) this.#writing = call;
    const timer = this.#options.timing.setTimeout(() => {
      this.#underWay.delete(number);
      this.#start(call);
    }, ANSWER_MS_MAX);
    this.#underWay.set(number, { call, timer });
  }

  #mayStart(call: Call, isNext: boolean): boolean {
    if (!call.isWrite || call === this.#writing) return true;
    return this.#writing === null && (isNext || !this.#waiting.some(({ isWrite }) => isWrite));
  }

  #wait(call: Call): void {
    if (call === this.#writing) {
      // It was there before all that waits.
      this.#writing = null;
      this.#waiting.unshift(call);
    } else if (call.isLasting) {
      this.#waiting.push(call);
    } else {
      call.reject(new ChatError("away", "There is no connection"));
    }
  }

  #onAnswer(call: Call, answer: Answer): void {
    const error = "error" in answer ? parseError(answer.error) : null;
    if (error?.code === "too_fast" || error?.code === "away") {
      this.#later(call, this.#pauseMs(error));
      return;
    }
    this.#awayMs = AWAY_MS_BASE;
    if (call.isWrite) this.#writing = null;
    if (error === null) call.resolve(answer);
    else call.reject(error);
    if (call.isWrite) this.#next();
  }

  #pauseMs({ code, retryMs }: ChatError): number {
    if (code === "too_fast") return Math.min(retryMs ?? AWAY_MS_BASE, TOO_FAST_MS_MAX);
    const pauseMs = retryMs ?? this.#awayMs;
    this.#awayMs = Math.min(this.#awayMs * 2, AWAY_MS_MAX);
    return Math.min(pauseMs, AWAY_MS_MAX);
  }

  #later(call: Call, ms: number): void {
    const timer = this.#options.timing.setTimeout(() => {
      this.#pauses.delete(timer);
      this.#start(call);
    }, ms);
    this.#pauses.set(timer, call);
  }

  /** The next change of those that wait. */
  #next(): void {
    const index = this.#waiting.findIndex(({ isWrite }) => isWrite);
    const [call] = index === -1 ? [] : this.#waiting.splice(index, 1);
    if (call !== undefined) this.#start(call, true);
  }
}

function ended(): ChatError {
  return new ChatError("ended", "The chat is over: open the room anew");
}

function parse(text: string): Answer {
  try {
    return fieldsOf(JSON.parse(text));
  } catch {
    return { error: null };
  }
}
