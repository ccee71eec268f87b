// What a connection goes over: a WebSocket, or plain HTTP where a proxy lets none pass.

/** What a connection goes over. */
export type Transport = "websocket" | "http";
/** `auto`: a WebSocket, and plain HTTP where a proxy lets none pass. */
export type TransportOption = Transport | "auto";

/** So many WebSockets in a row have to fail at an address that answers over HTTP before that is taken instead. */
export const SWALLOWED_COUNT_MAX = 2;
/** A connection over HTTP looks this often whether a WebSocket opens by now. */
export const WEBSOCKET_AGAIN_MS = 300_000;

/** Decides what the next attempt goes over. It remembers what worked last for as long as it lives. */
export class TransportChoice {
  readonly #option: TransportOption;
  #preferred: Transport = "websocket";
  /** Attempts in a row through which nothing came. */
  #failures = 0;
  /** WebSockets in a row through which nothing came, although the server was there. */
  #swallowed = 0;

  constructor(option: TransportOption = "auto") {
    this.#option = option;
  }

  get isFree(): boolean {
    return this.#option === "auto";
  }

  get next(): Transport {
    if (this.#option !== "auto") return this.#option;
    // Where HTTP fails as well, the two take turns: whichever way opens first is taken.
    return this.#preferred === "http" && this.#failures % 2 === 0 ? "http" : "websocket";
  }

  /** Whether the last WebSocket looked as if something had swallowed it. */
  get isSuspicious(): boolean {
    return this.#swallowed > 0;
  }

  /** Something came through. */
  succeed(transport: Transport): void {
    this.#preferred = transport;
    this.#failures = 0;
    this.#swallowed = 0;
  }

  /** Nothing came through, or the other way is to be tried. */
  fail(): void {
    this.#failures += 1;
  }

  /** Whether the server was there when a WebSocket did not get through to it. */
  judge(isThere: boolean): void {
    this.#swallowed = isThere ? this.#swallowed + 1 : 0;
    if (this.#swallowed >= SWALLOWED_COUNT_MAX && this.#preferred !== "http") this.block();
  }

  /** No WebSocket comes through, as far as one can tell. */
  block(): void {
    this.#preferred = "http";
    this.#failures = 0;
  }
}
