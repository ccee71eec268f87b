// What an awareness update says of each client in it.

import * as decoding from "lib0/decoding";

export interface AwarenessEntry {
  readonly client: number;
  readonly clock: number;
  /** Null: the client has gone. */
  readonly state: unknown;
}

/** Throws on what is no awareness update. */
export function awarenessEntries(update: Uint8Array): AwarenessEntry[] {
  const decoder = decoding.createDecoder(update);
  const count = decoding.readVarUint(decoder);
  const entries: AwarenessEntry[] = [];
  // The count is the sender's word: it is the bytes that end it.
  for (let index = 0; index < count; index += 1) {
    const client = decoding.readVarUint(decoder);
    const clock = decoding.readVarUint(decoder);
    const text = decoding.readVarString(decoder);
    entries.push({ client, clock, state: parsed(text) });
  }
  return entries;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
