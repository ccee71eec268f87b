// The y-websocket dialect: how messages become frames and frames become messages. Nothing else knows the bytes.

import * as decoding from "lib0/decoding";
import * as encoding from "lib0/encoding";

export type Message =
  | { readonly type: "step1"; readonly stateVector: Uint8Array }
  | { readonly type: "step2"; readonly update: Uint8Array }
  | { readonly type: "update"; readonly update: Uint8Array }
  | { readonly type: "awareness"; readonly update: Uint8Array }
  | { readonly type: "denied"; readonly reason: string }
  | { readonly type: "query" };

const SYNC = 0;
const AWARENESS = 1;
const AUTH = 2;
const QUERY_AWARENESS = 3;

const STEP1 = 0;
const STEP2 = 1;
const UPDATE = 2;

const PERMISSION_DENIED = 0;

export function encodeStep1(stateVector: Uint8Array): Uint8Array<ArrayBuffer> {
  return frame(SYNC, STEP1, stateVector);
}

export function encodeStep2(update: Uint8Array): Uint8Array<ArrayBuffer> {
  return frame(SYNC, STEP2, update);
}

export function encodeUpdate(update: Uint8Array): Uint8Array<ArrayBuffer> {
  return frame(SYNC, UPDATE, update);
}

export function encodeAwareness(update: Uint8Array): Uint8Array<ArrayBuffer> {
  return frame(AWARENESS, null, update);
}

/** The path of a room below the server's address. */
export function roomPath(name: string): string {
  return `/yjs/${encodeURIComponent(name)}`;
}

/**
 * Reads a frame. Servers of this dialect put one message in a frame; several are read all the same. A message
 * of a kind that is not known ends the frame, since its length is not known either. Throws on broken bytes.
 */
export function* decodeFrame(bytes: Uint8Array): Generator<Message> {
  const decoder = decoding.createDecoder(bytes);
  while (decoding.hasContent(decoder)) {
    const message = readMessage(decoder);
    if (message === null) return;
    yield message;
  }
}

function readMessage(decoder: decoding.Decoder): Message | null {
  switch (decoding.readVarUint(decoder)) {
    case SYNC:
      return readSync(decoder);
    case AWARENESS:
      return { type: "awareness", update: decoding.readVarUint8Array(decoder) };
    case AUTH:
      return decoding.readVarUint(decoder) === PERMISSION_DENIED
        ? { type: "denied", reason: decoding.readVarString(decoder) }
        : null;
    case QUERY_AWARENESS:
      return { type: "query" };
    default:
      return null;
  }
}

function readSync(decoder: decoding.Decoder): Message | null {
  switch (decoding.readVarUint(decoder)) {
    case STEP1:
      return { type: "step1", stateVector: decoding.readVarUint8Array(decoder) };
    case STEP2:
      return { type: "step2", update: decoding.readVarUint8Array(decoder) };
    case UPDATE:
      return { type: "update", update: decoding.readVarUint8Array(decoder) };
    default:
      return null;
  }
}

function frame(type: number, subtype: number | null, body: Uint8Array): Uint8Array<ArrayBuffer> {
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, type);
  if (subtype !== null) encoding.writeVarUint(encoder, subtype);
  encoding.writeVarUint8Array(encoder, body);
  return encoding.toUint8Array(encoder);
}
