// No token is kept: it is overwritten in the copy of a frame before anybody can look at it.

import { type Part, partsOf, TYPE } from "@roomtone/core/wire";
import * as decoding from "lib0/decoding";

/** What each byte of a token becomes: an asterisk, so that the message is read as before and its length is known. */
const COVER = 0x2a;

/** What tells later which room a channel is, and what the server had: kept longer than the rest. */
const LANDMARKS: ReadonlySet<number> = new Set([
  TYPE.hello,
  TYPE.welcome,
  TYPE.join,
  TYPE.joined,
  TYPE.stateVector,
]);

/** Goes through the copy of a frame once. Throws on what is broken. */
export function searchFrame(
  body: Uint8Array,
  { isWhole, isOurs }: { readonly isWhole: boolean; readonly isOurs: boolean },
): { readonly isLandmark: boolean } {
  let isLandmark = false;
  for (const part of partsOf(body, isWhole)) {
    if (isOurs) coverToken(part);
    isLandmark ||= LANDMARKS.has(part.type);
  }
  return { isLandmark };
}

function coverToken(part: Part): void {
  const decoder = decoding.createDecoder(part.body);
  try {
    switch (part.type) {
      case TYPE.hello:
        decoding.readVarUint(decoder);
        decoding.readVarUint(decoder);
        decoding.readVarUint8Array(decoder);
        break;
      case TYPE.token:
        break;
      case TYPE.join:
        decoding.readVarUint8Array(decoder);
        decoding.readVarUint(decoder);
        break;
      default:
        return;
    }
    const length = decoding.readVarUint(decoder);
    part.body.fill(COVER, decoder.pos, decoder.pos + length);
  } catch (error) {
    // Where the copy ends before the token, there is nothing of it.
    if (!part.isCut) throw error;
  }
}
