// The chat beside the places: what was said in the room, its threads, who is typing, and what is unread.

import type { Room } from "@roomtone/core";
import { type ChatMessage, chat as chatOf } from "@roomtone/core/chat";
import type { Announcer } from "../announcer.js";
import { disclosure } from "../disclosure.js";
import { h } from "../element.js";
import { icons } from "../icons.js";
import type { Roster } from "../roster.js";
import { authorOf, mentionsIn, nameOf } from "./authors.js";
import { composer } from "./composer.js";
import { messageList } from "./message-list.js";
import { typingText } from "./typing-text.js";

/** Over it the number stands for "many". */
const UNREAD_COUNT_MAX = 99;
/** How long it is said what was refused. */
const REFUSAL_SHOW_MS = 8_000;

export function chatPanel(room: Room, roster: Roster, announcer: Announcer) {
  const chat = chatOf(room);
  /** The thread that is shown, by the number of the message that began it; null: the room's. */
  let thread: number | null = null;
  /** What stands unsent in the other places, by thread. */
  const drafts = new Map<number | null, string>();
  /** The first message that was unread when the panel was opened. */
  let newFrom: number | null = null;
  let isOpen = false;
  /** What the server said last when it would not do something. */
  let refusal = "";
  let refusalTimer: ReturnType<typeof setTimeout> | undefined;

  const badge = h("span", { class: "badge", "aria-hidden": "true", hidden: true });
  const button = h(
    "button",
    { type: "button", class: "button quiet square chat-button", "data-testid": "chat-button" },
    icons.chat(),
    badge,
  );
  const back = h(
    "button",
    {
      type: "button",
      class: "button quiet square",
      "aria-label": "Back to all messages",
      "data-testid": "chat-back",
      click: () => enter(null),
    },
    icons.back(),
  );
  const title = h("h2", { id: "chat-title" });
  const typing = h("p", { class: "chat-typing", "data-testid": "chat-typing" });
  const state = h("p", { class: "chat-state", hidden: true });
  const list = messageList({
    deeds: {
      react: (message, emoji, on) => attempt(chat.react(numberOf(message), emoji, on)),
      reply: (message) => enter(numberOf(message)),
      edit: (message) => field.begin(message),
      remove: (message) => attempt(chat.remove(numberOf(message))),
      retry: ({ id }) => chat.retry(id),
      discard: ({ id }) => chat.discard(id),
    },
    lookOf: (message) => ({
      author: authorOf(message, roster),
      replyCount: thread === null && message.seq !== null ? chat.replies(message.seq).length : null,
      mentionsMe: room.user !== null && message.mentions.includes(room.user),
      nameOf: (user) => nameOf(user, roster),
    }),
    onSight: () => see(),
  });
  const field = composer({
    post: (text) => {
      chat.post(text, { thread, mentions: mentionsIn(text, roster) });
      newFrom = null;
      list.toEnd();
      show();
    },
    edit: async ({ seq }, text) => {
      if (seq !== null) await chat.edit(seq, text, mentionsIn(text, roster));
    },
    onTyping: (isTyping) => (isTyping ? chat.typing(thread) : chat.stopTyping()),
    lastOwn: () => shownMessages().findLast(isEditable) ?? null,
  });
  const panel = h(
    "section",
    { class: "chat", id: "chat", "aria-labelledby": "chat-title", "data-testid": "chat" },
    h(
      "div",
      { class: "chat-top" },
      back,
      title,
      h(
        "button",
        {
          type: "button",
          class: "button quiet square chat-close",
          "aria-label": "Close the chat",
          click: () => opening.dismiss(),
        },
        icons.close(),
      ),
    ),
    list.element,
    state,
    typing,
    field.element,
  );
  const opening = disclosure(button, panel, {
    stays: true,
    onToggle: (open) => {
      isOpen = open;
      newFrom = open ? firstUnread() : null;
      show();
      if (!open) return;
      list.toEnd();
      field.focus();
      see();
    },
  });

  function shownMessages(): readonly ChatMessage[] {
    const top = chat.messages.filter((message) => message.thread === null);
    if (thread === null) return top;
    return [...top.filter(({ seq }) => seq === thread), ...chat.replies(thread)];
  }

  function enter(next: number | null): void {
    drafts.set(thread, field.text);
    thread = next;
    newFrom = null;
    chat.stopTyping();
    field.reset(next === null ? "Write to the room" : "Reply");
    field.text = drafts.get(next) ?? "";
    if (next !== null) attempt(chat.loadReplies(next));
    show();
    list.toEnd();
    field.focus();
  }

  function firstUnread(): number | null {
    const unread = chat.messages.find(
      ({ seq, isMine, deleted }) => seq !== null && seq > chat.readSeq && !isMine && !deleted,
    );
    return unread?.seq ?? null;
  }

  /** What is at the end of the list and before somebody's eyes was read. */
  function see(): void {
    const isSeen = isOpen && thread === null && list.isAtEnd && !document.hidden;
    if (isSeen && chat.status === "live") chat.markRead();
  }

  function show(): void {
    const { unreadCount } = chat;
    badge.hidden = unreadCount === 0;
    badge.textContent = unreadCount > UNREAD_COUNT_MAX ? `${UNREAD_COUNT_MAX}+` : `${unreadCount}`;
    const label = unreadCount === 0 ? "Chat" : `Chat, ${unreadCount} unread`;
    button.setAttribute("aria-label", label);
    button.title = label;
    // Nothing is drawn for nobody.
    if (!isOpen) return;
    panel.dataset.thread = String(thread !== null);
    title.textContent = thread === null ? "Chat" : "Thread";
    back.hidden = thread === null;
    // A first page is not read out.
    list.element.setAttribute("aria-live", chat.status === "live" ? "polite" : "off");
    list.show({
      messages: shownMessages(),
      newFrom,
      hasOlder: thread === null && chat.hasOlder,
    });
    typing.textContent = typingText(chat.typists.filter((typist) => typist.thread === thread));
    state.textContent = refusal || chat.error?.hint || awayText();
    state.hidden = state.textContent === "";
    field.isReadOnly = room.role === "viewer";
    see();
  }

  function awayText(): string {
    return chat.status === "live" ? "" : "Not connected. What you write is sent when you are back.";
  }

  /** What is refused is said, to eyes and ears. */
  function attempt(deed: Promise<unknown>): void {
    deed.catch((error: Error) => {
      announcer.tell(error.message);
      refuse(error.message);
      clearTimeout(refusalTimer);
      refusalTimer = setTimeout(() => refuse(""), REFUSAL_SHOW_MS);
    });
  }

  function refuse(text: string): void {
    refusal = text;
    show();
  }

  list.older.addEventListener("click", () => attempt(chat.loadOlder()));
  const unsubscribe = chat.subscribe(show);
  roster.onChange(show);
  document.addEventListener("visibilitychange", see);
  field.reset("Write to the room");
  show();

  return {
    button,
    panel,
    close() {
      unsubscribe();
      clearTimeout(refusalTimer);
      document.removeEventListener("visibilitychange", see);
      opening.close();
      chat.destroy();
    },
  };
}

function isEditable({ isMine, user, state, deleted }: ChatMessage): boolean {
  return isMine && user !== null && state === "sent" && !deleted;
}

/** Only messages that have a number can be answered or changed. */
function numberOf({ seq }: ChatMessage): number {
  return seq ?? 0;
}
