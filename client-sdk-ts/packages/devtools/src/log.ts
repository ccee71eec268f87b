// One line of the connection log, and how events become one.

import { durationText, visible } from "./format.js";
import type { WireEvent } from "./inspector/frame.js";
import type { Message } from "./messages/message.js";
import type { Mood } from "./ui/facts.js";

export interface LogEntry {
  readonly key: string;
  readonly atMs: number;
  /** Who says it: the room, or a connection. */
  readonly source: string;
  readonly text: string;
  readonly mood: Mood;
}

/** What each close code means to somebody who looks on. */
const CODES: Readonly<Record<number, string>> = {
  1000: "done",
  1001: "going away",
  1002: "broken frames",
  1003: "text on a binary protocol",
  1006: "lost, nobody said why",
  1008: "too many control frames, or updates without their past",
  1009: "too large",
  1011: "something of the server’s failed",
  1012: "the server restarts, or sends its clients elsewhere",
  1013: "come back later",
  4400: "the dialect was broken",
  4401: "token missing, wrong or expired",
  4403: "the token does not allow this",
  4408: "nothing was authenticated in time",
  4409: "the document was deleted or replaced",
};

export function codeText(code: number, reason = ""): string {
  const meaning = CODES[code] ?? (code >= 4400 && code <= 4499 ? "not again" : "");
  return [String(code), meaning, visible(reason)].filter((text) => text !== "").join(" · ");
}

export function wireEntry(event: WireEvent): LogEntry {
  const { number, atMs, connection } = event;
  const source = connection === null ? "network" : `connection ${connection}`;
  return { key: `wire ${number}`, atMs, source, ...wireText(event) };
}

function wireText(event: WireEvent): Pick<LogEntry, "text" | "mood"> {
  switch (event.type) {
    case "connecting":
      return { text: `connecting to ${visible(event.address)}`, mood: "" };
    case "opened":
      return { text: event.transport === "http" ? "open, over HTTP" : "open", mood: "good" };
    case "closed":
      return { text: `closed: ${codeText(event.code ?? 1006, event.reason)}`, mood: "warn" };
    case "closing":
      return { text: event.code === null ? "left" : `closing: ${codeText(event.code)}`, mood: "" };
    case "failed":
      return { text: `failed: ${visible(event.what)}`, mood: "bad" };
    case "asked":
      return event.status === 426
        ? { text: "asked over HTTP: the server is there (426)", mood: "" }
        : {
            text: `asked over HTTP: ${event.status === null ? "no answer" : `HTTP ${event.status}`}`,
            mood: "warn",
          };
    case "answered":
      return { text: `${event.method} was answered with HTTP ${event.status}`, mood: "warn" };
  }
}

/** Null for what is no event of the connection. */
export function messageEntry(message: Message, roomName: string | null): LogEntry | null {
  const { frame, index, content, problem, channel } = message;
  const said = content === null ? brokenText(message) : messageText(content);
  if (said === null) return null;
  const connection = `connection ${frame.connection}`;
  const source =
    channel === null || channel === 0
      ? connection
      : `${connection}, ${roomName === null ? `channel ${channel}` : visible(roomName)}`;
  const key = `message ${frame.number}.${index}`;
  return { key, atMs: frame.atMs, source, ...said, mood: problem === null ? said.mood : "bad" };
}

function brokenText({
  problem,
  type,
  isCut,
  frame,
}: Message): Pick<LogEntry, "text" | "mood"> | null {
  if (isCut || problem === "not kept" || type.startsWith("unknown")) return null;
  const what = frame.direction === "down" ? "from the server" : "to the server";
  return { text: `a broken frame ${what}: ${problem ?? ""}`, mood: "bad" };
}

function messageText(
  content: NonNullable<Message["content"]>,
): Pick<LogEntry, "text" | "mood"> | null {
  switch (content.type) {
    case "goAway": {
      const text = `the server will close; come back after ${durationText(content.delayMs)}`;
      return { text: `${text}. ${visible(content.reason)}`, mood: "warn" };
    }
    case "closed":
      return { text: `closed: ${codeText(content.code, content.reason)}`, mood: "warn" };
    case "left":
      return { text: `sent out: ${codeText(content.code, content.reason)}`, mood: "bad" };
    case "refused":
      return { text: `a change was refused: ${visible(content.reason)}`, mood: "bad" };
    case "renew":
      return { text: `the token ends in ${durationText(content.leftMs)}`, mood: "" };
    case "token":
      return { text: "a new token was sent", mood: "" };
    case "joined":
      return {
        text: `joined as ${visible(content.role)}, ${visible(content.user) || "anonymous"}`,
        mood: "good",
      };
    case "role":
      return { text: `the role is ${visible(content.role)} now`, mood: "" };
    default:
      return null;
  }
}
