// The list of messages: it follows the end, keeps its place elsewhere, and draws anew only what has changed.

import type { ChatMessage } from "@roomtone/core/chat";
import { h } from "../element.js";
import { dayText, isSameDay } from "./clock.js";
import { type MessageDeeds, type MessageLook, messageView } from "./message-view.js";

/** Whoever is so close to the end sees what comes. */
const END_PX = 48;
/** Within this time messages of one author stand together. */
const TOGETHER_MS = 5 * 60_000;

export interface MessageListOptions {
  readonly deeds: MessageDeeds;
  readonly lookOf: (message: ChatMessage) => Omit<MessageLook, "message" | "continues">;
  /** The end of the list came into sight, or left it. */
  readonly onSight: () => void;
}

export interface Shown {
  readonly messages: readonly ChatMessage[];
  /** Before this one stands a line that the rest is new. */
  readonly newFrom: number | null;
  readonly hasOlder: boolean;
}

export function messageList({ deeds, lookOf, onSight }: MessageListOptions) {
  const list = h("ol", { class: "messages" });
  const older = h(
    "button",
    { type: "button", class: "button quiet older", "data-testid": "older" },
    "Earlier messages",
  );
  const empty = h(
    "p",
    { class: "chat-empty" },
    "Nobody has said anything yet. What you write stays with the room.",
  );
  const element = h(
    "div",
    {
      class: "chat-log",
      role: "log",
      tabindex: "0",
      "aria-label": "Messages",
      "data-testid": "chat-log",
    },
    older,
    empty,
    list,
  );
  const rows = new Map<string, { readonly key: string; readonly element: HTMLLIElement }>();
  let isAtEnd = true;
  /** The first message that was shown: what comes in before it must not push it away. */
  let anchor: string | null = null;
  element.addEventListener("scroll", () => {
    const before = isAtEnd;
    isAtEnd = element.scrollHeight - element.scrollTop - element.clientHeight <= END_PX;
    if (before !== isAtEnd) onSight();
  });

  function row(message: ChatMessage, continues: boolean): HTMLLIElement {
    const look = { ...lookOf(message), message, continues };
    const key = keyOf(look);
    const known = rows.get(message.id);
    if (known?.key === key) return known.element;
    const next = messageView(look, deeds);
    rows.set(message.id, { key, element: next });
    if (known?.element.contains(document.activeElement)) refocus(known.element, next);
    return next;
  }

  function anchorTop(): number {
    const row = anchor === null ? undefined : rows.get(anchor);
    return row?.element.getBoundingClientRect().top ?? 0;
  }

  return {
    element,
    older,
    get isAtEnd() {
      return isAtEnd;
    },
    show({ messages, newFrom, hasOlder }: Shown) {
      const topPx = anchorTop();
      const children: HTMLLIElement[] = [];
      let last: ChatMessage | undefined;
      for (const message of messages) {
        const isFirstOfDay = last === undefined || !isSameDay(last.createdMs, message.createdMs);
        const isNew = newFrom !== null && message.seq === newFrom;
        if (isFirstOfDay) children.push(line(dayText(message.createdMs, Date.now()), "day"));
        if (isNew) children.push(line("New", "new"));
        const continues = !isFirstOfDay && !isNew && goesOn(last, message);
        children.push(row(message, continues));
        last = message;
      }
      place(list, children);
      const ids = new Set(messages.map(({ id }) => id));
      for (const id of rows.keys()) if (!ids.has(id)) rows.delete(id);
      older.hidden = !hasOlder;
      empty.hidden = messages.length > 0;
      if (isAtEnd) element.scrollTop = element.scrollHeight;
      else element.scrollTop += anchorTop() - topPx;
      anchor = messages[0]?.id ?? null;
    },
    toEnd() {
      isAtEnd = true;
      element.scrollTop = element.scrollHeight;
    },
  };
}

function goesOn(last: ChatMessage | undefined, next: ChatMessage): boolean {
  return (
    last !== undefined &&
    last.user === next.user &&
    last.name === next.name &&
    (last.user !== null || last.isMine === next.isMine) &&
    next.createdMs - last.createdMs < TOGETHER_MS
  );
}

function line(text: string, kind: "day" | "new"): HTMLLIElement {
  return h("li", { class: "chat-line", "data-kind": kind }, h("span", {}, text));
}

/** Changes only what differs: a row that stays keeps its focus, and is not read out again. */
function place(list: HTMLElement, children: readonly HTMLLIElement[]): void {
  const wanted = new Set<Node>(children);
  for (const child of [...list.children]) if (!wanted.has(child)) child.remove();
  let at = list.firstChild;
  for (const child of children) {
    if (child === at) at = at.nextSibling;
    else list.insertBefore(child, at);
  }
}

/** What was pressed is still what the next press does. */
function refocus(before: HTMLElement, after: HTMLElement): void {
  const deed = (document.activeElement as HTMLElement).dataset.deed;
  if (deed === undefined) return;
  queueMicrotask(() => {
    const same = [...after.querySelectorAll<HTMLElement>("[data-deed]")].find(
      (each) => each.dataset.deed === deed,
    );
    if (!before.isConnected) same?.focus();
  });
}

function keyOf({ nameOf, ...look }: MessageLook): string {
  const { message } = look;
  const names = message.reactions.map(({ users }) => users.map(nameOf));
  return JSON.stringify([look, message.error?.hint, names]);
}
