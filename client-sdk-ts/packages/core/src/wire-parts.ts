// A frame in its parts, for those who look on: also one that is not there whole, or says what this package does not know.

import * as decoding from "lib0/decoding";
import * as encoding from "lib0/encoding";
import {
  type Addressed,
  type ClientMessage,
  decodeFrame,
  envelope,
  type ServerMessage,
} from "./wire.js";
import { decodeClientFrame } from "./wire-client.js";

/** One message as it was written. */
export interface Part {
  readonly channel: number;
  /** The number of the type, which may be an unknown one. */
  readonly type: number;
  /** Its length, with what is in front of the body. */
  readonly bytes: number;
  /** A view of the frame. Shorter than it was where the frame is not there whole. */
  readonly body: Uint8Array;
  readonly isCut: boolean;
}

/**
 * The messages of a frame, or of the beginning of one: then the last part may be cut, and what is behind it is missing.
 * Throws where a whole frame ends too early.
 */
export function* partsOf(bytes: Uint8Array, isWhole = true): Generator<Part> {
  const decoder = decoding.createDecoder(bytes);
  while (decoding.hasContent(decoder)) {
    const start = decoder.pos;
    let channel: number;
    let type: number;
    let length: number;
    try {
      channel = decoding.readVarUint(decoder);
      type = decoding.readVarUint(decoder);
      length = decoding.readVarUint(decoder);
    } catch (error) {
      if (isWhole) throw error;
      return;
    }
    const left = bytes.length - decoder.pos;
    const isCut = length > left;
    if (isCut && isWhole) throw new Error("a message that is longer than its frame");
    const body = decoding.readUint8Array(decoder, Math.min(length, left));
    yield { channel, type, bytes: decoder.pos - start + length - body.length, body, isCut };
  }
}

/** What a part says. Null for an unknown type. Throws on what breaks the dialect, and where too much is cut off. */
export function readPart(
  { channel, type, body }: Part,
  from: "client" | "server",
): Addressed<ClientMessage> | Addressed<ServerMessage> | null {
  const frame = envelope(channel, type, (encoder) => encoding.writeUint8Array(encoder, body));
  const [message = null] = from === "server" ? decodeFrame(frame) : decodeClientFrame(frame);
  return message;
}
