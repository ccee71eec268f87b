// Events of the application: said to whoever is in the room now, and kept nowhere.

import { RoomtoneError } from "./error.js";

/** What JSON can say. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [name: string]: Json };

/** What somebody else in the room sent with `send`. */
export interface RoomEvent {
  /** Who said it, from the token; null for anonymous. */
  readonly user: string | null;
  readonly name: string;
  /** What another client sent: look before you trust it. */
  readonly payload: unknown;
}

/** What name and payload may have together, in UTF-8. */
export const EVENT_BYTES_MAX = 16 * 1024;

/** Throws what the server would refuse. */
export function encodePayload(name: string, payload: Json): string {
  const text = stringify(payload);
  const bytes = new TextEncoder().encode(name + text).length;
  if (bytes > EVENT_BYTES_MAX) {
    throw new RoomtoneError(
      "event_too_large",
      `An event has at most ${EVENT_BYTES_MAX} bytes and this one ${bytes}: put what is large into the document`,
    );
  }
  return text;
}

function stringify(payload: Json): string {
  try {
    // Undefined for what JSON does not know, whatever the type here says.
    const text: string | undefined = JSON.stringify(payload);
    if (text !== undefined) return text;
  } catch (error) {
    throw new RoomtoneError("event_invalid", "The payload of an event must be JSON", error);
  }
  throw new RoomtoneError("event_invalid", "The payload of an event must be JSON");
}
