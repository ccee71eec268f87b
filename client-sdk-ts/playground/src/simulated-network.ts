// A network as bad as one likes: it wraps the WebSocket class and fetch, delays what goes through them, and drops connections.

import type { Environment, HttpRequest, HttpResponse, Socket } from "@roomtone/core";

/** How often connections are dropped, if they are. */
export const DROP_INTERVAL_MS = 10_000;

/** What a browser reports when a connection ended without a close. */
const CLOSE_ABNORMAL = 1006;

/** A WebSocket of the browser. */
interface RealSocket extends Socket {
  readonly url: string;
  readonly protocol: string;
  readonly extensions: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
}

type RealSocketClass = new (url: string, protocols?: string | string[]) => RealSocket;

interface Conditions {
  readonly delayMs: number;
  readonly sockets: Set<SimulatedSocket>;
  /** Of the requests under way: what ends each without an answer. */
  readonly requests: Set<(error: Error) => void>;
}

export class SimulatedNetwork {
  /** For `environment` of a room. */
  readonly WebSocket: Environment["WebSocket"];
  /** The same. */
  readonly fetch: Environment["fetch"];
  readonly #conditions: Conditions & { delayMs: number };
  #dropping: ReturnType<typeof setInterval> | undefined;

  constructor(Real: RealSocketClass, realFetch: Environment["fetch"] = ambientFetch) {
    const conditions = {
      delayMs: 0,
      sockets: new Set<SimulatedSocket>(),
      requests: new Set<(error: Error) => void>(),
    };
    this.#conditions = conditions;
    this.fetch = (url, request) => {
      const answered = async () => {
        await delay(conditions.delayMs);
        const response = await realFetch(url, request);
        await delay(conditions.delayMs);
        return response;
      };
      return new Promise((resolve, reject) => {
        conditions.requests.add(reject);
        answered()
          .then(resolve, reject)
          .finally(() => conditions.requests.delete(reject));
      });
    };
    this.WebSocket = class extends SimulatedSocket {
      constructor(url: string, protocols?: string | string[]) {
        super(protocols === undefined ? new Real(url) : new Real(url, protocols), conditions);
      }
    };
  }

  /** Each way. What is under way already keeps its own. */
  set delayMs(delayMs: number) {
    this.#conditions.delayMs = delayMs;
  }

  get delayMs(): number {
    return this.#conditions.delayMs;
  }

  /** Whether all connections are dropped again and again. */
  set drops(drops: boolean) {
    clearInterval(this.#dropping);
    this.#dropping = drops ? setInterval(() => this.drop(), DROP_INTERVAL_MS) : undefined;
  }

  get drops(): boolean {
    return this.#dropping !== undefined;
  }

  /** Now, once: what is under way is lost, and nobody is told why. */
  drop(): void {
    for (const socket of [...this.#conditions.sockets]) socket.drop();
    for (const lose of [...this.#conditions.requests]) lose(new TypeError("Failed to fetch"));
  }

  close(): void {
    this.drops = false;
  }
}

function ambientFetch(url: string, request?: HttpRequest): Promise<HttpResponse> {
  return fetch(url, { cache: "no-store", ...request });
}

/** Without a delay it is as if there were no simulation. */
function delay(ms: number): Promise<void> | undefined {
  return ms === 0 ? undefined : new Promise((resolve) => setTimeout(resolve, ms));
}

/** One way of a connection: nothing overtakes anything. */
class Lane {
  readonly #delayMs: () => number;
  readonly #waiting = new Set<ReturnType<typeof setTimeout>>();
  #freeAtMs = 0;

  constructor(delayMs: () => number) {
    this.#delayMs = delayMs;
  }

  pass(run: () => void): void {
    const nowMs = performance.now();
    const atMs = Math.max(this.#freeAtMs, nowMs + this.#delayMs());
    // Without a delay it is as if there were no simulation.
    if (this.#waiting.size === 0 && atMs <= nowMs) {
      run();
      return;
    }
    this.#freeAtMs = atMs;
    const timer = setTimeout(() => {
      this.#waiting.delete(timer);
      run();
    }, atMs - nowMs);
    this.#waiting.add(timer);
  }

  lose(): void {
    for (const timer of this.#waiting) clearTimeout(timer);
    this.#waiting.clear();
  }
}

class SimulatedSocket implements Socket {
  onopen: ((event: unknown) => void) | null = null;
  onmessage: ((event: unknown) => void) | null = null;
  onclose: ((event: unknown) => void) | null = null;
  onerror: ((event: unknown) => void) | null = null;
  readonly #real: RealSocket;
  readonly #conditions: Conditions;
  readonly #up: Lane;
  readonly #down: Lane;

  constructor(real: RealSocket, conditions: Conditions) {
    this.#real = real;
    this.#conditions = conditions;
    this.#up = new Lane(() => conditions.delayMs);
    this.#down = new Lane(() => conditions.delayMs);
    conditions.sockets.add(this);
    // The request takes its time, and so does the answer.
    real.onopen = (event: unknown) =>
      this.#up.pass(() => this.#down.pass(() => this.onopen?.(event)));
    real.onmessage = (event: unknown) => this.#down.pass(() => this.onmessage?.(event));
    real.onerror = (event: unknown) => this.#down.pass(() => this.onerror?.(event));
    real.onclose = (event: unknown) => {
      conditions.sockets.delete(this);
      this.#down.pass(() => this.onclose?.(event));
    };
  }

  get url(): string {
    return this.#real.url;
  }

  get protocol(): string {
    return this.#real.protocol;
  }

  get extensions(): string {
    return this.#real.extensions;
  }

  get readyState(): number {
    return this.#real.readyState;
  }

  get bufferedAmount(): number {
    return this.#real.bufferedAmount;
  }

  get binaryType(): string {
    return this.#real.binaryType;
  }

  set binaryType(type: string) {
    this.#real.binaryType = type;
  }

  send(data: Uint8Array<ArrayBuffer>): void {
    // The sender may use its bytes again.
    const sent = data.slice();
    this.#up.pass(() => this.#real.send(sent));
  }

  close(code?: number, reason?: string): void {
    this.#conditions.sockets.delete(this);
    this.#up.pass(() => this.#real.close(code, reason));
  }

  drop(): void {
    this.#conditions.sockets.delete(this);
    this.#up.lose();
    this.#down.lose();
    this.#real.onopen = null;
    this.#real.onmessage = null;
    this.#real.onerror = null;
    this.#real.onclose = null;
    this.#real.close();
    this.onclose?.({ code: CLOSE_ABNORMAL, reason: "" });
  }
}
