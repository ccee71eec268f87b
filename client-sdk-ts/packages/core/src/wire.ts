// The dialect roomtone.v1: how messages become frames and frames become messages. Nothing but what reads beside it knows
// the bytes.

import * as decoding from "lib0/decoding";
import * as encoding from "lib0/encoding";

/** The subprotocol that the WebSocket asks for. */
export const SUBPROTOCOL = "roomtone.v1";
/** The version that a Hello says and a Welcome repeats. */
export const VERSION = 1;
/** The capability of taking a DeflatedDiff. */
export const CAN_DEFLATED_DIFF = 1;
/** A frame with more messages is refused. */
export const FRAME_MESSAGES_MAX = 1_000;
/** The channel of the connection itself. A room has a number from 1. */
export const CONNECTION = 0;

const CHANNEL_MAX = 2 ** 31 - 1;

export const TYPE = {
  hello: 0,
  welcome: 1,
  token: 2,
  renew: 3,
  ping: 4,
  pong: 5,
  goAway: 6,
  closed: 7,
  join: 16,
  joined: 17,
  leave: 18,
  left: 19,
  role: 20,
  stateVector: 32,
  diff: 33,
  update: 34,
  edit: 35,
  saved: 36,
  refused: 37,
  deflatedDiff: 38,
  awareness: 48,
  event: 49,
  chatCall: 64,
  chatAnswer: 65,
  chatChange: 66,
} as const;

/** From this type on a message is about a room; below it, about the connection. */
const TYPE_OF_ROOM_MIN = 16;

export type Beat = { readonly type: "ping" | "pong"; readonly payload: Uint8Array };
export type StateVector = { readonly type: "stateVector"; readonly stateVector: Uint8Array };
export type AwarenessUpdate = { readonly type: "awareness"; readonly update: Uint8Array };

export type Join = {
  readonly type: "join";
  readonly name: string;
  /** 0 where none is known. */
  readonly epoch: number;
  /** Empty for that of the connection. */
  readonly token: string;
  readonly stateVector: Uint8Array;
};

/** What a client says. `diff` and `edit` are numbered from 1 on each channel. */
export type ClientMessage =
  | {
      readonly type: "hello";
      readonly version: number;
      readonly capabilities: number;
      readonly client: string;
      readonly token: string;
    }
  | { readonly type: "token"; readonly token: string }
  | Beat
  | Join
  | { readonly type: "leave" }
  | StateVector
  | { readonly type: "diff" | "edit"; readonly seq: number; readonly update: Uint8Array }
  | AwarenessUpdate
  | { readonly type: "event"; readonly name: string; readonly payload: string }
  /** The request is JSON, as are the answer to it and what changed. Only the chat reads them. */
  | { readonly type: "chatCall"; readonly call: number; readonly request: string };

export type Welcome = {
  readonly type: "welcome";
  readonly version: number;
  readonly capabilities: number;
  readonly session: string;
  readonly timeMs: number;
  readonly frameBytesMax: number;
  readonly roomsMax: number;
  readonly silenceMs: number;
};

/** What a server says about the connection. */
export type ConnectionMessage =
  | Welcome
  | { readonly type: "renew"; readonly leftMs: number }
  | Beat
  | { readonly type: "goAway"; readonly delayMs: number; readonly reason: string }
  /** Over HTTP, in place of a close frame. */
  | { readonly type: "closed"; readonly code: number; readonly reason: string };

export type Joined = {
  readonly type: "joined";
  readonly epoch: number;
  readonly role: string;
  readonly user: string;
};

export type Left = {
  readonly type: "left";
  readonly code: number;
  readonly reason: string;
  readonly epoch: number;
};

export type ChatNews =
  | { readonly type: "chatAnswer"; readonly call: number; readonly answer: string }
  | { readonly type: "chatChange"; readonly change: string };

/** What a server says about a room. */
export type RoomMessage =
  | Joined
  | Left
  | { readonly type: "role"; readonly role: string }
  | StateVector
  | { readonly type: "diff" | "update"; readonly update: Uint8Array }
  | { readonly type: "saved"; readonly seq: number }
  | { readonly type: "refused"; readonly reason: string }
  | { readonly type: "deflatedDiff"; readonly deflated: Uint8Array }
  | AwarenessUpdate
  | {
      readonly type: "event";
      readonly user: string;
      readonly name: string;
      readonly payload: string;
    }
  | ChatNews;

export type ServerMessage = ConnectionMessage | RoomMessage;

/** A message with the channel that it came on. */
export type Addressed<Message> = Message & { readonly channel: number };

/** `decodeFrame` lets nothing through that is on the wrong channel. */
export function isOfRoom(message: Addressed<ServerMessage>): message is Addressed<RoomMessage> {
  return message.channel !== CONNECTION;
}

/** One message. Several, one behind the other, make a frame. */
export function encodeMessage(channel: number, message: ClientMessage): Uint8Array<ArrayBuffer> {
  return envelope(channel, TYPE[message.type], (body) => writeBody(body, message));
}

/**
 * Reads a frame from the server. What is of an unknown type is skipped. Throws on what breaks the dialect, after the
 * messages before it.
 */
export function decodeFrame(bytes: Uint8Array): Generator<Addressed<ServerMessage>> {
  return readFrame(bytes, readBody);
}

/** As many of the first parts as fit into one frame: at least one, and no more than these messages and bytes. */
export function fittingCount(
  parts: readonly { readonly length: number }[],
  bytesMax: number,
  messagesOf: (index: number) => number = () => 1,
): number {
  let bytes = 0;
  let messages = 0;
  let count = 0;
  for (const { length } of parts) {
    bytes += length;
    messages += messagesOf(count);
    if (count > 0 && (bytes > bytesMax || messages > FRAME_MESSAGES_MAX)) break;
    count += 1;
  }
  return count;
}

/** The parts as one frame. */
export function frameOf(parts: readonly Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  const [first] = parts;
  if (first !== undefined && parts.length === 1) return first;
  const frame = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    frame.set(part, at);
    at += part.length;
  }
  return frame;
}

/** Where each message of a frame ends. Throws on a frame that is broken. */
export function messageEnds(frame: Uint8Array): number[] {
  const decoder = decoding.createDecoder(frame);
  const ends: number[] = [];
  while (decoding.hasContent(decoder)) {
    decoding.readVarUint(decoder);
    decoding.readVarUint(decoder);
    decoding.readVarUint8Array(decoder);
    ends.push(decoder.pos);
  }
  return ends;
}

export function envelope(
  channel: number,
  type: number,
  write: (body: encoding.Encoder) => void,
): Uint8Array<ArrayBuffer> {
  const body = encoding.createEncoder();
  write(body);
  const encoder = encoding.createEncoder();
  encoding.writeVarUint(encoder, channel);
  encoding.writeVarUint(encoder, type);
  encoding.writeVarUint8Array(encoder, encoding.toUint8Array(body));
  return encoding.toUint8Array(encoder);
}

/** Both directions read frames alike; `read` knows the bodies of one of them, and answers null to an unknown type. */
export function* readFrame<Message extends object>(
  bytes: Uint8Array,
  read: (type: number, body: decoding.Decoder) => Message | null,
): Generator<Addressed<Message>> {
  if (bytes.length === 0) throw new Error("a frame without a message");
  const decoder = decoding.createDecoder(bytes);
  for (let count = 1; decoding.hasContent(decoder); count += 1) {
    if (count > FRAME_MESSAGES_MAX) throw new Error("more messages than a frame may hold");
    const channel = decoding.readVarUint(decoder);
    if (channel > CHANNEL_MAX) throw new Error("a channel beyond the last");
    const type = decoding.readVarUint(decoder);
    const message = read(type, decoding.createDecoder(decoding.readVarUint8Array(decoder)));
    if (message === null) continue;
    if (type >= TYPE_OF_ROOM_MIN !== channel > CONNECTION) {
      throw new Error(`a message of type ${type} on channel ${channel}`);
    }
    yield { channel, ...message };
  }
}

/** All that is left of a body. */
export function readRest(decoder: decoding.Decoder): Uint8Array {
  return decoding.readTailAsUint8Array(decoder);
}

function writeBody(body: encoding.Encoder, message: ClientMessage): void {
  switch (message.type) {
    case "hello":
      encoding.writeVarUint(body, message.version);
      encoding.writeVarUint(body, message.capabilities);
      encoding.writeVarString(body, message.client);
      encoding.writeVarString(body, message.token);
      break;
    case "token":
      encoding.writeVarString(body, message.token);
      break;
    case "ping":
    case "pong":
      encoding.writeUint8Array(body, message.payload);
      break;
    case "join":
      encoding.writeVarString(body, message.name);
      encoding.writeVarUint(body, message.epoch);
      encoding.writeVarString(body, message.token);
      encoding.writeVarUint8Array(body, message.stateVector);
      break;
    case "leave":
      break;
    case "stateVector":
      encoding.writeUint8Array(body, message.stateVector);
      break;
    case "diff":
    case "edit":
      encoding.writeVarUint(body, message.seq);
      encoding.writeUint8Array(body, message.update);
      break;
    case "awareness":
      encoding.writeUint8Array(body, message.update);
      break;
    case "event":
      encoding.writeVarString(body, message.name);
      encoding.writeVarString(body, message.payload);
      break;
    case "chatCall":
      encoding.writeVarUint(body, message.call);
      encoding.writeVarString(body, message.request);
      break;
  }
}

function readBody(type: number, body: decoding.Decoder): ServerMessage | null {
  switch (type) {
    case TYPE.welcome:
      return {
        type: "welcome",
        version: decoding.readVarUint(body),
        capabilities: decoding.readVarUint(body),
        session: decoding.readVarString(body),
        timeMs: decoding.readVarUint(body),
        frameBytesMax: decoding.readVarUint(body),
        roomsMax: decoding.readVarUint(body),
        silenceMs: decoding.readVarUint(body),
      };
    case TYPE.renew:
      return { type: "renew", leftMs: decoding.readVarUint(body) };
    case TYPE.ping:
      return { type: "ping", payload: readRest(body) };
    case TYPE.pong:
      return { type: "pong", payload: readRest(body) };
    case TYPE.goAway:
      return {
        type: "goAway",
        delayMs: decoding.readVarUint(body),
        reason: decoding.readVarString(body),
      };
    case TYPE.closed:
      return {
        type: "closed",
        code: decoding.readVarUint(body),
        reason: decoding.readVarString(body),
      };
    case TYPE.joined:
      return {
        type: "joined",
        epoch: decoding.readVarUint(body),
        role: decoding.readVarString(body),
        user: decoding.readVarString(body),
      };
    case TYPE.left:
      return {
        type: "left",
        code: decoding.readVarUint(body),
        reason: decoding.readVarString(body),
        epoch: decoding.readVarUint(body),
      };
    case TYPE.role:
      return { type: "role", role: decoding.readVarString(body) };
    case TYPE.stateVector:
      return { type: "stateVector", stateVector: readRest(body) };
    case TYPE.diff:
      return { type: "diff", update: readRest(body) };
    case TYPE.update:
      return { type: "update", update: readRest(body) };
    case TYPE.saved:
      return { type: "saved", seq: decoding.readVarUint(body) };
    case TYPE.refused:
      return { type: "refused", reason: decoding.readVarString(body) };
    case TYPE.deflatedDiff:
      return { type: "deflatedDiff", deflated: readRest(body) };
    case TYPE.awareness:
      return { type: "awareness", update: readRest(body) };
    case TYPE.event:
      return {
        type: "event",
        user: decoding.readVarString(body),
        name: decoding.readVarString(body),
        payload: decoding.readVarString(body),
      };
    case TYPE.chatAnswer:
      return {
        type: "chatAnswer",
        call: decoding.readVarUint(body),
        answer: decoding.readVarString(body),
      };
    case TYPE.chatChange:
      return { type: "chatChange", change: decoding.readVarString(body) };
    default:
      return null;
  }
}
