// The chat of a room: its messages as the server stores them, and what is written here on its way there.

import type { Awareness } from "y-protocols/awareness";
import { Emitter } from "../emitter.js";
import { type Report, reporter } from "../error.js";
import { Throttle } from "../presence/throttle.js";
import { type Timing, timing } from "../presence/timing.js";
import { randomName } from "../random.js";
import type { ChatNews } from "../wire.js";
import { Calls } from "./calls.js";
import { ChatError } from "./error.js";
import { Feed, firstOf } from "./feed.js";
import { type ChatMessage, fieldsOf } from "./message.js";
import { checkEmoji, checkMentions, checkText } from "./text.js";
import { Typing, type Typist } from "./typing.js";
import { type Draft, keepList, Views } from "./views.js";

/** Messages that are fetched together. */
export const PAGE_COUNT = 50;
/** The server gives no more at once. */
const PAGE_COUNT_MAX = 200;
/** How far one has read is told at most this often. */
export const READ_EVERY_MS = 1_000;

/** What has a chat: a `Room`. */
export interface ChatHost {
  readonly awareness: Awareness;
  readonly status: string;
  readonly user: string | null;
  /** Returns the way to unsubscribe. */
  on(name: "status" | "role" | "destroy", listener: () => void): () => void;
  /** What the server says about the chat. */
  on(name: "chat", listener: (news: ChatNews) => void): () => void;
  /** Returns the number that the answer will carry; null without a connection. */
  callChat(request: string): number | null;
}

/** What a chat can be given when it is made. */
export interface ChatOptions {
  /** Messages that are fetched together. Default: 50. */
  readonly pageCount?: number;
  /** Is told what listeners throw, and what the server sends broken. */
  readonly onError?: Report;
  readonly environment?: Partial<Timing> & {
    /** Bytes that nobody can guess: the keys of messages. */
    readonly randomBytes?: (count: number) => Uint8Array;
  };
}

/** What a message is about, beside its text. */
export interface PostOptions {
  /** The `seq` of the message that this one answers. */
  readonly thread?: number | null;
  /** User ids. */
  readonly mentions?: readonly string[];
}

/** `live`: all there is to know is here. `connecting`: there is no connection, or the first answer is under way. */
export type ChatStatus = "connecting" | "live";

/** It hears and asks nothing until `start()`. `chat()` makes one that has started. */
export class Chat {
  readonly #host: ChatHost;
  readonly #pageCount: number;
  readonly #report: Report;
  readonly #timing: Timing;
  readonly #randomBytes: (count: number) => Uint8Array;
  readonly #emitter: Emitter<{ change: undefined }>;
  readonly #calls: Calls;
  readonly #feed: Feed;
  readonly #views: Views;
  readonly #typing: Typing;
  readonly #readThrottle: Throttle;
  readonly #release: (() => void)[] = [];
  #drafts: readonly Draft[] = [];
  #messages: readonly ChatMessage[] = [];
  readonly #replies = new Map<number, readonly ChatMessage[]>();
  #unreadCount = 0;
  #read = 0;
  /** What the server knows to be read. */
  #toldRead = 0;
  #isConnected = false;
  #older: Promise<boolean> | null = null;
  #state: "new" | "started" | "destroyed" = "new";

  constructor(host: ChatHost, options: ChatOptions = {}) {
    const { environment = {} } = options;
    this.#host = host;
    this.#pageCount = Math.min(options.pageCount ?? PAGE_COUNT, PAGE_COUNT_MAX);
    this.#report = reporter(options.onError);
    this.#timing = timing(environment);
    this.#randomBytes =
      environment.randomBytes ?? ((count) => crypto.getRandomValues(new Uint8Array(count)));
    this.#emitter = new Emitter(this.#report);
    this.#views = new Views(() => host.user);
    this.#calls = new Calls({ send: (text) => host.callChat(text), timing: this.#timing });
    this.#feed = new Feed({
      calls: this.#calls,
      timing: this.#timing,
      report: this.#report,
      pageCount: this.#pageCount,
      onTaken: ({ key }) => this.#forget(key),
      onRead: (seq) => this.#onRead(seq),
      onChange: () => this.#changed(),
    });
    this.#readThrottle = new Throttle(READ_EVERY_MS, this.#timing, () => this.#tellRead());
    this.#typing = new Typing({
      awareness: host.awareness,
      timing: this.#timing,
      report: this.#report,
      isMe: (userId) => userId !== null && userId === host.user,
      onChange: () => this.#emitter.emit("change", undefined),
    });
  }

  /** Oldest first, those on their way at the end, replies among them. The same array until one of them changes. */
  get messages(): readonly ChatMessage[] {
    return this.#messages;
  }

  /** Messages of others behind the one that was read last, also those that are not loaded. */
  get unreadCount(): number {
    return this.#unreadCount;
  }

  /** The `seq` up to which this user has read, on any device. */
  get readSeq(): number {
    return this.#read;
  }

  /** Whether all there is to know is here. */
  get status(): ChatStatus {
    return this.#feed.isLive ? "live" : "connecting";
  }

  /** Why the chat cannot be opened; null if it can. It is tried again all the while. */
  get error(): ChatError | null {
    return this.#feed.error;
  }

  /** Whether there are messages before the first one. */
  get hasOlder(): boolean {
    return (this.#feed.log.first ?? 1) > 1;
  }

  /** Others who are typing. The same array until somebody begins or ends. */
  get typists(): readonly Typist[] {
    return this.#typing.list;
  }

  /** Opens the chat, once. Returns itself. */
  start(): this {
    if (this.#state !== "new") return this;
    this.#state = "started";
    const host = this.#host;
    this.#release.push(
      host.on("status", () => this.#onStatus()),
      host.on("role", () => this.#changed()),
      host.on("chat", (news) => this.#onNews(news)),
      host.on("destroy", () => this.destroy()),
    );
    startedCounts.set(host, (startedCounts.get(host) ?? 0) + 1);
    this.#typing.start();
    this.#onStatus();
    return this;
  }

  /** Calls the listener after each change of anything that is read here. Returns the way to unsubscribe. */
  subscribe(listener: () => void): () => void {
    return this.#emitter.on("change", listener);
  }

  /**
   * Shows the message at once, and sends it as soon as there is a connection, once. Throws a `ChatError` on a text that
   * no server would take.
   */
  post(text: string, { thread = null, mentions = [] }: PostOptions = {}): ChatMessage {
    if (this.#state === "destroyed") throw new ChatError("ended", "The chat is over");
    const draft: Draft = {
      key: randomName({ randomBytes: this.#randomBytes }),
      text: checkText(text),
      thread,
      mentions: checkMentions(mentions),
      createdMs: this.#timing.now(),
      error: null,
    };
    this.#views.own(draft.key);
    this.#drafts = [...this.#drafts, draft];
    this.#typing.hide();
    this.#changed();
    this.#send(draft);
    return this.#views.ofDraft(draft);
  }

  /** Sends a message that failed once more. Says whether there was one with this id. */
  retry(id: string): boolean {
    const failed = this.#failed(id);
    if (failed === undefined || this.#state === "destroyed") return false;
    const draft = { ...failed, error: null };
    this.#drafts = this.#drafts.map((each) => (each === failed ? draft : each));
    this.#changed();
    this.#send(draft);
    return true;
  }

  /** Forgets a message that failed. Says whether there was one with this id. */
  discard(id: string): boolean {
    const failed = this.#failed(id);
    if (failed === undefined) return false;
    this.#drafts = this.#drafts.filter((each) => each !== failed);
    this.#changed();
    return true;
  }

  /** Resolves when it is on the server's disk. Rejects with a `ChatError`. */
  async edit(seq: number, text: string, mentions: readonly string[] = []): Promise<ChatMessage> {
    return this.#change({
      edit: { seq, text: checkText(text), mentions: checkMentions(mentions) },
    });
  }

  /** The message keeps its place, without its text. */
  async remove(seq: number): Promise<ChatMessage> {
    return this.#change({ delete: { seq } });
  }

  /** Adds a reaction to the message, or with `on` false takes it back. Resolves when that is on the server's disk. */
  async react(seq: number, emoji: string, on = true): Promise<ChatMessage> {
    return this.#change({ react: { seq, emoji: checkEmoji(emoji), on } });
  }

  /** Up to this message, or the last one, everything was read: on all devices of this user. */
  markRead(seq: number = this.#feed.log.lastSeq): void {
    const read = Math.min(seq, this.#feed.log.lastSeq);
    if (read <= this.#read || this.#state === "destroyed") return;
    this.#read = read;
    this.#changed();
    this.#readThrottle.call();
  }

  /** Fetches the page before the first message. Resolves with whether there is more. */
  loadOlder(): Promise<boolean> {
    if (!this.hasOlder) return Promise.resolve(false);
    this.#older ??= this.#loadOlder().finally(() => {
      this.#older = null;
    });
    return this.#older;
  }

  /** The replies to a message that are loaded, oldest first. The same array until one of them changes. */
  replies(thread: number): readonly ChatMessage[] {
    const stored = this.#feed.log.replies(thread).map((each) => this.#views.ofStored(each));
    const drafts = this.#drafts.filter((each) => each.thread === thread);
    const next = [...stored, ...drafts.map((each) => this.#views.ofDraft(each))];
    const list = keepList(this.#replies.get(thread) ?? [], next);
    this.#replies.set(thread, list);
    return list;
  }

  /** Fetches all replies to a message, also those before the first message of the list. */
  async loadReplies(thread: number): Promise<void> {
    const limit = this.#pageCount;
    for (let before: number | undefined; ; ) {
      const answer = await this.#calls.ask({ history: { before, limit, thread } });
      const taken = this.#feed.takeAll(answer);
      this.#changed();
      const first = firstOf(taken);
      // A page that goes on no further is the last one, whatever its length.
      if (taken.length === 0 || first >= (before ?? Number.POSITIVE_INFINITY)) return;
      before = first;
    }
  }

  /** To be called at each key; `null` for the list, or the thread that is typed in. */
  typing(thread: number | null = null): void {
    if (this.#state === "started") this.#typing.show(thread);
  }

  /** What was typed is gone. A post does it by itself, and so does some time without a key. */
  stopTyping(): void {
    this.#typing.hide();
  }

  /** Ends the chat: nothing is asked or told any more, and what is on its way is not waited for. The room goes on. */
  destroy(): void {
    if (this.#state === "destroyed") return;
    const wasStarted = this.#state === "started";
    this.#state = "destroyed";
    for (const release of this.#release) release();
    this.#readThrottle.cancel();
    this.#feed.disconnect();
    this.#calls.end();
    this.#typing.end();
    if (wasStarted) this.#close();
    this.#emitter.clear();
  }

  /** Changes need not be sent any more, once nobody here follows them. */
  #close(): void {
    const left = (startedCounts.get(this.#host) ?? 1) - 1;
    startedCounts.set(this.#host, left);
    if (left === 0) this.#host.callChat('{"close":{}}');
  }

  #onStatus(): void {
    const isConnected = this.#host.status === "connected";
    if (isConnected === this.#isConnected) return;
    this.#isConnected = isConnected;
    if (isConnected) {
      this.#feed.connect();
      this.#calls.resume();
    } else {
      this.#feed.disconnect();
      this.#calls.suspend();
    }
    this.#changed();
  }

  #onNews(news: ChatNews): void {
    if (news.type === "chatAnswer") {
      this.#calls.answer(news.call, news.answer);
      return;
    }
    try {
      this.#feed.hear(fieldsOf(JSON.parse(news.change)));
    } catch (error) {
      this.#report(error);
    }
  }

  #onRead(seq: number): void {
    this.#read = Math.max(this.#read, seq);
    this.#toldRead = Math.max(this.#toldRead, seq);
  }

  #tellRead(): void {
    if (this.#read <= this.#toldRead) return;
    this.#toldRead = this.#read;
    this.#calls.ask({ read: { seq: this.#read } }).catch((error: ChatError) => {
      // Nobody keeps a marker for anonymous people: it holds as long as the page.
      if (error.code !== "forbidden" && error.code !== "ended") this.#report(error);
    });
  }

  #send({ key, text, thread, mentions }: Draft): void {
    const post = {
      ...{ key, text },
      ...(thread === null ? {} : { thread }),
      ...(mentions.length === 0 ? {} : { mentions }),
    };
    this.#change({ post }).then(
      () => this.#forget(key),
      (error: ChatError) => this.#fail(key, error),
    );
  }

  async #change(request: object): Promise<ChatMessage> {
    const { message } = await this.#calls.write(request);
    const stored = this.#feed.take(message);
    this.#changed();
    return this.#views.ofStored(this.#feed.log.get(stored.seq) ?? stored);
  }

  /** It is among the messages now. */
  #forget(key: string): void {
    if (this.#drafts.some((each) => each.key === key)) {
      this.#drafts = this.#drafts.filter((each) => each.key !== key);
    }
  }

  #fail(key: string, error: ChatError): void {
    if (this.#state === "destroyed") return;
    this.#drafts = this.#drafts.map((each) => (each.key === key ? { ...each, error } : each));
    this.#changed();
  }

  #failed(id: string): Draft | undefined {
    return this.#drafts.find(({ key, error }) => key === id && error !== null);
  }

  async #loadOlder(): Promise<boolean> {
    const before = this.#feed.log.first ?? 1;
    const answer = await this.#calls.ask({ history: { before, limit: this.#pageCount } });
    this.#feed.log.beginAt(firstOf(this.#feed.takeAll(answer)));
    this.#changed();
    return this.hasOlder;
  }

  #changed(): void {
    if (this.#state === "destroyed") return;
    const stored = this.#feed.log.list().map((each) => this.#views.ofStored(each));
    const drafts = this.#drafts.map((each) => this.#views.ofDraft(each));
    this.#views.settle();
    this.#messages = keepList(this.#messages, [...stored, ...drafts]);
    this.#unreadCount = this.#countUnread();
    this.#emitter.emit("change", undefined);
  }

  #countUnread(): number {
    let count = Math.max(this.#feed.log.lastSeq - this.#read, 0);
    for (const message of this.#feed.log.all()) {
      const isRead = message.deleted || this.#views.isMine(message);
      if (message.seq > this.#read && isRead) count -= 1;
    }
    return count;
  }
}

/** How many chats have started on each room: they share what the server sends. */
const startedCounts = new WeakMap<ChatHost, number>();

/** The chat of a room. It ends with the room, or with `destroy()`. */
export function chat(room: ChatHost, options?: ChatOptions): Chat {
  return new Chat(room, options).start();
}
