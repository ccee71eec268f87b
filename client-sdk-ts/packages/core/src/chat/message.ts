// A message: as the server stores it, and as the application sees it.

import { ChatError } from "./error.js";

/** One emoji under a message, and who put it there. */
export interface Reaction {
  readonly emoji: string;
  /** Who reacted so, in the order of the server. */
  readonly users: readonly string[];
  readonly isMine: boolean;
}

/** The same object until something in it changes. What people wrote is text: never render it as markup. */
export interface ChatMessage {
  /** Stays the same while it is being sent, and differs from all others: for lists. */
  readonly id: string;
  /** `sending`: it is not known to be on the server's disk. `failed`: see `error`, `retry` and `discard`. */
  readonly state: "sending" | "failed" | "sent";
  /** Why it failed. */
  readonly error: ChatError | null;
  /** Its number in the room, from 1; null until the server has given it one. */
  readonly seq: number | null;
  /** Who wrote it, from the token; null for anonymous. */
  readonly user: string | null;
  readonly name: string | null;
  /** The same user as here. Where nobody has a token: written by this client. */
  readonly isMine: boolean;
  /** The `seq` of the message that it answers; null if it answers none. */
  readonly thread: number | null;
  readonly text: string;
  readonly mentions: readonly string[];
  /** By the clock of the server, in milliseconds since 1970; of this client, until it is sent. */
  readonly createdMs: number;
  readonly editedMs: number | null;
  /** A deleted message keeps its place and has no text. */
  readonly deleted: boolean;
  readonly reactions: readonly Reaction[];
}

/** What the server stores. */
export interface Stored {
  readonly seq: number;
  /** The number of the last change to it. */
  readonly change: number;
  readonly key: string;
  readonly user: string | null;
  readonly name: string | null;
  readonly thread: number | null;
  readonly text: string;
  readonly mentions: readonly string[];
  readonly createdMs: number;
  readonly editedMs: number | null;
  readonly deleted: boolean;
  readonly reactions: readonly (readonly [emoji: string, users: readonly string[]])[];
}

/** Throws on what is no message. */
export function parseStored(value: unknown): Stored {
  const raw = fieldsOf(value);
  const { seq, change } = raw;
  if (!isNumber(seq) || !isNumber(change)) {
    throw new ChatError("server_broken", "The server sent a message without its numbers");
  }
  return {
    seq,
    change,
    key: textOf(raw.key) ?? "",
    user: textOf(raw.user),
    name: textOf(raw.name),
    thread: numberOf(raw.thread),
    text: textOf(raw.text) ?? "",
    mentions: textsOf(raw.mentions),
    createdMs: numberOf(raw.createdMs) ?? 0,
    editedMs: numberOf(raw.editedMs),
    deleted: raw.deleted === true,
    reactions: Object.entries(raw.reactions ?? {}).map(([emoji, users]) => [emoji, textsOf(users)]),
  };
}

/** The fields of an object; none of anything else. */
export function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

export function numberOf(value: unknown): number | null {
  return isNumber(value) ? value : null;
}

function isNumber(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function textsOf(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}
