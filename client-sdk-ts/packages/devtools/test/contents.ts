// What is in an inspector, for those who test it.

import type { Inspector } from "../src/index.js";
import { fieldsOf } from "../src/messages/fields.js";
import { messagesOf } from "../src/messages/message.js";
import { summaryOf } from "../src/messages/summary.js";

/** Everything that can be got out of an inspector, as text. */
export function contents(inspector: Inspector): string {
  const frames = inspector.frames.map((frame) => ({
    ...frame,
    body: frame.body === null ? null : new TextDecoder("latin1").decode(frame.body),
    messages: messagesOf(frame).map((message) => [summaryOf(message), opened(fieldsOf(message))]),
  }));
  return JSON.stringify([frames, inspector.events]);
}

export function opened(nodes: ReturnType<typeof fieldsOf>): unknown {
  return nodes.map(({ children, ...node }) => [node, opened([...(children?.(1_000).nodes ?? [])])]);
}

export function types(inspector: Inspector): string[] {
  return inspector.frames.flatMap((frame) =>
    messagesOf(frame).map(({ type }) => `${frame.direction === "up" ? "↑" : "↓"} ${type}`),
  );
}
