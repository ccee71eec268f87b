// Who is here and what they show: the awareness of a room, typed by the application.

import * as fn from "lib0/function";
import type { Awareness } from "y-protocols/awareness";
import { Emitter } from "../emitter.js";
import { type Report, reporter } from "../error.js";
import { colorOf, colorsOf, type PersonId } from "./color.js";
import { Throttle } from "./throttle.js";
import { type Timing, timing } from "./timing.js";

/** Time between two sends of one's own presence, unless the application wants another. */
export const SEND_EVERY_MS = 50;

/** What has presence: a `Room`, or anything else with an awareness. */
export interface PresenceHost {
  readonly awareness: Awareness;
  /** The id that the server knows this user by, once it has told. Any value but a text is ignored. */
  readonly user?: unknown;
  /** Without one it counts as always connected. */
  readonly status?: string;
}

/** Somebody else who is here. The same object until something in it changes. */
export interface Other<T> {
  /** Belongs to one tab. */
  readonly clientId: number;
  readonly state: T;
  /** Who it is, if it is known. */
  readonly userId: string | null;
  /** The same user as here, in another tab or on another device. */
  readonly isMyself: boolean;
  /** Theirs among those who are here, and the same in all tabs of one user. */
  readonly color: string;
}

/** What is shown, and how what others show is read. */
export interface PresenceOptions<T extends object> {
  /** What is shown from the beginning. */
  readonly initial?: T;
  /**
   * Makes sense of what another program shows. Null, or an exception, leaves that one out. Without it every object is
   * taken at its word: then read others' fields as what they are, the writing of strangers.
   */
  readonly parse?: (state: unknown) => T | null | undefined;
  /** Who somebody is. Default: `state.user.id`, which a server that asks for tokens fills in itself. */
  readonly userId?: (state: T) => string | null | undefined;
  readonly sendEveryMs?: number;
  /** Is told what listeners, `parse` and `userId` throw. */
  readonly onError?: Report;
  readonly environment?: Partial<Timing>;
}

/** Fields to show anew. Those that may be missing are taken away with `undefined`. */
export type Patch<T> = {
  readonly [Key in keyof T]?: Record<never, never> extends Pick<T, Key>
    ? T[Key] | undefined
    : T[Key];
};

/** One client as it was last read. */
interface Entry<T> {
  readonly userId: string | null;
  readonly other: Other<T>;
}

type Change = { added: number[]; updated: number[]; removed: number[] };

/**
 * It shows nothing and hears nothing until `start()`, and takes back what it showed with `destroy()`. `presence()` makes
 * one that has started.
 */
export class Presence<T extends object> {
  readonly host: PresenceHost;
  readonly #options: PresenceOptions<T>;
  readonly #report: Report;
  readonly #emitter: Emitter<{ change: undefined }>;
  readonly #throttle: Throttle;
  readonly #entries = new Map<number, Entry<T>>();
  /** Those whose state made the application throw: it is told once, not with each move they make. */
  readonly #reported = new Set<number>();
  /** Fields that the next send takes away. */
  readonly #withdrawn = new Set<string>();
  #me: T;
  #others: readonly Other<T>[] = [];
  #color: string;
  /** Who this client was when the colours were given. */
  #paintedAs: PersonId | null = null;
  #state: "new" | "started" | "destroyed" = "new";

  constructor(host: PresenceHost, options: PresenceOptions<T> = {}) {
    this.host = host;
    this.#options = options;
    this.#report = reporter(options.onError);
    this.#emitter = new Emitter(this.#report);
    const everyMs = options.sendEveryMs ?? SEND_EVERY_MS;
    this.#throttle = new Throttle(everyMs, timing(options.environment), () => this.#send());
    this.#me = { ...options.initial } as T;
    this.#color = colorOf(this.#myId());
    this.#read(host.awareness.getStates().keys());
  }

  /** What this client shows, with what is still to be sent. The same object until it changes. */
  get me(): T {
    return this.#me;
  }

  /** In the order in which they came. The same array until somebody in it changes. */
  get others(): readonly Other<T>[] {
    return this.#others;
  }

  /** The colour that others see this client in. */
  get color(): string {
    return this.#color;
  }

  /** The one with this client id, if they are here. */
  other(clientId: number): Other<T> | undefined {
    return this.#entries.get(clientId)?.other;
  }

  /** Shows itself, and follows what others show. */
  start(): this {
    if (this.#state !== "new") return this;
    this.#state = "started";
    const { awareness } = this.host;
    awareness.on("change", this.#onChange);
    awareness.on("destroy", this.#onDestroy);
    if (Object.keys(this.#me).length > 0) this.#throttle.call();
    // What happened between the making and the start.
    this.#read(new Set([...this.#entries.keys(), ...awareness.getStates().keys()]));
    this.#emitter.emit("change", undefined);
    return this;
  }

  /**
   * Shows these fields anew; a field that is `undefined` is no longer shown. Seen here at once, and sent at most every
   * `sendEveryMs`, the newest only. Throws a `TypeError` if it cannot be written as JSON.
   */
  update(patch: Patch<T>): void {
    // It would fail later, deep in the awareness, and leave a state there that cannot be sent.
    JSON.stringify(patch);
    const me = withoutUndefined({ ...this.#me, ...patch });
    if (this.#state === "destroyed" || fn.equalityDeep(me, this.#me)) return;
    this.#withdraw(Object.keys(this.#me).filter((key) => !(key in me)));
    this.#me = me;
    // Who this client is may have changed with it.
    this.#read([]);
    if (this.#state === "started") this.#throttle.call();
    this.#emitter.emit("change", undefined);
  }

  /** Calls the listener after each change of `me`, `others` or `color`. Returns the way to unsubscribe. */
  subscribe(listener: () => void): () => void {
    return this.#emitter.on("change", listener);
  }

  /** Takes back what it showed, and follows nobody any more. The room goes on. */
  destroy(): void {
    if (this.#state === "destroyed") return;
    const wasStarted = this.#state === "started";
    this.#stop();
    // Who hides shows nothing to take back.
    if (wasStarted && this.host.awareness.getLocalState() !== null) {
      this.#withdraw(Object.keys(this.#me));
      this.#publish({});
    }
  }

  #stop(): void {
    this.#state = "destroyed";
    this.#throttle.cancel();
    this.host.awareness.off("change", this.#onChange);
    this.host.awareness.off("destroy", this.#onDestroy);
    this.#emitter.clear();
  }

  #withdraw(keys: readonly string[]): void {
    for (const key of keys) this.#withdrawn.add(key);
  }

  #send(): void {
    this.#publish(this.#me);
  }

  /** Editors show their cursors in the same state: what is not ours stays as it is. */
  #publish(mine: object): void {
    const state: Record<string, unknown> = { ...this.host.awareness.getLocalState() };
    for (const key of this.#withdrawn) delete state[key];
    this.#withdrawn.clear();
    try {
      this.host.awareness.setLocalState({ ...state, ...mine });
    } catch (error) {
      // Somebody else's listener: the state is set all the same.
      this.#report(error);
    }
  }

  readonly #onDestroy = (): void => {
    // The awareness takes back everything itself.
    this.#stop();
  };

  readonly #onChange = ({ added, updated, removed }: Change): void => {
    if (this.#read([...added, ...updated, ...removed])) this.#emitter.emit("change", undefined);
  };

  /** Reads these clients anew. Says whether anything changed. */
  #read(clientIds: Iterable<number>): boolean {
    let changed = false;
    let people = false;
    for (const clientId of clientIds) {
      const last = this.#entries.get(clientId);
      const next = this.#entryOf(clientId, last);
      if (next === last) continue;
      changed = true;
      people ||= next?.userId !== last?.userId || next === undefined || last === undefined;
      if (next === undefined) this.#entries.delete(clientId);
      else this.#entries.set(clientId, next);
    }
    // The id of this client may have come with its connection.
    people ||= this.#myId() !== this.#paintedAs;
    if (people) changed = this.#paint() || changed;
    if (changed) this.#others = [...this.#entries.values()].map(({ other }) => other);
    return changed;
  }

  /** The same entry if nothing that the application sees has changed. */
  #entryOf(clientId: number, last: Entry<T> | undefined): Entry<T> | undefined {
    const { awareness } = this.host;
    const raw = awareness.getStates().get(clientId);
    if (clientId === awareness.clientID || raw === undefined) {
      this.#reported.delete(clientId);
      return undefined;
    }
    const read = this.#guard(clientId, () => {
      const state = this.#parse(raw);
      return state == null ? null : { state, userId: this.#userIdOf(state) };
    });
    if (read == null) return undefined;
    if (last?.userId === read.userId && fn.equalityDeep(last.other.state, read.state)) return last;
    const color = last?.other.color ?? "";
    return { userId: read.userId, other: { clientId, ...read, isMyself: this.#isMe(read), color } };
  }

  #parse(raw: unknown): T | null | undefined {
    if (this.#options.parse !== undefined) return this.#options.parse(raw);
    return typeof raw === "object" && raw !== null && !Array.isArray(raw) ? (raw as T) : null;
  }

  /** Gives everybody here their colour, and says whether any is another now. */
  #paint(): boolean {
    const myId = this.#myId();
    const ids = [...this.#entries].map(([clientId, { userId }]) => userId ?? clientId);
    const lastColor = this.#color;
    let changed = false;
    const colors = colorsOf([myId, ...ids]);
    this.#paintedAs = myId;
    for (const [clientId, { userId, other }] of this.#entries) {
      const color = colors.get(userId ?? clientId) ?? colorOf(clientId);
      const isMyself = this.#isMe({ userId });
      if (color === other.color && isMyself === other.isMyself) continue;
      this.#entries.set(clientId, { userId, other: { ...other, color, isMyself } });
      changed = true;
    }
    this.#color = colors.get(myId) ?? colorOf(myId);
    return changed || this.#color !== lastColor;
  }

  #isMe({ userId }: { readonly userId: string | null }): boolean {
    return userId !== null && userId === this.#myId();
  }

  #myId(): PersonId {
    const { user, awareness } = this.host;
    if (typeof user === "string" && user !== "") return user;
    return this.#guard(awareness.clientID, () => this.#userIdOf(this.#me)) ?? awareness.clientID;
  }

  #userIdOf(state: T): string | null {
    const id = this.#options.userId === undefined ? statedId(state) : this.#options.userId(state);
    return typeof id === "string" && id !== "" ? id : null;
  }

  /** Runs code of the application on the state of a client. */
  #guard<Result>(clientId: number, run: () => Result): Result | null {
    try {
      return run();
    } catch (error) {
      if (!this.#reported.has(clientId)) {
        this.#reported.add(clientId);
        this.#report(error);
      }
      return null;
    }
  }
}

/** Shows this client in the room, and follows who else is there. */
export function presence<T extends object>(
  room: PresenceHost,
  options: PresenceOptions<T> & { readonly initial: T },
): Presence<T>;
export function presence<T extends object = Record<string, unknown>>(
  room: PresenceHost,
  options?: PresenceOptions<Partial<T>>,
): Presence<Partial<T>>;
export function presence<T extends object>(
  room: PresenceHost,
  options?: PresenceOptions<T>,
): Presence<T> {
  return new Presence(room, options).start();
}

function statedId(state: object): string | null {
  const { user } = state as { user?: { id?: unknown } | null };
  const id = user?.id;
  return typeof id === "string" ? id : null;
}

function withoutUndefined<T extends object>(state: T): T {
  return Object.fromEntries(Object.entries(state).filter(([, value]) => value !== undefined)) as T;
}
