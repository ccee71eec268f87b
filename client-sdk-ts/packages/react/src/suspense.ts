// Waiting for the document with React's Suspense.

import type { Refusal } from "@roomtone/core";
import { arrivalOf } from "./arrival.js";
import { useRoom } from "./context.js";

/** The server will not have this client, so there is nothing to wait for. For an error boundary. */
export class RoomRefusedError extends Error {
  override readonly name = "RoomRefusedError";
  /** The code of the close. */
  readonly code: number;
  readonly reason: string;

  constructor({ code, reason }: Refusal) {
    super(`The server refused the room (${code}): ${reason || "no reason given"}`);
    this.code = code;
    this.reason = reason;
  }
}

/**
 * Suspends until the document holds for the first time what the server holds; later losses of the connection suspend
 * nothing. The `<Suspense>` has to stand below the provider (its `fallback` is one), unless the provider was given its
 * room. Throws a `RoomRefusedError` when the server refuses. On a server it leaves the fallback to the page.
 */
export function useSuspenseSynced(): void {
  const room = useRoom();
  const arrival = arrivalOf(room);
  if (arrival.isDone) return;
  if (typeof window === "undefined") {
    // What React takes as "render this in the browser": a promise would hold up the stream for ever.
    throw new Error("The document is in the browser only: the fallback is rendered here");
  }
  if (room.refusal !== null) throw new RoomRefusedError(room.refusal);
  throw arrival.next();
}
