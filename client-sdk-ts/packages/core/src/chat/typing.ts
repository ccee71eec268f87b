// Who is typing: shown through the awareness of the room, and forgotten when it is not renewed.

import type { Awareness } from "y-protocols/awareness";
import { guard, type Report } from "../error.js";
import { cleanName } from "../presence/name.js";
import type { Timing } from "../presence/timing.js";
import { fieldsOf, numberOf } from "./message.js";

/** Who types is shown anew at most this often, however fast they are. */
export const TYPING_EVERY_MS = 3_000;
/** After so long without a key nobody is typing any more. */
export const TYPING_IDLE_MS = 5_000;
/** What another client shows is believed for so long: it may have fallen asleep. */
export const TYPING_MS_MAX = 8_000;

/** The field of the awareness state. */
const FIELD = "typing";

/** Somebody who is typing. */
export interface Typist {
  /** Belongs to one tab. */
  readonly clientId: number;
  readonly userId: string | null;
  /** Fit to be shown, as text; empty if there is none. */
  readonly name: string;
  /** The thread that they type in, null for none. */
  readonly thread: number | null;
}

type Change = { added: number[]; updated: number[]; removed: number[] };

export interface TypingOptions {
  readonly awareness: Awareness;
  readonly timing: Timing;
  readonly report: Report;
  /** Whether that is this user, in another tab. */
  readonly isMe: (userId: string | null) => boolean;
  readonly onChange: () => void;
}

export class Typing {
  readonly #options: TypingOptions;
  readonly #typists = new Map<number, Typist>();
  readonly #expiries = new Map<number, unknown>();
  /** What each showed last: whoever moves a cursor does not type by it. */
  readonly #counts = new Map<number, unknown>();
  #list: readonly Typist[] = [];
  #shownAt: number | null = null;
  #shownThread: number | null = null;
  /** Differs each time: what is the same again is no news to anybody. */
  #count = 0;
  #idleTimer: unknown = null;

  constructor(options: TypingOptions) {
    this.#options = options;
  }

  /** In the order in which they began. The same array until somebody in it changes. */
  get list(): readonly Typist[] {
    return this.#list;
  }

  start(): void {
    const { awareness } = this.#options;
    awareness.on("change", this.#onChange);
    this.#onChange({ added: [...awareness.getStates().keys()], updated: [], removed: [] });
  }

  end(): void {
    this.hide();
    this.#options.awareness.off("change", this.#onChange);
    for (const timer of this.#expiries.values()) this.#options.timing.clearTimeout(timer);
    this.#expiries.clear();
    this.#typists.clear();
    this.#list = [];
  }

  /** To be called at each key. */
  show(thread: number | null): void {
    const { timing } = this.#options;
    this.#stopIdle();
    this.#idleTimer = timing.setTimeout(() => this.hide(), TYPING_IDLE_MS);
    const isFresh = this.#shownAt !== null && timing.now() - this.#shownAt < TYPING_EVERY_MS;
    if (isFresh && this.#shownThread === thread) return;
    this.#shownAt = timing.now();
    this.#shownThread = thread;
    this.#count += 1;
    this.#set({ thread, count: this.#count });
  }

  hide(): void {
    this.#stopIdle();
    if (this.#shownAt === null) return;
    this.#shownAt = null;
    this.#set(null);
  }

  #stopIdle(): void {
    if (this.#idleTimer !== null) this.#options.timing.clearTimeout(this.#idleTimer);
    this.#idleTimer = null;
  }

  #set(value: object | null): void {
    const { awareness, report } = this.#options;
    guard(report, () => awareness.setLocalStateField(FIELD, value));
  }

  readonly #onChange = ({ added, updated, removed }: Change): void => {
    let changed = false;
    for (const clientId of new Set([...added, ...updated, ...removed])) {
      changed = this.#read(clientId) || changed;
    }
    if (changed) this.#refresh();
  };

  /** Says whether the list changes by it. */
  #read(clientId: number): boolean {
    const { awareness } = this.#options;
    if (clientId === awareness.clientID) return false;
    const state = awareness.getStates().get(clientId);
    const field = fieldsOf(state)[FIELD];
    const last = this.#typists.get(clientId);
    if (typeof field !== "object" || field === null) {
      this.#counts.delete(clientId);
      return this.#forget(clientId);
    }
    const { count } = fieldsOf(field);
    if (this.#counts.has(clientId) && this.#counts.get(clientId) === count) return false;
    const next = typistOf(clientId, fieldsOf(state), fieldsOf(field));
    if (this.#options.isMe(next.userId)) return false;
    this.#counts.set(clientId, count);
    this.#expect(clientId);
    if (last !== undefined && isSame(last, next)) return false;
    this.#typists.set(clientId, next);
    return true;
  }

  #expect(clientId: number): void {
    const { timing } = this.#options;
    timing.clearTimeout(this.#expiries.get(clientId));
    const timer = timing.setTimeout(() => {
      if (this.#forget(clientId)) this.#refresh();
    }, TYPING_MS_MAX);
    this.#expiries.set(clientId, timer);
  }

  #forget(clientId: number): boolean {
    this.#options.timing.clearTimeout(this.#expiries.get(clientId));
    this.#expiries.delete(clientId);
    return this.#typists.delete(clientId);
  }

  #refresh(): void {
    this.#list = [...this.#typists.values()];
    this.#options.onChange();
  }
}

function isSame(a: Typist, b: Typist): boolean {
  return a.name === b.name && a.thread === b.thread && a.userId === b.userId;
}

function typistOf(
  clientId: number,
  state: Record<string, unknown>,
  field: Record<string, unknown>,
): Typist {
  const user = fieldsOf(state.user);
  return {
    clientId,
    userId: typeof user.id === "string" ? user.id : null,
    name: cleanName(user.name ?? state.name),
    thread: numberOf(field.thread),
  };
}
