// What a provider has to give: a room and its presence, and how they begin and end with it.

import { type Environment, Room, type RoomOptions } from "@roomtone/core";
import { Presence, type PresenceOptions, type Timing, timing } from "@roomtone/core/presence";
import { applyUpdate, encodeStateAsUpdate } from "yjs";
import { arrivalOf } from "./arrival.js";
import type { AppPresence } from "./register.js";
import { serverRoom } from "./server-room.js";

export interface Scope {
  readonly room: Room;
  readonly presence: Presence<AppPresence>;
  readonly timing: Timing;
  readonly onError: (error: unknown) => void;
}

export interface ScopeOptions {
  /** A room that somebody else has made, and will destroy. */
  readonly room?: Room | undefined;
  /** What a room is made of, if there is none. */
  readonly options?: RoomOptions | undefined;
  readonly presence?: PresenceOptions<AppPresence> | undefined;
  readonly environment?: Partial<Environment> | undefined;
  readonly onError?: ((error: unknown) => void) | undefined;
}

/**
 * A room that was made for a rendering which React threw away is destroyed after this time. Until then the rendering
 * may still be shown.
 */
export const ABANDONED_MS = 10_000;

/**
 * Makes the room when it is first rendered, enters it when the provider is mounted, and leaves it after the provider is
 * gone. React mounts and unmounts more often than the page shows (StrictMode, hidden trees): a provider that comes back
 * at once finds its room as it was, and one that comes back later finds a new room with what the document held.
 */
export class ScopeKeeper {
  #options: ScopeOptions;
  readonly #timing: Timing;
  readonly #listeners = new Set<() => void>();
  #scope: Scope | null = null;
  /** The last room, whose document the next one begins with a copy of. */
  #left: Pick<Room, "doc" | "epoch"> | null = null;
  #holds = 0;
  #timer: unknown = null;
  #entered = false;

  constructor(options: ScopeOptions) {
    this.#options = options;
    this.#timing = timing(options.environment);
  }

  /** Callbacks and tokens are taken from the newest; what the room is made of stays as it was. */
  set options(options: ScopeOptions) {
    this.#options = options;
  }

  readonly get = (): Scope => {
    if (this.#scope !== null) return this.#scope;
    this.#scope = this.#make();
    if (this.#holds === 0 && isPage()) this.#endAfter(ABANDONED_MS);
    return this.#scope;
  };

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** For as long as a provider is mounted. Returns the way to let go. */
  readonly hold = (): (() => void) => {
    this.#holds += 1;
    this.#stopTimer();
    const last = this.#scope;
    const scope = this.get();
    this.#enter(scope);
    if (scope !== last) for (const listener of [...this.#listeners]) listener();
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.#holds -= 1;
      // Not at once: StrictMode comes back in the same breath.
      if (this.#holds === 0) this.#endAfter(0);
    };
  };

  #make(): Scope {
    const onError = (error: unknown) => this.#report(error);
    const room = this.#options.room ?? this.#makeRoom(onError);
    const { presence = {} } = this.#options;
    return {
      room,
      presence: new Presence(room, { onError, environment: this.#timing, ...presence }),
      timing: this.#timing,
      onError,
    };
  }

  #makeRoom(onError: (error: unknown) => void): Room {
    const { options } = this.#options;
    if (options === undefined)
      throw new TypeError("A RoomProvider needs a room, or its url and name");
    if (!isPage()) return serverRoom(options);
    const token = options.token === undefined ? {} : { token: () => this.#token() };
    const left = options.doc === undefined ? this.#left : null;
    // With the epoch: if the server has replaced the document meanwhile, the two are not mixed.
    const copy = left === null ? {} : { epoch: left.epoch };
    const room = new Room({ ...options, ...token, ...copy, onError, connect: false });
    if (left !== null) carryOver(left.doc, room.doc);
    return room;
  }

  /** The newest: a page that renders again with a new token means this one. */
  #token(): string | null | Promise<string | null> {
    const token = this.#options.options?.token;
    return typeof token === "function" ? token() : (token ?? null);
  }

  #enter({ room, presence }: Scope): void {
    if (this.#entered) return;
    this.#entered = true;
    arrivalOf(room);
    presence.start();
    const { options } = this.#options;
    if (options !== undefined && options.connect !== false) room.connect();
  }

  #leave(): void {
    const scope = this.#scope;
    if (scope === null) return;
    this.#scope = null;
    this.#entered = false;
    scope.presence.destroy();
    if (this.#options.room !== undefined) return;
    const { doc, epoch } = scope.room;
    this.#left = { doc, epoch };
    scope.room.destroy();
  }

  #endAfter(ms: number): void {
    this.#stopTimer();
    this.#timer = this.#timing.setTimeout(() => {
      this.#timer = null;
      this.#leave();
    }, ms);
  }

  #stopTimer(): void {
    if (this.#timer !== null) this.#timing.clearTimeout(this.#timer);
    this.#timer = null;
  }

  #report(error: unknown): void {
    const { onError } = this.#options;
    if (onError === undefined) console.error("[roomtone]", error);
    else onError(error);
  }
}

function carryOver(from: Room["doc"], to: Room["doc"]): void {
  applyUpdate(to, encodeStateAsUpdate(from));
}

/** Whether there is a page that can show something. On a server nothing may be left running. */
function isPage(): boolean {
  return typeof window !== "undefined";
}
