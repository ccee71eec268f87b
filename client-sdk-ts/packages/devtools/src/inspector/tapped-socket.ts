// A WebSocket that is listened to: all goes through as it is and at once.

import type { Socket, SocketClass } from "@roomtone/core";
import { CONNECTION, encodeMessage } from "@roomtone/core/wire";
import { errorKind, type Recorder } from "./recorder.js";

/** A class for `environment.WebSocket` whose sockets are sockets of `Real`. */
export function tappedSocketClass(
  Real: SocketClass,
  recorder: Recorder,
  sockets: Set<TappedSocket>,
): SocketClass {
  return class extends TappedSocket {
    constructor(url: string, protocols: string) {
      const connection = recorder.nextConnection();
      const address = publicAddress(url);
      recorder.event(connection, { type: "connecting", transport: "websocket", address });
      let real: Socket;
      try {
        real = new Real(url, protocols);
      } catch (error) {
        recorder.event(connection, { type: "failed", what: errorKind(error) });
        throw error;
      }
      super(real, connection, recorder, sockets);
    }
  };
}

export class TappedSocket implements Socket {
  onopen: ((event: unknown) => void) | null = null;
  onmessage: ((event: { readonly data: unknown }) => void) | null = null;
  onclose: ((event: { readonly code: number; readonly reason: string }) => void) | null = null;
  onerror: ((event: unknown) => void) | null = null;
  readonly #real: Socket;
  readonly #connection: number;
  readonly #recorder: Recorder;
  readonly #sockets: Set<TappedSocket>;

  constructor(
    real: Socket,
    connection: number,
    recorder: Recorder,
    /** Those that the server has spoken on, and that are not closed. */
    sockets: Set<TappedSocket>,
  ) {
    this.#real = real;
    this.#connection = connection;
    this.#recorder = recorder;
    this.#sockets = sockets;
    real.onopen = (event: unknown) => {
      recorder.event(connection, { type: "opened", transport: "websocket" });
      this.onopen?.(event);
    };
    real.onmessage = (event: { readonly data: unknown }) => {
      sockets.add(this);
      this.#record("down", event.data);
      this.onmessage?.(event);
    };
    real.onclose = (event: { readonly code: number; readonly reason: string }) => {
      sockets.delete(this);
      recorder.event(connection, { type: "closed", code: event.code, reason: event.reason });
      this.onclose?.(event);
    };
    real.onerror = (event: unknown) => this.onerror?.(event);
  }

  get binaryType(): string {
    return this.#real.binaryType;
  }

  set binaryType(type: string) {
    this.#real.binaryType = type;
  }

  send(bytes: Uint8Array<ArrayBuffer>): void {
    this.#record("up", bytes);
    try {
      this.#real.send(bytes);
    } catch (error) {
      this.#recorder.event(this.#connection, { type: "failed", what: errorKind(error) });
      throw error;
    }
  }

  close(code?: number, reason?: string): void {
    if (this.#sockets.delete(this)) {
      this.#recorder.event(this.#connection, { type: "closing", code: code ?? null });
    }
    this.#real.close(code, reason);
  }

  /** The one thing that an inspector says itself. The client ignores the answer. */
  ping(): void {
    this.send(encodeMessage(CONNECTION, { type: "ping", payload: new Uint8Array() }));
  }

  #record(direction: "up" | "down", data: unknown): void {
    const passed = { connection: this.#connection, transport: "websocket", direction } as const;
    if (data instanceof Uint8Array) {
      this.#recorder.frame({ ...passed, body: data, bytes: data.length });
    } else if (data instanceof ArrayBuffer) {
      this.#recorder.frame({ ...passed, body: new Uint8Array(data), bytes: data.byteLength });
    } else {
      const bytes = new TextEncoder().encode(String(data)).length;
      this.#recorder.frame({ ...passed, body: null, bytes });
    }
  }
}

/** Without name, password and query, in which somebody may have put a secret. */
export function publicAddress(url: string): string {
  try {
    const { protocol, host, pathname } = new URL(url);
    return `${protocol}//${host}${pathname}`;
  } catch {
    return "an address that is none";
  }
}
