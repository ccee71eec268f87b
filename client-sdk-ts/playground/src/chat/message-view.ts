// One message: who, when, what, what others think of it, and what one can do with it.

import type { ChatMessage } from "@roomtone/core/chat";
import { initialsOf } from "@roomtone/core/presence";
import { type Child, h, spoken } from "../element.js";
import { icons } from "../icons.js";
import type { Author } from "./authors.js";
import { clockText, dateOf } from "./clock.js";

/** Reactions that are one press away. */
export const EMOJI = ["👍", "❤️", "🎉", "😄", "👀", "✅"] as const;

export interface MessageLook {
  readonly message: ChatMessage;
  readonly author: Author;
  /** Goes on from the message above: the same author, soon after. */
  readonly continues: boolean;
  /** How many answered; null where answers are not shown. */
  readonly replyCount: number | null;
  readonly mentionsMe: boolean;
  readonly nameOf: (user: string) => string;
}

export interface MessageDeeds {
  readonly react: (message: ChatMessage, emoji: string, on: boolean) => void;
  readonly reply: (message: ChatMessage) => void;
  readonly edit: (message: ChatMessage) => void;
  readonly remove: (message: ChatMessage) => void;
  readonly retry: (message: ChatMessage) => void;
  readonly discard: (message: ChatMessage) => void;
}

/** How long a press on "Delete" waits for the second one. */
const SURE_MS = 4_000;

export function messageView(look: MessageLook, deeds: MessageDeeds): HTMLLIElement {
  const { message, author, continues } = look;
  const face = h("span", { class: "face", "aria-hidden": "true" }, initialsOf(author.name));
  face.style.background = author.color;
  const element = h(
    "li",
    {
      class: "message",
      // A finger's way to what one can do with it.
      tabindex: "-1",
      "data-testid": "message",
      "data-state": message.state,
      "data-continues": continues,
      "data-mentioned": look.mentionsMe,
    },
    continues ? null : face,
    h(
      "div",
      { class: "message-body" },
      head(look),
      words(message),
      reactions(look, deeds),
      replies(look, deeds),
      failure(message, deeds),
    ),
    tools(look, deeds),
  );
  return element;
}

function head({ message, author, continues }: MessageLook): HTMLElement {
  const { createdMs, editedMs, deleted, state } = message;
  const name = continues ? spoken(author.name) : h("b", {}, author.name);
  const sentAt = dateOf(createdMs);
  const time = h(
    "time",
    { datetime: sentAt.toISOString(), title: sentAt.toLocaleString() },
    clockText(createdMs),
  );
  const marks = [
    ...(editedMs !== null && !deleted ? ["edited"] : []),
    ...(state === "sending" ? ["sending…"] : []),
  ];
  return h("div", { class: "message-head" }, name, time, ...marks.map((mark) => h("i", {}, mark)));
}

function words({ text, deleted }: ChatMessage): HTMLElement {
  return deleted
    ? h("p", { class: "message-text deleted" }, "This message was deleted")
    : h("p", { class: "message-text" }, text);
}

function reactions({ message, nameOf }: MessageLook, deeds: MessageDeeds): HTMLElement | null {
  const shown = message.reactions.filter(({ users }) => users.length > 0);
  if (shown.length === 0) return null;
  return h(
    "div",
    { class: "reactions" },
    ...shown.map(({ emoji, users, isMine }) =>
      h(
        "button",
        {
          type: "button",
          class: "reaction",
          "aria-pressed": String(isMine),
          "data-deed": `react ${emoji}`,
          title: users.map(nameOf).join(", "),
          click: () => deeds.react(message, emoji, !isMine),
        },
        h("span", {}, emoji),
        spoken("reactions:"),
        String(users.length),
      ),
    ),
  );
}

function replies({ message, replyCount }: MessageLook, deeds: MessageDeeds): HTMLElement | null {
  if (replyCount === null || replyCount === 0) return null;
  return h(
    "button",
    {
      type: "button",
      class: "message-replies",
      "data-deed": "replies",
      "data-testid": "replies",
      click: () => deeds.reply(message),
    },
    icons.reply(),
    replyCount === 1 ? "1 reply" : `${replyCount} replies`,
  );
}

function failure(message: ChatMessage, deeds: MessageDeeds): HTMLElement | null {
  if (message.error === null) return null;
  const press = (label: string, deed: (message: ChatMessage) => void) =>
    h("button", { type: "button", class: "link", click: () => deed(message) }, label);
  return h(
    "div",
    { class: "message-failure", role: "alert" },
    `Not sent: ${message.error.hint} `,
    press("Try again", deeds.retry),
    " ",
    press("Discard", deeds.discard),
  );
}

/** What one can do. Beside the message when it is pointed at or has the focus. */
function tools({ message, replyCount }: MessageLook, deeds: MessageDeeds): HTMLElement | null {
  if (message.seq === null) return null;
  const isThere = !message.deleted;
  const isMine = isThere && message.isMine && message.user !== null;
  const all: Child[] = [
    ...(isThere ? EMOJI.slice(0, 3).map((emoji) => quick(message, emoji, deeds)) : []),
    isThere ? more(message, deeds) : null,
    replyCount === null ? null : tool("Reply", icons.reply(), () => deeds.reply(message)),
    isMine ? tool("Edit", icons.pencil(), () => deeds.edit(message)) : null,
    isMine ? removal(message, deeds) : null,
  ];
  if (all.every((each) => each === null)) return null;
  return h("div", { class: "message-tools", role: "group", "aria-label": "Message" }, ...all);
}

function tool(label: string, icon: SVGSVGElement, click: () => void): HTMLButtonElement {
  return h(
    "button",
    {
      type: "button",
      class: "message-tool",
      "aria-label": label,
      title: label,
      "data-deed": label,
      click,
    },
    icon,
  );
}

function quick(message: ChatMessage, emoji: string, deeds: MessageDeeds): HTMLButtonElement {
  const isOn = message.reactions.some((each) => each.emoji === emoji && each.isMine);
  return h(
    "button",
    {
      type: "button",
      class: "message-tool emoji",
      "aria-label": `React with ${emoji}`,
      "aria-pressed": String(isOn),
      "data-deed": `quick ${emoji}`,
      click: () => deeds.react(message, emoji, !isOn),
    },
    emoji,
  );
}

/** The other reactions, in the place of the tools. */
function more(message: ChatMessage, deeds: MessageDeeds): HTMLButtonElement {
  const button = tool("More reactions", icons.smile(), () => {
    const others = EMOJI.slice(3).map((emoji) => quick(message, emoji, deeds));
    button.replaceWith(...others);
    others[0]?.focus();
  });
  return button;
}

/** Deleting cannot be taken back, so it is asked for twice. */
function removal(message: ChatMessage, deeds: MessageDeeds): HTMLButtonElement {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const button = tool("Delete", icons.bin(), () => {
    if (button.dataset.sure !== undefined) {
      clearTimeout(timer);
      deeds.remove(message);
      return;
    }
    button.dataset.sure = "";
    button.setAttribute("aria-label", "Press again to delete");
    button.replaceChildren("Sure?");
    timer = setTimeout(() => {
      delete button.dataset.sure;
      button.setAttribute("aria-label", "Delete");
      button.replaceChildren(icons.bin());
    }, SURE_MS);
  });
  return button;
}
