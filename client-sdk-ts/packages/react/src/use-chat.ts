// The chat of the room in components: one for all of them, for as long as the room.

import type { Room } from "@roomtone/core";
import { Chat, type ChatError, type ChatMessage, type Typist } from "@roomtone/core/chat";
import { useCallback, useMemo, useSyncExternalStore } from "react";
import { useScope } from "./context.js";
import type { Scope } from "./scope.js";
import { type Store, useSelected } from "./store.js";

/** The same object until something in it changes. */
export interface ChatState {
  /** For what is done: `post`, `retry`, `discard`, `edit`, `remove`, `react`, `markRead`, `loadOlder`, `replies`. */
  readonly chat: Chat;
  readonly messages: readonly ChatMessage[];
  readonly unreadCount: number;
  readonly readSeq: number;
  readonly hasOlder: boolean;
  /** `live`: all there is to know is here. */
  readonly status: "connecting" | "live";
  /** Why the chat cannot be opened; null if it can. */
  readonly error: ChatError | null;
}

/** The chat of the room, or what `select` makes of it: a badge need not be rendered by every message. */
export function useChat(): ChatState;
export function useChat<Selected>(select: (state: ChatState) => Selected): Selected;
export function useChat(select: (state: ChatState) => unknown = all): unknown {
  return useSelected(useChatStore(), select);
}

/** The replies to a message that are loaded (`chat.loadReplies`), and those on their way. */
export function useReplies(thread: number): readonly ChatMessage[] {
  const chat = useChatOf();
  const subscribe = useSubscribe(chat);
  return useSyncExternalStore(subscribe, () => chat.replies(thread), noMessages);
}

/** Others who are typing, and what to call at each key, with the thread that is typed in. */
export function useTyping(): readonly [
  typists: readonly Typist[],
  typing: (thread?: number | null) => void,
] {
  const chat = useChatOf();
  const subscribe = useSubscribe(chat);
  const typists = useSyncExternalStore(subscribe, () => chat.typists, nobody);
  const typing = useCallback((thread: number | null = null) => chat.typing(thread), [chat]);
  return [typists, typing];
}

const all = (state: unknown) => state;
const NOBODY: readonly Typist[] = [];
const nobody = () => NOBODY;
const NO_MESSAGES: readonly ChatMessage[] = [];
const noMessages = () => NO_MESSAGES;

/** Made when it is first rendered; it asks and hears nothing before something is mounted that shows it. */
const chats = new WeakMap<Room, Chat>();

function chatOf({ room, timing, onError }: Scope): Chat {
  let chat = chats.get(room);
  if (chat === undefined) {
    chat = new Chat(room, { onError, environment: timing });
    chats.set(room, chat);
  }
  return chat;
}

function useChatOf(): Chat {
  return chatOf(useScope());
}

/** From the first one on the chat goes on until the room ends, whatever is shown of it. */
function useSubscribe(chat: Chat): (listener: () => void) => () => void {
  return useCallback(
    (listener) => {
      chat.start();
      return chat.subscribe(listener);
    },
    [chat],
  );
}

function useChatStore(): Store<ChatState> {
  const chat = useChatOf();
  const subscribe = useSubscribe(chat);
  return useMemo(() => {
    const nothing: ChatState = {
      chat,
      messages: NO_MESSAGES,
      unreadCount: 0,
      readSeq: 0,
      hasOlder: false,
      status: "connecting",
      error: null,
    };
    let last = nothing;
    return {
      subscribe,
      get: () => {
        const next = stateOf(chat);
        if (!isSame(last, next)) last = next;
        return last;
      },
      getServer: () => nothing,
    };
  }, [chat, subscribe]);
}

function stateOf(chat: Chat): ChatState {
  const { messages, unreadCount, readSeq, hasOlder, status, error } = chat;
  return { chat, messages, unreadCount, readSeq, hasOlder, status, error };
}

function isSame(a: ChatState, b: ChatState): boolean {
  return (Object.keys(a) as (keyof ChatState)[]).every((key) => Object.is(a[key], b[key]));
}
