// Listens to what a room says and hears, and keeps the last of it. Costs little: nothing is decoded before it is shown.

import type { Environment } from "@roomtone/core";
import type { Direction, Frame, WireEvent, WireEventContent } from "./frame.js";
import type { Passed, Recorder } from "./recorder.js";
import { Ring } from "./ring.js";
import { searchFrame } from "./secrets.js";
import { tappedFetch } from "./tapped-fetch.js";
import { type TappedSocket, tappedSocketClass } from "./tapped-socket.js";
import { Traffic } from "./traffic.js";

/** Frames that are kept. With the bytes of each that is 8 MiB at most. */
export const FRAMES_COUNT_MAX = 500;
/** What is kept of a frame. */
export const BODY_BYTES_MAX = 16 * 1024;
/** Frames that began something, such as the Join of a room: kept when all around them has gone. */
const LANDMARKS_COUNT_MAX = 64;
const EVENTS_COUNT_MAX = 200;

export interface InspectorOptions {
  /** Frames that are kept; 500 without it. */
  readonly framesCountMax?: number;
  /** What is kept of each frame; 16 KiB without it. */
  readonly bodyBytesMax?: number;
}

interface Clock {
  readonly now: () => number;
  readonly tick: () => number;
}

export class Inspector {
  readonly #bodyBytesMax: number;
  readonly #frames: Ring<Frame>;
  readonly #landmarks = new Ring<Frame>(LANDMARKS_COUNT_MAX);
  readonly #events = new Ring<WireEvent>(EVENTS_COUNT_MAX);
  readonly #traffic = new Traffic();
  readonly #listeners = new Set<() => void>();
  readonly #sockets = new Set<TappedSocket>();
  #clock: Clock = { now: () => Date.now(), tick: () => performance.now() };
  #lastConnection = 0;
  #lastFrame = 0;
  #lastEvent = 0;

  constructor({
    framesCountMax = FRAMES_COUNT_MAX,
    bodyBytesMax = BODY_BYTES_MAX,
  }: InspectorOptions = {}) {
    this.#frames = new Ring(framesCountMax);
    this.#bodyBytesMax = bodyBytesMax;
  }

  /**
   * For `environment` of a room or a client: as `base` is, or as the runtime is, and listened to. May be asked for more
   * than once.
   */
  environment(base: Partial<Environment> = {}): Partial<Environment> {
    const { now } = base;
    if (now !== undefined) this.#clock = { now, tick: now };
    const recorder = this.#recorder(this.#clock);
    // As the client asks by itself: an answer out of a cache is none.
    const fetch: Environment["fetch"] = (url, request) =>
      base.fetch?.(url, request) ?? globalThis.fetch(url, { cache: "no-store", ...request });
    const Real = base.WebSocket ?? globalThis.WebSocket;
    return {
      ...base,
      fetch: tappedFetch(fetch, recorder),
      // Where there is none at all, the client says so.
      ...(Real === undefined
        ? {}
        : { WebSocket: tappedSocketClass(Real, recorder, this.#sockets) }),
    };
  }

  /** What is kept, oldest first. Where numbers are missing, frames are not kept any more. */
  get frames(): Frame[] {
    const recent = [...this.#frames];
    const first = recent[0]?.number ?? Number.POSITIVE_INFINITY;
    return [...[...this.#landmarks].filter(({ number }) => number < first), ...recent];
  }

  /** The number of the last frame; 0 before there was one. */
  get lastFrame(): number {
    return this.#lastFrame;
  }

  /** What happened to connections, oldest first. */
  get events(): WireEvent[] {
    return [...this.#events];
  }

  get traffic(): Traffic {
    return this.#traffic;
  }

  /** Milliseconds since 1970, as the room sees it. */
  get nowMs(): number {
    return this.#clock.now();
  }

  /** Now, on the clock of `tickMs`. */
  get tickMs(): number {
    return this.#clock.tick();
  }

  /** Whether there is a socket to send a ping on. Over HTTP nobody but the client can say something. */
  get canPing(): boolean {
    return this.#sockets.size > 0;
  }

  /** Measures the way to the server and back, on each open socket. */
  ping(): void {
    for (const socket of [...this.#sockets]) {
      try {
        socket.ping();
      } catch {
        // It is about to be closed; that was recorded.
      }
    }
  }

  /** Forgets what was kept. Counts go on. */
  clear(): void {
    this.#frames.clear();
    this.#landmarks.clear();
    this.#events.clear();
    this.#tell();
  }

  /** Calls the listener after each frame and event, and returns the way to stop that. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #recorder({ now, tick }: Clock): Recorder {
    return {
      nextConnection: () => {
        this.#lastConnection += 1;
        return this.#lastConnection;
      },
      frame: (passed) => guard(() => this.#keep(passed, now(), tick())),
      event: (connection, content) => guard(() => this.#note(connection, content, now())),
    };
  }

  /** Runs for each frame, whether anybody looks or not. */
  #keep(passed: Passed, atMs: number, tickMs: number): void {
    const { connection, transport, direction, bytes, isRepeat = false } = passed;
    this.#lastFrame += 1;
    const number = this.#lastFrame;
    this.#traffic.add(direction, bytes, tickMs);
    // A copy: the sender may use its bytes again, and a large frame must not stay for its beginning.
    let body = passed.body?.slice(0, this.#bodyBytesMax) ?? null;
    const found = body === null ? "nothing" : search(body, bytes, direction);
    // A broken frame of the server is worth a look. In one of ours there might be a token somewhere.
    if (found === "broken" && direction === "up") body = null;
    const about = { number, connection, transport, direction, atMs, tickMs };
    const frame = { ...about, bytes, body, isRepeat };
    this.#frames.push(frame);
    if (found === "a landmark") this.#landmarks.push(frame);
    this.#tell();
  }

  #note(connection: number | null, content: WireEventContent, atMs: number): void {
    this.#lastEvent += 1;
    this.#events.push({ number: this.#lastEvent, atMs, connection, ...content });
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners) guard(listener);
  }
}

/** What goes wrong here goes wrong here alone. */
function guard(run: () => void): void {
  try {
    run();
  } catch (error) {
    console.error("[roomtone]", error);
  }
}

function search(kept: Uint8Array, bytes: number, direction: Direction) {
  const options = { isWhole: kept.length === bytes, isOurs: direction === "up" };
  try {
    return searchFrame(kept, options).isLandmark ? "a landmark" : "nothing";
  } catch {
    return "broken";
  }
}
