// What takes the place of a WebSocket where a proxy lets none pass: the same frames over POST and GET.

import { CLOSE_LOST, type Refusal } from "./close.js";
import type { Environment, HttpRequest, HttpResponse, Socket } from "./environment.js";
import { inquire, refusalOf, STATUS_UPGRADE_REQUIRED } from "./inquiry.js";
import { randomName } from "./random.js";
import * as wire from "./wire.js";

/** A request that failed on its way is made again so often, with the same number. */
export const REPEAT_COUNT_MAX = 4;
/** The pause before the first repetition; it doubles with each. Together they stay far below the server's patience. */
export const REPEAT_MS_BASE = 250;
/** The server answers a fetch within 20 s. Over this the answer was lost. */
export const FETCH_MS_MAX = 25_000;
/** Time for a frame to get to the server, which a large one on a slow network needs. */
export const POST_MS_MAX = 60_000;
/** Time for what was still to be said when the socket was closed. */
export const FAREWELL_MS_MAX = 5_000;
/** Pause after a fetch that came back empty at once. No server of ours does that. */
export const EMPTY_MS_MIN = 1_000;
/** Browsers let no more than 64 KiB of a page's last requests go on without it. */
const KEEPALIVE_BYTES_MAX = 60_000;

export class PolledSocket implements Socket {
  binaryType = "arraybuffer";
  onopen: ((event: unknown) => void) | null = null;
  onmessage: ((event: { readonly data: ArrayBuffer | null }) => void) | null = null;
  onclose: ((event: Refusal) => void) | null = null;
  onerror: ((event: unknown) => void) | null = null;
  readonly #environment: Environment;
  readonly #batchBytesMax: () => number;
  readonly #address: string;
  /** Frames that nobody has taken yet. */
  readonly #waiting: Uint8Array<ArrayBuffer>[] = [];
  /** How many frames were said: the first one opens the session. */
  #saidCount = 0;
  #isPosting = false;
  #isClosed = false;
  /** Ends what is under way. */
  readonly #aborts = new Set<AbortController>();
  readonly #pauses = new Map<unknown, () => void>();

  /** `address`: that of the WebSocket. `batchBytesMax`: what frames that wait may have together as one. */
  constructor(environment: Environment, address: string, batchBytesMax: () => number) {
    this.#environment = environment;
    this.#batchBytesMax = batchBytesMax;
    const sessions = address.replace(/^ws/, "http").replace(/connect$/, "sessions");
    this.#address = `${sessions}/${randomName(environment)}`;
    void this.#open(address);
  }

  send(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#isClosed) return;
    this.#waiting.push(bytes);
    void this.#post();
  }

  /** What waits is still said, and then goodbye. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    if (!this.#isPosting) {
      this.#leave();
      return;
    }
    this.#endPauses();
    this.#after(FAREWELL_MS_MAX, () => {
      this.#waiting.length = 0;
      this.#abort();
    });
  }

  /** Nothing is known of the server before the first frame: so it is asked whether it is there. */
  async #open(address: string): Promise<void> {
    const answer = await inquire(this.#environment, address);
    if (this.#isClosed) return;
    if (answer?.status === STATUS_UPGRADE_REQUIRED) this.onopen?.({});
    else this.#end(answer?.refusal ?? null);
  }

  /** One frame at a time, in order. What comes meanwhile goes together. */
  async #post(): Promise<void> {
    if (this.#isPosting) return;
    this.#isPosting = true;
    // What is sent in the same breath leaves together.
    await null;
    while (this.#waiting.length > 0) {
      const body = this.#take();
      const isFirst = this.#saidCount === 0;
      this.#saidCount += 1;
      const keepalive = this.#isClosed && body.length <= KEEPALIVE_BYTES_MAX;
      const request = { method: "POST", body, keepalive } as const;
      if ((await this.#ask(this.#saidCount, request, POST_MS_MAX)) === null) break;
      if (isFirst) void this.#listen();
    }
    this.#isPosting = false;
    if (this.#isClosed) this.#leave();
  }

  #take(): Uint8Array<ArrayBuffer> {
    const messagesOf = (index: number) => countOf(this.#waiting[index]);
    const count = wire.fittingCount(this.#waiting, this.#batchBytesMax(), messagesOf);
    return wire.frameOf(this.#waiting.splice(0, count));
  }

  async #listen(): Promise<void> {
    for (let number = 1; !this.#isClosed; number += 1) {
      const askedAt = this.#environment.now();
      const body = await this.#ask(number, {}, FETCH_MS_MAX);
      if (body === null || this.#isClosed) return;
      this.#deliver(body);
      const isEmpty = body.byteLength === 0;
      if (isEmpty && this.#environment.now() - askedAt < EMPTY_MS_MIN) {
        await this.#pause(EMPTY_MS_MIN);
      }
    }
  }

  /** An answer may hold more messages than a frame. An empty one is a sign of life. */
  #deliver(body: ArrayBuffer): void {
    if (body.byteLength === 0) {
      this.onmessage?.({ data: null });
      return;
    }
    for (const data of framesOf(body)) this.onmessage?.({ data });
  }

  /** The answer's body, or null when the session is over. A request whose answer was lost is made again. */
  async #ask(number: number, request: HttpRequest, msMax: number): Promise<ArrayBuffer | null> {
    for (let failures = 0; ; failures += 1) {
      const answer = await this.#request(`${this.#address}?n=${number}`, request, msMax);
      if (answer !== null && !("refusal" in answer)) return answer.body;
      if (this.#isClosed) return null;
      if (answer !== null || failures === REPEAT_COUNT_MAX) {
        this.#end(answer?.refusal ?? null);
        return null;
      }
      await this.#pause(REPEAT_MS_BASE * 2 ** failures);
    }
  }

  /** Null: it is not known whether the server got it, or some proxy answered in its place. */
  async #request(
    url: string,
    request: HttpRequest,
    msMax: number,
  ): Promise<{ readonly body: ArrayBuffer } | { readonly refusal: Refusal | null } | null> {
    const abort = new AbortController();
    const timer = this.#environment.setTimeout(() => abort.abort(), msMax);
    this.#aborts.add(abort);
    try {
      const response = await this.#environment.fetch(url, { ...request, signal: abort.signal });
      if (!isGood(response)) {
        const refusal = await refusalOf(response);
        return response.status >= 500 ? null : { refusal };
      }
      return { body: await response.arrayBuffer() };
    } catch {
      return null;
    } finally {
      this.#environment.clearTimeout(timer);
      this.#aborts.delete(abort);
    }
  }

  /** The server, or the network, has ended it. Without a refusal: begin another one. */
  #end(refusal: Refusal | null): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#waiting.length = 0;
    if (this.#isPosting) this.#abort();
    else this.#leave();
    this.onclose?.(refusal ?? { code: CLOSE_LOST, reason: "" });
  }

  #leave(): void {
    this.#abort();
    if (this.#saidCount === 0) return;
    const request = { method: "DELETE", keepalive: true } as const;
    this.#environment.fetch(this.#address, request).catch(() => {
      // It ends by itself after some silence.
    });
  }

  /** Ends what is under way. */
  #abort(): void {
    this.#endPauses();
    for (const abort of this.#aborts) abort.abort();
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#after(ms, resolve));
  }

  #after(ms: number, run: () => void): void {
    const timer = this.#environment.setTimeout(() => {
      this.#pauses.delete(timer);
      run();
    }, ms);
    this.#pauses.set(timer, run);
  }

  /** What waited for its time goes on, and sees that the socket is closed. */
  #endPauses(): void {
    const pauses = [...this.#pauses];
    this.#pauses.clear();
    for (const [timer, resume] of pauses) {
      this.#environment.clearTimeout(timer);
      resume();
    }
  }
}

function isGood({ status }: HttpResponse): boolean {
  return status === 200 || status === 204;
}

function countOf(frame: Uint8Array | undefined): number {
  return frame === undefined ? 0 : wire.messageEnds(frame).length;
}

function framesOf(body: ArrayBuffer): ArrayBuffer[] {
  let ends: number[];
  try {
    ends = wire.messageEnds(new Uint8Array(body));
  } catch {
    // Whoever decodes it says what is wrong with it.
    return [body];
  }
  const count = Math.ceil(ends.length / wire.FRAME_MESSAGES_MAX);
  return Array.from({ length: count }, (_, index) => {
    const first = index * wire.FRAME_MESSAGES_MAX;
    return body.slice(ends[first - 1] ?? 0, ends[first + wire.FRAME_MESSAGES_MAX - 1]);
  });
}
