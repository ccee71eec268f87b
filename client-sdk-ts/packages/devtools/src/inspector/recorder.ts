// What those who listen on a connection tell the inspector.

import type { Transport } from "@roomtone/core";
import type { Direction, WireEventContent } from "./frame.js";

export interface Passed {
  readonly connection: number;
  readonly transport: Transport;
  readonly direction: Direction;
  /** Null for text. */
  readonly body: Uint8Array | null;
  readonly bytes: number;
  readonly isRepeat?: boolean;
}

/** None of these ever throws: nobody's connection breaks because it is looked at. */
export interface Recorder {
  /** The number of a new connection. */
  nextConnection(): number;
  frame(passed: Passed): void;
  event(connection: number | null, content: WireEventContent): void;
}

/** Without its message, which may hold an address with a secret in it. */
export function errorKind(error: unknown): string {
  return error instanceof Error || error instanceof DOMException ? error.name : "an error";
}
