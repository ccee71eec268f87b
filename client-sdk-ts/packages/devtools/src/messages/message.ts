// A frame taken apart into messages, when somebody looks.

import {
  type Addressed,
  type ClientMessage,
  type Part,
  partsOf,
  readPart,
  type ServerMessage,
  TYPE,
} from "@roomtone/core/wire";
import type { Frame } from "../inspector/frame.js";

export type Content = Addressed<ClientMessage> | Addressed<ServerMessage>;
export type TypeName = Content["type"];

export interface Message {
  readonly frame: Frame;
  /** Its place in the frame, from 0. */
  readonly index: number;
  /** Where it begins in the frame. */
  readonly start: number;
  /** Null where the frame could not be read so far. */
  readonly channel: number | null;
  /** `edit`, `unknown 99`, or `broken`. */
  readonly type: string;
  readonly bytes: number;
  /** Null where nothing can be made of it; `problem` says why. */
  readonly content: Content | null;
  readonly problem: string | null;
  /** Not all of it was kept. */
  readonly isCut: boolean;
}

/** The type of what cannot be read, or was not kept. */
export const BROKEN = "broken";

const NAMES: ReadonlyMap<number, TypeName> = new Map(
  Object.entries(TYPE).map(([name, number]) => [number, name as TypeName]),
);

const known = new WeakMap<Frame, readonly Message[]>();

/** Decoded once. Tokens in it are asterisks. */
export function messagesOf(frame: Frame): readonly Message[] {
  let messages = known.get(frame);
  if (messages === undefined) {
    messages = [...read(frame)];
    known.set(frame, messages);
  }
  return messages;
}

function* read(frame: Frame): Generator<Message> {
  const { body, bytes, direction } = frame;
  if (body === null) {
    const problem =
      direction === "down"
        ? "a frame of text: this dialect has none"
        : "cannot be read, and is not kept since there might be a token in it";
    yield broken(frame, 0, 0, problem);
    return;
  }
  let index = 0;
  let start = 0;
  try {
    for (const part of partsOf(body, body.length === bytes)) {
      yield messageOf(frame, index, start, part);
      index += 1;
      start += part.bytes;
    }
    if (index === 0 && body.length === bytes) throw new Error("a frame without a message");
  } catch (error) {
    yield broken(frame, index, start, reasonOf(error));
    return;
  }
  if (start < bytes) yield broken(frame, index, start, "not kept");
}

function messageOf(frame: Frame, index: number, start: number, part: Part): Message {
  const { channel, type, bytes, isCut } = part;
  const name = NAMES.get(type) ?? `unknown ${type}`;
  const rest = { frame, index, start, channel, type: name, bytes, isCut };
  try {
    const content = readPart(part, frame.direction === "up" ? "client" : "server");
    const problem = content === null ? "of a type that this package does not know" : null;
    return { ...rest, content, problem };
  } catch (error) {
    return { ...rest, content: null, problem: isCut ? "not all of it is kept" : reasonOf(error) };
  }
}

function broken(frame: Frame, index: number, start: number, problem: string): Message {
  const rest = { channel: null, type: BROKEN, content: null, isCut: false };
  return { frame, index, start, bytes: frame.bytes - start, problem, ...rest };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : "it cannot be read";
}
