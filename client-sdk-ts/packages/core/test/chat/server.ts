// A chat server in a few lines, people in its room, and a network between them that tests can make bad.

import { Awareness } from "y-protocols/awareness";
import * as Y from "yjs";
import { type Chat, type ChatHost, type ChatOptions, chat } from "../../src/chat/index.js";
import type { ChatNews } from "../../src/wire.js";
import { Clock, settled } from "../fakes.js";

interface Row {
  seq: number;
  change: number;
  key: string;
  user?: string;
  name?: string;
  thread?: number;
  text: string;
  mentions?: string[];
  createdMs: number;
  editedMs?: number;
  deleted?: boolean;
  reactions?: Record<string, string[]>;
}

// biome-ignore lint/suspicious/noExplicitAny: the server trusts its tests
type Request = Record<string, any>;

const OPEN_COUNT_MAX = 200;

export class ChatServer {
  readonly clock = new Clock();
  readonly errors: unknown[] = [];
  readonly people: Person[] = [];
  rows: Row[] = [];
  change = 0;
  readonly reads = new Map<string, number>();
  /** What a request is answered with, in place of the answer. */
  refuse: (request: Request) => object | null = () => null;
  openCountMax = OPEN_COUNT_MAX;
  #lastName = 0;

  /** Somebody who is connected, with a chat. Null: without a token. */
  enter(user: string | null, options: ChatOptions = {}): Person {
    const person = new Person(this, user);
    this.people.push(person);
    person.status = "connected";
    person.chat = chat(person, {
      onError: (error) => this.errors.push(error),
      environment: {
        setTimeout: this.clock.setTimeout,
        clearTimeout: this.clock.clearTimeout,
        now: () => this.clock.nowMs,
        randomBytes: (count) => {
          this.#lastName += 1;
          return new Uint8Array(count).fill(this.#lastName % 64).fill(this.#lastName / 64, 1, 2);
        },
      },
      ...options,
    });
    return person;
  }

  /** Everybody's words reach the server, and its words everybody, until nothing is left to say. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 2; ) {
      await settled();
      const moved = this.people.map((person) => person.sendAll() || person.hearAll());
      quiet = moved.includes(true) ? 0 : quiet + 1;
    }
  }

  async pass(ms: number): Promise<void> {
    this.clock.advance(ms);
    await this.settle();
  }

  answer(person: Person, text: string): object {
    const request: Request = JSON.parse(text);
    const refused = this.refuse(request);
    if (refused !== null) return { error: refused };
    const { user } = person;
    if (request.open !== undefined) return this.#open(person, request.open);
    if (request.close !== undefined) {
      person.isOpen = false;
      return {};
    }
    if (request.history !== undefined) return this.#history(request.history);
    if (request.post !== undefined) return this.#post(user, request.post);
    if (request.read !== undefined) return this.#read(person, request.read.seq);
    const row = this.rows.find(({ seq }) => seq === Object.values(request)[0].seq);
    if (row === undefined) return { error: { code: "not_found", hint: "no such message" } };
    if (request.edit !== undefined) {
      Object.assign(row, { text: request.edit.text, editedMs: this.clock.nowMs });
    } else if (request.delete !== undefined) {
      Object.assign(row, { text: "", deleted: true });
      delete row.reactions;
    } else if (request.react !== undefined && user !== null) {
      const { emoji, on } = request.react;
      const others = (row.reactions?.[emoji] ?? []).filter((each) => each !== user);
      row.reactions = { ...row.reactions, [emoji]: on ? [...others, user] : others };
    }
    return this.#changed(row);
  }

  #open(person: Person, { after, last }: { after?: number; last?: number }): object {
    person.isOpen = true;
    const { change, rows } = this;
    const count = rows.length;
    const read = this.reads.get(person.user ?? "") ?? 0;
    if (last !== undefined) {
      return copy({ messages: rows.slice(-last), change, count, read, more: false });
    }
    const missed = rows.filter((row) => row.change > (after ?? 0));
    const messages = missed.sort((a, b) => a.change - b.change).slice(0, this.openCountMax);
    return copy({ messages, change, count, read, more: messages.length < missed.length });
  }

  #history({ before, limit, thread }: { before?: number; limit: number; thread?: number }): object {
    const rows = this.rows
      .filter((row) => row.seq < (before ?? Number.POSITIVE_INFINITY))
      .filter((row) => thread === undefined || row.thread === thread);
    return copy({ messages: rows.slice(-limit).reverse() });
  }

  #post(user: string | null, post: Pick<Row, "key" | "text" | "thread" | "mentions">): object {
    const known = this.rows.find((row) => row.key === post.key && row.user === (user ?? undefined));
    if (known !== undefined) return copy({ message: known });
    const seq = this.rows.length + 1;
    const who = user === null ? {} : { user, name: user.toUpperCase() };
    const row = { seq, change: 0, ...who, ...post, createdMs: this.clock.nowMs };
    this.rows.push(row);
    return this.#changed(row);
  }

  #read(person: Person, seq: number): object {
    const { user } = person;
    if (user === null) return { error: { code: "forbidden", hint: "anonymous" } };
    const read = Math.max(seq, this.reads.get(user) ?? 0);
    this.reads.set(user, read);
    for (const other of this.people) {
      if (other !== person && other.user === user) other.tell({ read });
    }
    return { read };
  }

  #changed(row: Row): object {
    this.change += 1;
    row.change = this.change;
    for (const person of this.people) person.tell({ message: row });
    return copy({ message: row });
  }
}

/** A room as the chat sees it. */
export class Person implements ChatHost {
  readonly awareness: Awareness;
  status = "connecting";
  isOpen = false;
  /** Requests under way, answers under way in their order, and changes, which know none. */
  readonly sent: { readonly call: number; readonly request: string }[] = [];
  readonly answers: { readonly call: number; readonly answer: string }[] = [];
  readonly changes: string[] = [];
  readonly #listeners = new Map<string, Set<(news: never) => void>>();
  readonly #server: ChatServer;
  #lastCall = 0;
  #chat: Chat | null = null;

  constructor(
    server: ChatServer,
    public user: string | null,
  ) {
    this.#server = server;
    this.awareness = new Awareness(new Y.Doc());
  }

  get chat(): Chat {
    if (this.#chat === null) throw new Error("no chat yet");
    return this.#chat;
  }

  set chat(chat: Chat) {
    this.#chat = chat;
  }

  get texts(): string[] {
    return this.chat.messages.map(({ text }) => text);
  }

  on(name: string, listener: (news: never) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  emit(name: string, news?: ChatNews): void {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) listener(news as never);
  }

  get listenersCount(): number {
    return [...this.#listeners.values()].reduce((sum, { size }) => sum + size, 0);
  }

  callChat(request: string): number | null {
    if (this.status !== "connected") return null;
    this.#lastCall += 1;
    this.sent.push({ call: this.#lastCall, request });
    return this.#lastCall;
  }

  get requests(): Request[] {
    return this.sent.map(({ request }) => JSON.parse(request));
  }

  tell(change: object): void {
    if (this.isOpen) this.changes.push(JSON.stringify(change));
  }

  send(): boolean {
    const next = this.sent.shift();
    if (next === undefined) return false;
    const answer = JSON.stringify(this.#server.answer(this, next.request));
    this.answers.push({ call: next.call, answer });
    return true;
  }

  sendAll(): boolean {
    let moved = false;
    while (this.send()) moved = true;
    return moved;
  }

  hearAnswer(): boolean {
    const next = this.answers.shift();
    if (next !== undefined) this.emit("chat", { type: "chatAnswer", ...next });
    return next !== undefined;
  }

  hearChange(index = 0): boolean {
    const [change] = this.changes.splice(index, 1);
    if (change !== undefined) this.emit("chat", { type: "chatChange", change });
    return change !== undefined;
  }

  hearAll(): boolean {
    let moved = false;
    while (this.hearChange()) moved = true;
    while (this.hearAnswer()) moved = true;
    return moved;
  }

  /** The connection is gone, with all that was under way. */
  drop(): void {
    this.isOpen = false;
    this.sent.length = 0;
    this.answers.length = 0;
    this.changes.length = 0;
    this.status = "connecting";
    this.emit("status");
  }

  back(): void {
    this.status = "connected";
    this.emit("status");
  }
}

function copy<Value>(value: Value): Value {
  return structuredClone(value);
}
