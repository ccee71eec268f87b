// What the package takes from the outside world, so that a test or another runtime can replace it.

import { ambientInflate, type Inflate } from "./inflate.js";

/** The part of a WebSocket that is used: a browser's, node's or that of the package `ws`. */
export interface Socket {
  binaryType: string;
  /** It has opened. */
  // The event types of the implementations do not assign to each other; only these members are read.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  onopen: ((event: any) => void) | null;
  /** A frame: `data` is an `ArrayBuffer`. */
  // biome-ignore lint/suspicious/noExplicitAny: see above
  onmessage: ((event: any) => void) | null;
  /** It is closed, or never opened: `code` and `reason` say why. */
  // biome-ignore lint/suspicious/noExplicitAny: see above
  onclose: ((event: any) => void) | null;
  /** Something went wrong. What it was, the close tells that follows. */
  // biome-ignore lint/suspicious/noExplicitAny: see above
  onerror: ((event: any) => void) | null;
  /** As that of a WebSocket: called while it is open. */
  send(bytes: Uint8Array<ArrayBuffer>): void;
  /** As that of a WebSocket. */
  close(code?: number, reason?: string): void;
}

/** What sockets are made with: the global `WebSocket`, or another one that is used in the same way. */
export type SocketClass = new (url: string, protocols: string) => Socket;

/** `visible`: the page is looked at again. Phones and laptops freeze what is not. */
export type NetworkEvent = "online" | "offline" | "visible";

/** Says when it may be worth to look after the connection. */
export interface Network {
  /** Calls the listener at each event, and returns the way to stop that. */
  subscribe(listener: (event: NetworkEvent) => void): () => void;
}

/** The part of a request that is used. */
export interface HttpRequest {
  readonly method?: "GET" | "POST" | "DELETE";
  readonly body?: Uint8Array<ArrayBuffer>;
  /** Goes on when the page is closed. */
  readonly keepalive?: boolean;
  readonly signal?: AbortSignal;
}

/** The part of a response that is used. */
export interface HttpResponse {
  readonly status: number;
  /** The body, as UTF-8. */
  text(): Promise<string>;
  /** The body, as bytes. */
  arrayBuffer(): Promise<ArrayBuffer>;
}

/**
 * What the package takes from the runtime. A test replaces timers and chance; node below 22 needs a `WebSocket`, such as that
 * of the package `ws`.
 */
export interface Environment {
  readonly WebSocket: SocketClass;
  readonly network: Network;
  /** Asks why a socket did not open, and takes its place where none does. */
  fetch(url: string, request?: HttpRequest): Promise<HttpResponse>;
  /** Unpacks what the server deflated. Null: the server sends it plain. */
  readonly inflate: Inflate | null;
  /** As the global one. What it returns is given to `clearTimeout`. */
  setTimeout(run: () => void, ms: number): unknown;
  /** As the global one. */
  clearTimeout(timer: unknown): void;
  /** Milliseconds since 1970. */
  now(): number;
  /** At least 0 and less than 1. */
  random(): number;
  /** Bytes that nobody can guess. */
  randomBytes(count: number): Uint8Array;
}

/** The environment that this runtime offers, with some of it replaced. */
export function environment(replaced: Partial<Environment> = {}): Environment {
  return {
    WebSocket: replaced.WebSocket ?? ambientWebSocket(),
    network: replaced.network ?? pageNetwork,
    fetch:
      replaced.fetch ??
      ((url, request) => globalThis.fetch(url, { cache: "no-store", ...request })),
    inflate: replaced.inflate === undefined ? ambientInflate() : replaced.inflate,
    setTimeout: replaced.setTimeout ?? ((run, ms) => globalThis.setTimeout(run, ms)),
    clearTimeout: replaced.clearTimeout ?? ((timer) => globalThis.clearTimeout(timer as number)),
    now: replaced.now ?? (() => Date.now()),
    random: replaced.random ?? (() => Math.random()),
    randomBytes:
      replaced.randomBytes ?? ((count) => globalThis.crypto.getRandomValues(new Uint8Array(count))),
  };
}

function ambientWebSocket(): SocketClass {
  if (typeof WebSocket === "undefined") {
    throw new Error("This runtime has no WebSocket: pass one as environment.WebSocket");
  }
  return WebSocket;
}

/** The events of the page, or none at all where there is no page. */
const pageNetwork: Network = {
  subscribe(listener) {
    if (typeof window === "undefined" || typeof document === "undefined") return () => {};
    const online = () => listener("online");
    const offline = () => listener("offline");
    const visibility = () => {
      if (document.visibilityState === "visible") listener("visible");
    };
    window.addEventListener("online", online);
    window.addEventListener("offline", offline);
    document.addEventListener("visibilitychange", visibility);
    return () => {
      window.removeEventListener("online", online);
      window.removeEventListener("offline", offline);
      document.removeEventListener("visibilitychange", visibility);
    };
  },
};
