// How long the server takes: from an edit to its word that it is on the disk, and there and back.

import { Ring } from "./inspector/ring.js";
import type { Message } from "./messages/message.js";

/** `saved`: from sending a change to the word that it is on the disk. `ping`, `hello`: to the server and back. */
export type SampleKind = "saved" | "ping" | "hello";

export interface Sample {
  readonly kind: SampleKind;
  readonly atMs: number;
  readonly ms: number;
}

export interface Unconfirmed {
  readonly count: number;
  readonly sinceTickMs: number | null;
}

/** Samples that are kept. */
export const SAMPLES_COUNT_MAX = 120;
/** Changes and questions that wait for their answer. Over it the oldest is forgotten. */
const WAITING_COUNT_MAX = 1_000;

interface Waiting {
  readonly connection: number;
  readonly channel: number;
  readonly kind: SampleKind;
  readonly seq: number;
  readonly tickMs: number;
}

export class LatencyMeter {
  readonly #samples = new Ring<Sample>(SAMPLES_COUNT_MAX);
  #waiting: Waiting[] = [];

  get samples(): Sample[] {
    return [...this.#samples];
  }

  /** Messages with changes that the server has not confirmed, and since when the oldest of them waits. */
  unconfirmed(isOf: (connection: number, channel: number) => boolean): Unconfirmed {
    const edits = this.#waiting.filter(
      ({ kind, connection, channel }) => kind === "saved" && isOf(connection, channel),
    );
    return { count: edits.length, sinceTickMs: edits[0]?.tickMs ?? null };
  }

  /** Each message in its order. */
  take({ frame, channel, content }: Message): void {
    if (content === null || channel === null || frame.isRepeat) return;
    const { connection } = frame;
    switch (content.type) {
      case "diff":
      case "edit":
        if ("seq" in content) this.#wait(content.seq, "saved", channel, frame);
        break;
      case "saved":
        this.#answer("saved", connection, channel, content.seq, frame);
        break;
      case "hello":
        this.#wait(0, "hello", channel, frame);
        break;
      case "welcome":
        this.#answer("hello", connection, channel, 0, frame);
        break;
      case "ping":
        if (frame.direction === "up") this.#wait(0, "ping", channel, frame);
        break;
      case "pong":
        if (frame.direction === "down") this.#answerFirst("ping", connection, frame);
        break;
      case "join":
      case "leave":
        // Numbers begin anew with each Join.
        this.#waiting = this.#waiting.filter(
          (each) => each.connection !== connection || each.channel !== channel,
        );
        break;
    }
  }

  /** This connection is over: what it did not answer it never will. */
  forget(connection: number): void {
    this.#waiting = this.#waiting.filter((each) => each.connection !== connection);
  }

  #wait(seq: number, kind: SampleKind, channel: number, frame: Message["frame"]): void {
    this.#waiting.push({ connection: frame.connection, channel, kind, seq, tickMs: frame.tickMs });
    if (this.#waiting.length > WAITING_COUNT_MAX) this.#waiting.shift();
  }

  #answer(
    kind: SampleKind,
    connection: number,
    channel: number,
    seq: number,
    { atMs, tickMs }: Message["frame"],
  ): void {
    const left: Waiting[] = [];
    for (const each of this.#waiting) {
      const isOf = each.kind === kind && each.connection === connection;
      if (isOf && each.channel === channel && each.seq <= seq) {
        this.#samples.push({ kind, atMs, ms: Math.max(0, tickMs - each.tickMs) });
      } else {
        left.push(each);
      }
    }
    this.#waiting = left;
  }

  /** Pings carry nothing that tells them apart: they are answered in their order. */
  #answerFirst(kind: SampleKind, connection: number, { atMs, tickMs }: Message["frame"]): void {
    const index = this.#waiting.findIndex(
      (each) => each.kind === kind && each.connection === connection,
    );
    const [first] = index === -1 ? [] : this.#waiting.splice(index, 1);
    if (first !== undefined) {
      this.#samples.push({ kind, atMs, ms: Math.max(0, tickMs - first.tickMs) });
    }
  }
}

/** The smallest value that so much of them (0 to 1) do not exceed; null for none. */
export function percentile(values: readonly number[], part: number): number | null {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? null;
}
