// A clock, a network and sockets that tests move by hand.

import type { Awareness } from "y-protocols/awareness";
import { type Environment, type NetworkEvent, Room, type RoomOptions } from "../src/index.js";
import * as wire from "../src/wire.js";

interface Timer {
  readonly at: number;
  readonly run: () => void;
}

export class Clock {
  nowMs = 1_000_000;
  readonly timers = new Set<Timer>();

  setTimeout = (run: () => void, ms: number): Timer => {
    const timer = { at: this.nowMs + ms, run };
    this.timers.add(timer);
    return timer;
  };

  clearTimeout = (timer: unknown): void => {
    this.timers.delete(timer as Timer);
  };

  /** Lets time pass, and runs what falls due in its order. */
  advance(ms: number): void {
    const end = this.nowMs + ms;
    for (;;) {
      const due = [...this.timers].filter((t) => t.at <= end).sort((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.timers.delete(due);
      this.nowMs = Math.max(this.nowMs, due.at);
      due.run();
    }
    this.nowMs = end;
  }
}

export class FakeSocket {
  binaryType = "blob";
  onopen: ((event: unknown) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  onerror: ((event: unknown) => void) | null = null;
  readonly sent: Uint8Array[] = [];
  state: "connecting" | "open" | "closed" = "connecting";
  closedWith: number | undefined;

  constructor(readonly url: string) {}

  send(bytes: Uint8Array): void {
    if (this.state !== "open") throw new Error("not open");
    this.sent.push(bytes);
  }

  close(code?: number): void {
    this.state = "closed";
    this.closedWith = code;
  }

  // From here on: what the far end does.

  open(): void {
    this.state = "open";
    this.onopen?.({});
  }

  receive(bytes: Uint8Array<ArrayBuffer>): void {
    this.onmessage?.({ data: bytes.buffer.slice(0) });
  }

  end(code: number, reason = ""): void {
    this.state = "closed";
    this.onclose?.({ code, reason });
  }

  /** The messages sent since the last call. */
  take(): wire.Message[] {
    return this.sent.splice(0).flatMap((bytes) => [...wire.decodeFrame(bytes)]);
  }
}

export class World {
  readonly clock = new Clock();
  readonly sockets: FakeSocket[] = [];
  readonly listeners = new Set<(event: NetworkEvent) => void>();
  readonly errors: unknown[] = [];
  randomNext = 0.5;
  /** What the server says to a plain request. */
  httpNext: { status: number; body: string } | null = null;
  readonly asked: string[] = [];

  readonly environment: Environment = {
    WebSocket: recordingSocketClass(this.sockets),
    setTimeout: this.clock.setTimeout,
    clearTimeout: this.clock.clearTimeout,
    now: () => this.clock.nowMs,
    random: () => this.randomNext,
    fetch: async (url) => {
      this.asked.push(url);
      const answer = this.httpNext;
      if (answer === null) throw new TypeError("failed to fetch");
      return { status: answer.status, text: async () => answer.body };
    },
    network: {
      subscribe: (listener) => {
        this.listeners.add(listener);
        return () => this.listeners.delete(listener);
      },
    },
  };

  room(options: Partial<RoomOptions> = {}): Room {
    return new Room({
      url: "ws://server",
      name: "room",
      environment: this.environment,
      onError: (error) => this.errors.push(error),
      ...options,
    });
  }

  /** Lets just so much time pass that the room makes its next attempt. */
  retry(room: Room): void {
    if (room.retryAt === null) throw new Error("no attempt is waited for");
    this.clock.advance(room.retryAt - this.clock.nowMs);
  }

  network(event: NetworkEvent): void {
    for (const listener of this.listeners) listener(event);
  }

  get socket(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (socket === undefined) throw new Error("no socket was made");
    return socket;
  }

  /** Waits for the promises (an address, a token), and opens the newest socket. */
  async open(): Promise<FakeSocket> {
    await settled();
    this.socket.open();
    return this.socket;
  }
}

/** All promises that are ready have run. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export function names(awareness: Awareness): string[] {
  return [...awareness.getStates().values()].map((state) => state.name ?? "?").sort();
}

function recordingSocketClass(sockets: FakeSocket[]) {
  return class extends FakeSocket {
    constructor(url: string) {
      super(url);
      sockets.push(this);
    }
  };
}
