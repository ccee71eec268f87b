// What is kept of a frame, and of what happened to its connection.

import type { Transport } from "@roomtone/core";

/** `up`: from this client to the server. */
export type Direction = "up" | "down";

export interface Frame {
  /** From 1, without a hole in what went by. */
  readonly number: number;
  /** From 1: one socket, or one session over HTTP. */
  readonly connection: number;
  readonly transport: Transport;
  readonly direction: Direction;
  /** Milliseconds since 1970. */
  readonly atMs: number;
  /** Milliseconds of a clock that only goes on: differences are right, also when somebody sets the other one. */
  readonly tickMs: number;
  readonly bytes: number;
  /**
   * Its beginning, a copy in which tokens are overwritten. Null for text, which is not of this dialect, and for what this
   * client sent and could not be searched for tokens.
   */
  readonly body: Uint8Array | null;
  /** Said before: the answer to the first time was lost. Over HTTP only. */
  readonly isRepeat: boolean;
}

/** What happened beside the frames. `connection` is null for a question that belongs to none. */
export type WireEvent = {
  readonly number: number;
  readonly atMs: number;
  readonly connection: number | null;
} & WireEventContent;

export type WireEventContent =
  /** The address without what could be secret in it. */
  | { readonly type: "connecting"; readonly transport: Transport; readonly address: string }
  | { readonly type: "opened"; readonly transport: Transport }
  | { readonly type: "closed"; readonly code: number | null; readonly reason: string }
  /** This side closes it. */
  | { readonly type: "closing"; readonly code: number | null }
  | { readonly type: "failed"; readonly what: string }
  /** A plain request to the address of the socket: is the server there? Null: no answer. */
  | { readonly type: "asked"; readonly status: number | null }
  /** A request of a session that did not succeed. */
  | { readonly type: "answered"; readonly method: string; readonly status: number };
