// What the frames of an inspector say together: which channel is which room, what the server has, how fast it is.

import * as Y from "yjs";
import type { Inspector } from "./inspector/inspector.js";
import { Ring } from "./inspector/ring.js";
import { LatencyMeter, type Unconfirmed } from "./latency.js";
import { type LogEntry, messageEntry } from "./log.js";
import { type Message, messagesOf } from "./messages/message.js";

/** What is remembered of each kind. Over it the oldest goes. */
const ENTRIES_COUNT_MAX = 200;
const CHANNELS_COUNT_MAX = 1_000;
const ROOMS_COUNT_MAX = 100;

export interface ServerState {
  /** What the server had, clock by client id. */
  readonly clocks: ReadonlyMap<number, number>;
  readonly atMs: number;
}

export type WelcomeFacts = Extract<NonNullable<Message["content"]>, { type: "welcome" }>;

export class Digest {
  readonly inspector: Inspector;
  readonly latency = new LatencyMeter();
  readonly #entries = new Ring<LogEntry>(ENTRIES_COUNT_MAX);
  readonly #roomNames = new Map<string, string>();
  readonly #serverStates = new Map<string, ServerState>();
  #welcome: WelcomeFacts | null = null;
  #lastFrame = 0;
  #lastEvent = 0;

  constructor(inspector: Inspector) {
    this.inspector = inspector;
  }

  get entries(): LogEntry[] {
    return [...this.#entries];
  }

  /** What the server said last about itself. */
  get welcome(): WelcomeFacts | null {
    return this.#welcome;
  }

  roomName(connection: number, channel: number): string | null {
    return this.#roomNames.get(`${connection}/${channel}`) ?? null;
  }

  serverState(roomName: string): ServerState | null {
    return this.#serverStates.get(roomName) ?? null;
  }

  unconfirmed(roomName: string): Unconfirmed {
    return this.latency.unconfirmed(
      (connection, channel) => this.roomName(connection, channel) === roomName,
    );
  }

  /** Reads what came since the last time. */
  catchUp(): void {
    if (this.inspector.lastFrame > this.#lastFrame) {
      for (const frame of this.inspector.frames) {
        if (frame.number <= this.#lastFrame) continue;
        for (const message of messagesOf(frame)) this.#take(message);
      }
      this.#lastFrame = this.inspector.lastFrame;
    }
    // After the frames: nothing is said on a connection that is over.
    for (const { number, type, connection } of this.inspector.events) {
      if (number <= this.#lastEvent) continue;
      this.#lastEvent = number;
      if (connection === null || (type !== "closed" && type !== "closing")) continue;
      this.latency.forget(connection);
    }
  }

  #take(message: Message): void {
    const { frame, channel, content } = message;
    this.latency.take(message);
    const name = channel === null ? null : this.roomName(frame.connection, channel);
    const entry = messageEntry(message, name);
    if (entry !== null) this.#entries.push(entry);
    if (content === null) return;
    if (content.type === "join") {
      const key = `${frame.connection}/${content.channel}`;
      remember(this.#roomNames, key, content.name, CHANNELS_COUNT_MAX);
    } else if (content.type === "welcome") {
      this.#welcome = content;
    } else if (content.type === "stateVector" && frame.direction === "down" && name !== null) {
      if (message.isCut) return;
      const clocks = clocksOf(content.stateVector);
      if (clocks === null) return;
      remember(this.#serverStates, name, { clocks, atMs: frame.atMs }, ROOMS_COUNT_MAX);
    }
  }
}

function clocksOf(stateVector: Uint8Array): Map<number, number> | null {
  try {
    return Y.decodeStateVector(stateVector);
  } catch {
    return null;
  }
}

function remember<Value>(
  map: Map<string, Value>,
  key: string,
  value: Value,
  countMax: number,
): void {
  map.delete(key);
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > countMax && oldest !== undefined) map.delete(oldest);
}
