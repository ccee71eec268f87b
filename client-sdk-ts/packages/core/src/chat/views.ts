// Messages as the application sees them: each the same object until something in it changes.

import type { ChatError } from "./error.js";
import type { ChatMessage, Stored } from "./message.js";

/** A message on its way to the server. */
export interface Draft {
  readonly key: string;
  readonly text: string;
  readonly thread: number | null;
  readonly mentions: readonly string[];
  readonly createdMs: number;
  /** Why it failed; null while it is under way. */
  readonly error: ChatError | null;
}

export class Views {
  readonly #user: () => string | null;
  readonly #stored = new WeakMap<Stored, ChatMessage>();
  readonly #drafts = new WeakMap<Draft, ChatMessage>();
  /** What was written here, by its key, and its number as soon as it has one: it keeps its id when it is sent. */
  readonly #own = new Map<string, number | null>();
  /** Who they were made for. */
  #madeFor: string | null = null;

  constructor(user: () => string | null) {
    this.#user = user;
  }

  /** Says whether this user is another one than before: then all messages are to be seen anew. */
  get isStale(): boolean {
    return this.#madeFor !== this.#user();
  }

  own(key: string): void {
    this.#own.set(key, null);
  }

  isMine(message: Stored): boolean {
    return message.user === null ? this.#isOwn(message) : message.user === this.#user();
  }

  /** Whether it was written here. The first one that comes with the key: others may copy it afterwards. */
  #isOwn({ key, seq }: Stored): boolean {
    if (this.#own.get(key) === null) this.#own.set(key, seq);
    return this.#own.get(key) === seq;
  }

  ofStored(message: Stored): ChatMessage {
    const known = this.#stored.get(message);
    if (known !== undefined && !this.isStale) return known;
    const me = this.#user();
    const isMine = this.isMine(message);
    const { seq, user, name, thread, text, mentions, createdMs, editedMs, deleted } = message;
    const view: ChatMessage = {
      id: this.#isOwn(message) ? message.key : String(seq),
      state: "sent",
      error: null,
      ...{ seq, user, name, isMine, thread, text, mentions, createdMs, editedMs, deleted },
      reactions: message.reactions.map(([emoji, users]) => ({
        emoji,
        users,
        isMine: me !== null && users.includes(me),
      })),
    };
    this.#stored.set(message, view);
    return view;
  }

  ofDraft(draft: Draft): ChatMessage {
    const known = this.#drafts.get(draft);
    if (known !== undefined && !this.isStale) return known;
    const { key, text, thread, mentions, createdMs, error } = draft;
    const view: ChatMessage = {
      id: key,
      state: error === null ? "sending" : "failed",
      ...{ error, seq: null, user: this.#user(), name: null, isMine: true, thread, text, mentions },
      ...{ createdMs, editedMs: null, deleted: false, reactions: [] },
    };
    this.#drafts.set(draft, view);
    return view;
  }

  /** All that is asked for from here on is made for the user that is now. */
  settle(): void {
    this.#madeFor = this.#user();
  }
}

/** `last`, if it holds the same. */
export function keepList<Item>(last: readonly Item[], next: readonly Item[]): readonly Item[] {
  const isSame = last.length === next.length && next.every((item, index) => item === last[index]);
  return isSame ? last : next;
}
