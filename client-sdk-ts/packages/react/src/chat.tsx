// A chat that is ready to be styled: what was said, what is on its way, and a field to write in.

import { ChatError, type ChatMessage } from "@roomtone/core/chat";
import { cleanName } from "@roomtone/core/presence";
import { type ReactNode, type RefObject, useCallback, useEffect, useRef, useState } from "react";
import { ChatForm } from "./chat-form.js";
import { useScope } from "./context.js";
import { NAMELESS } from "./person.js";
import { type ChatState, useChat, useReplies, useTyping } from "./use-chat.js";

/** What is said beside the messages. */
export interface ChatLabels {
  readonly chat: string;
  readonly messages: string;
  readonly older: string;
  readonly field: string;
  readonly send: string;
  readonly deleted: string;
  readonly edited: string;
  readonly sending: string;
  /** With the hint of the server behind it. */
  readonly failed: string;
  readonly retry: string;
  readonly discard: string;
  /** On the button under a message that opens its thread. */
  readonly replies: (count: number) => string;
  /** Who is typing: one name at least. */
  readonly typing: (names: readonly string[]) => string;
}

const LABELS: ChatLabels = {
  chat: "Chat",
  messages: "Messages",
  older: "Older messages",
  field: "Message",
  send: "Send",
  deleted: "This message was deleted",
  edited: "edited",
  sending: "sending…",
  failed: "Not sent:",
  retry: "Try again",
  discard: "Discard",
  replies: (count) => (count === 0 ? "Reply" : `Replies: ${count}`),
  typing: (names) =>
    names.length > 2
      ? "Several people are typing…"
      : `${names.join(" and ")} ${names.length === 1 ? "is" : "are"} typing…`,
};

/** What `Chat` shows, and how. */
export interface ChatProps {
  readonly className?: string;
  readonly messageClassName?: string;
  readonly labels?: Partial<ChatLabels>;
  /** Shows the replies to this message alone, and posts there. */
  readonly thread?: number;
  /** Somebody wants to see the replies to a message. With it, replies are left out of the list. */
  readonly onThread?: (seq: number) => void;
  /** What is shown of a message instead of its text. */
  readonly renderText?: (message: ChatMessage) => ReactNode;
  /** Default: the hours and minutes of the language of the page. */
  readonly formatTime?: (ms: number) => string;
}

/** The last moment that a `Date` can say. */
const DATE_MS_MAX = 8.64e15;
/** Whoever is so close to the end of the list sees what comes. */
const END_PX = 40;

/** What people wrote is shown as text, whatever it looks like. */
export function Chat(props: ChatProps): ReactNode {
  const { className, thread, onThread } = props;
  const labels = { ...LABELS, ...props.labels };
  const state = useChat();
  const { chat, status, hasOlder } = state;
  // No message has the number 0.
  const replies = useReplies(thread ?? 0);
  const messages = thread === undefined ? shownOf(state, onThread !== undefined) : replies;
  const [isLoading, load] = useLoading();
  const log = useRef<HTMLDivElement>(null);
  const isMain = thread === undefined;
  useEnd(log, state, isMain);
  useEffect(() => {
    if (thread !== undefined && status === "live") load(() => chat.loadReplies(thread));
  }, [chat, thread, status, load]);
  return (
    <section className={className} aria-label={labels.chat} data-status={status}>
      {isMain && hasOlder && (
        <button type="button" disabled={isLoading} onClick={() => load(() => chat.loadOlder())}>
          {labels.older}
        </button>
      )}
      {/* Pages of old messages are not read out. */}
      <div
        ref={log}
        role="log"
        aria-label={labels.messages}
        aria-live={status === "live" && !isLoading ? "polite" : "off"}
        aria-busy={isLoading}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reached with the keyboard
        tabIndex={0}
        style={{ overflowY: "auto" }}
      >
        <ol>
          {messages.map((message) => (
            <Message key={message.id} {...props} message={message} labels={labels} chat={chat} />
          ))}
        </ol>
      </div>
      <Typists labels={labels} thread={thread ?? null} />
      <ChatForm labels={labels} thread={thread ?? null} />
    </section>
  );
}

interface MessageProps extends Omit<ChatProps, "labels"> {
  readonly message: ChatMessage;
  readonly labels: ChatLabels;
  readonly chat: ChatState["chat"];
}

function Message(props: MessageProps): ReactNode {
  const { message, labels, chat, messageClassName, onThread, formatTime = timeOf } = props;
  const { id, seq, state, error, name, user, isMine, deleted, createdMs, editedMs } = message;
  const { onError } = useScope();
  const sentAt = new Date(Math.min(createdMs, DATE_MS_MAX));
  return (
    <li
      className={messageClassName}
      data-state={state}
      data-mine={isMine || undefined}
      data-deleted={deleted || undefined}
    >
      <b>{cleanName(name ?? user) || NAMELESS}</b>{" "}
      <time dateTime={sentAt.toISOString()}>{formatTime(sentAt.getTime())}</time>
      {editedMs !== null && !deleted && <small> {labels.edited}</small>}
      {state === "sending" && <small> {labels.sending}</small>}
      <div style={{ whiteSpace: "pre-wrap", overflowWrap: "anywhere" }}>
        {deleted ? <i>{labels.deleted}</i> : (props.renderText?.(message) ?? message.text)}
      </div>
      {message.reactions.map(({ emoji, users, isMine: isOn }) =>
        users.length === 0 || seq === null ? null : (
          <button
            key={emoji}
            type="button"
            aria-pressed={isOn}
            onClick={() => void chat.react(seq, emoji, !isOn).catch(onError)}
          >
            {emoji} {users.length}
          </button>
        ),
      )}
      {onThread !== undefined && seq !== null && (
        <button type="button" onClick={() => onThread(seq)}>
          {labels.replies(chat.replies(seq).length)}
        </button>
      )}
      {error !== null && (
        <div role="alert">
          {labels.failed} {error.hint}{" "}
          <button type="button" onClick={() => chat.retry(id)}>
            {labels.retry}
          </button>{" "}
          <button type="button" onClick={() => chat.discard(id)}>
            {labels.discard}
          </button>
        </div>
      )}
    </li>
  );
}

function Typists({
  labels,
  thread,
}: {
  readonly labels: ChatLabels;
  readonly thread: number | null;
}): ReactNode {
  const [typists] = useTyping();
  const here = typists.filter((typist) => typist.thread === thread);
  if (here.length === 0) return null;
  return <p>{labels.typing(here.map(({ name }) => name || NAMELESS))}</p>;
}

function shownOf({ messages }: ChatState, isThreaded: boolean): readonly ChatMessage[] {
  return isThreaded ? messages.filter((message) => message.thread === null) : messages;
}

function timeOf(ms: number): string {
  return new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

/** Whether something is being fetched, and the way to fetch something. What fails is told. */
function useLoading(): readonly [boolean, (fetch: () => Promise<unknown>) => void] {
  const { onError } = useScope();
  const [count, setCount] = useState(0);
  const load = useCallback(
    (fetch: () => Promise<unknown>) => {
      setCount((last) => last + 1);
      fetch()
        .catch((error: unknown) => {
          // The room has ended, and with it what was to be shown.
          if (!(error instanceof ChatError && error.code === "ended")) onError(error);
        })
        .finally(() => setCount((last) => last - 1));
    },
    [onError],
  );
  return [count > 0, load];
}

/** Stays at the end of the list as it grows, and counts what is seen there as read. */
function useEnd(log: RefObject<HTMLDivElement | null>, state: ChatState, isMain: boolean): void {
  const { chat, messages, status } = state;
  const isAtEnd = useRef(true);
  useEffect(() => {
    const element = log.current;
    if (element === null) return;
    const look = () => {
      const leftPx = element.scrollHeight - element.scrollTop - element.clientHeight;
      isAtEnd.current = leftPx <= END_PX;
      const isSeen = isAtEnd.current && document.visibilityState === "visible";
      if (isSeen && isMain && status === "live") chat.markRead();
    };
    if (isAtEnd.current && messages.length > 0) element.scrollTop = element.scrollHeight;
    look();
    element.addEventListener("scroll", look);
    document.addEventListener("visibilitychange", look);
    return () => {
      element.removeEventListener("scroll", look);
      document.removeEventListener("visibilitychange", look);
    };
  }, [log, chat, messages, status, isMain]);
}
