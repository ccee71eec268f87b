// A clock, a network and sockets that tests move by hand.

import type { Awareness } from "y-protocols/awareness";
import {
  Client,
  type ClientOptions,
  type Environment,
  type HttpRequest,
  type HttpResponse,
  type Inflate,
  type NetworkEvent,
  Room,
  type RoomOptions,
} from "../src/index.js";
import type { Addressed, ClientMessage, ServerMessage, Welcome } from "../src/wire.js";
import { decodeClientFrame } from "../src/wire-client.js";
import { serverFrame } from "./wire-server.js";

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
  /** Frames that nobody took yet. */
  readonly sent: Uint8Array[] = [];
  state: "connecting" | "open" | "closed" = "connecting";
  closedWith: number | undefined;

  constructor(
    readonly url: string,
    readonly protocols: string,
  ) {}

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

  /** A frame of the server's. */
  say(...messages: Addressed<ServerMessage>[]): void {
    this.receive(serverFrame(...messages));
  }

  receive(bytes: Uint8Array<ArrayBuffer>): void {
    this.onmessage?.({ data: bytes.buffer.slice(0) });
  }

  end(code: number, reason = ""): void {
    this.state = "closed";
    this.onclose?.({ code, reason });
  }

  /** The messages sent since the last call. */
  take(): Addressed<ClientMessage>[] {
    return this.sent.splice(0).flatMap((bytes) => [...decodeClientFrame(bytes)]);
  }

  /** The types of the messages sent since the last call. */
  takeTypes(): string[] {
    return this.take().map((message) => message.type);
  }
}

export const EMPTY_UPDATE = new Uint8Array([0, 0]);
export const EMPTY_STATE_VECTOR = new Uint8Array([0]);
const NOBODY = new Uint8Array([0]);

export function welcome(changed: Partial<Welcome> = {}): Addressed<Welcome> {
  return {
    channel: 0,
    type: "welcome",
    version: 1,
    capabilities: 1,
    session: "s-1",
    timeMs: 1_760_000_000_000,
    frameBytesMax: 16 * 1024 * 1024,
    roomsMax: 100,
    silenceMs: 30_000,
    ...changed,
  };
}

export function joined(channel: number, epoch = 1, role = "editor", user = ""): ServerFrame {
  return { channel, type: "joined", epoch, role, user };
}

/** What follows a Joined where the server has nothing. */
export function emptySync(channel = 1): ServerFrame[] {
  return [
    { channel, type: "stateVector", stateVector: EMPTY_STATE_VECTOR },
    { channel, type: "diff", update: EMPTY_UPDATE },
    { channel, type: "awareness", update: NOBODY },
  ];
}

export type ServerFrame = Addressed<ServerMessage>;

export function httpResponse(
  status: number,
  body: Uint8Array<ArrayBuffer> = new Uint8Array(),
): HttpResponse {
  return {
    status,
    text: async () => new TextDecoder().decode(body),
    arrayBuffer: async () => body.slice().buffer,
  };
}

export class World {
  readonly clock = new Clock();
  readonly sockets: FakeSocket[] = [];
  readonly listeners = new Set<(event: NetworkEvent) => void>();
  readonly errors: unknown[] = [];
  random = (): number => 0.5;
  /** What the server says to a plain request. */
  httpNext: { status: number; body: string } | null = null;
  readonly asked: string[] = [];
  inflate: Inflate | null = null;

  get environment(): Environment {
    return {
      WebSocket: recordingSocketClass(this.sockets),
      setTimeout: this.clock.setTimeout,
      clearTimeout: this.clock.clearTimeout,
      now: () => this.clock.nowMs,
      random: () => this.random(),
      inflate: this.inflate,
      randomBytes: (count) => Uint8Array.from({ length: count }, () => this.random() * 256),
      fetch: (url, request = {}) => this.fetch(url, request),
      network: {
        subscribe: (listener) => {
          this.listeners.add(listener);
          return () => this.listeners.delete(listener);
        },
      },
    };
  }

  room(options: Partial<RoomOptions> = {}): Room {
    return new Room({
      url: "ws://server",
      name: "room",
      environment: this.environment,
      onError: (error) => this.errors.push(error),
      ...options,
    });
  }

  client(options: Partial<ClientOptions> = {}): Client {
    return new Client({
      url: "ws://server",
      environment: this.environment,
      onError: (error) => this.errors.push(error),
      ...options,
    });
  }

  /** What a request is answered with. A fake server of HTTP takes its place. */
  fetch = async (url: string, _request: HttpRequest): Promise<HttpResponse> => {
    this.asked.push(url);
    if (this.httpNext === null) throw new TypeError("failed to fetch");
    return httpResponse(this.httpNext.status, new TextEncoder().encode(this.httpNext.body));
  };

  /** Lets just so much time pass that the next attempt is made. */
  retry({ retryAt }: { readonly retryAt: number | null }): void {
    if (retryAt === null) throw new Error("no attempt is waited for");
    this.clock.advance(retryAt - this.clock.nowMs);
  }

  network(event: NetworkEvent): void {
    for (const listener of this.listeners) listener(event);
  }

  get socket(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (socket === undefined) throw new Error("no socket was made");
    return socket;
  }

  /** Waits for the promises (a token), and opens the newest socket. */
  async dial(): Promise<FakeSocket> {
    await settled();
    this.socket.open();
    return this.socket;
  }

  /** The same, and the server lets everybody in who asked in the first frame. */
  async open(): Promise<FakeSocket> {
    const socket = await this.dial();
    admit(socket);
    return socket;
  }
}

/** Welcomes the socket and answers its Joins with Joined, without what follows. Leaves all that was sent to be taken. */
export function admit(socket: FakeSocket, changed: Partial<Welcome> = {}): void {
  const sent = socket.sent.flatMap((bytes) => [...decodeClientFrame(bytes)]);
  const joins = sent.filter((message) => message.type === "join");
  socket.say(
    welcome(changed),
    ...joins.map(({ channel, epoch }) => joined(channel, epoch === 0 ? 1 : epoch)),
  );
}

/** All promises that are ready have run. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export function names(awareness: Awareness): string[] {
  return [...awareness.getStates().values()].map((state) => state.name ?? "?").sort();
}

/** mulberry32: the same numbers for the same seed. */
export function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

function recordingSocketClass(sockets: FakeSocket[]) {
  return class extends FakeSocket {
    constructor(url: string, protocols: string) {
      super(url, protocols);
      sockets.push(this);
    }
  };
}
