// A room: one document and the people in it, kept in step with the server.

import { Awareness } from "y-protocols/awareness";
import * as Y from "yjs";
import { apply } from "./apply.js";
import { AwarenessSync } from "./awareness-sync.js";
import { CLOSE_REPLACED, type Refusal } from "./close.js";
import type { Status } from "./connection.js";
import { Emitter, type Listener } from "./emitter.js";
import { type Environment, environment } from "./environment.js";
import { guard, type Report, RoomtoneError, reporter } from "./error.js";
import { encodePayload, type Json, type RoomEvent } from "./event.js";
import { Link } from "./link.js";
import { Membership } from "./membership.js";
import { Ledger, type Saved, savedOf } from "./saved.js";
import type { TokenSource } from "./token.js";
import type { Transport, TransportOption } from "./transport.js";
import type * as wire from "./wire.js";

/** What a room can be given when it is opened. */
export interface OpenOptions {
  /** The document to share. Without it the room makes one, and destroys it at its end. */
  readonly doc?: Y.Doc;
  /** Who is here. Without it the room makes one, and destroys it at its end. */
  readonly awareness?: Awareness;
  /** A token for this room alone, in place of that of the connection. */
  readonly token?: TokenSource;
  /**
   * The epoch that `doc` is a copy of, as `room.epoch` said when it was stored. A server that has another one by now
   * will not mix the two.
   */
  readonly epoch?: number;
  /** `false`: wait for `connect()`. */
  readonly connect?: boolean;
}

/** What a room on a connection of its own is made of. Rooms that share one are opened with `Client.open`. */
export interface RoomOptions extends OpenOptions {
  /** The server: `wss://example.org`, with a path if it is mounted below one. `http(s)` will do as well. */
  readonly url: string;
  readonly name: string;
  /** Is told what listeners and observers of the application throw, and what the server sends broken. */
  readonly onError?: Report;
  /**
   * What the connection goes over. `auto`, the default: a WebSocket, and plain HTTP where a proxy lets none pass.
   */
  readonly transport?: TransportOption;
  readonly environment?: Partial<Environment>;
}

/** What a room tells, and with what: for `on`. */
export type RoomEvents = {
  status: { readonly status: Status };
  /** Whether the document holds what the server holds. */
  sync: boolean;
  /** The same as `sync`, for bindings that know it under this name. */
  synced: boolean;
  saved: Saved;
  /** What this client may do, and as whom. */
  role: { readonly role: string; readonly user: string | null };
  /** What others in the room sent with `send`. */
  event: RoomEvent;
  /** The server will not have this client. `connect()` tries again. */
  refused: Refusal;
  /** The server took the connection and refused a change, since this client may only read: it stays unsaved. */
  denied: { readonly reason: string };
  /**
   * The document was deleted or replaced: the server has another one under this name. `stale` is the copy that was
   * worked on, as it was; `epoch` is that of the new one, 0 if there is none.
   */
  replaced: { readonly stale: Y.Doc; readonly epoch: number };
  /** What the server says about the chat: for the client of `@roomtone/core/chat`, which understands it. */
  chat: wire.ChatNews;
  /** The room has ended. */
  destroy: Room;
};

/**
 * One document and the people in it, kept in step with the server: the provider that editors ask for. `doc` is the document,
 * `awareness` the people, `saved` the answer to "is it saved?".
 */
export class Room {
  readonly name: string;
  readonly doc: Y.Doc;
  readonly awareness: Awareness;
  readonly #emitter: Emitter<RoomEvents>;
  readonly #link: Link;
  /** Whether the connection is this room's alone. */
  readonly #ownsLink: boolean;
  readonly #membership: Membership;
  readonly #presence: AwarenessSync;
  readonly #ledger = new Ledger();
  readonly #report: Report;
  readonly #release: (() => void)[] = [];
  /** Those who wait until all is saved. */
  readonly #waiting = new Set<{ resolve: () => void; reject: (error: unknown) => void }>();
  #saved: Saved = { state: "saved", unsaved: 0, lastSavedAt: null };
  #lastSavedAt: number | null = null;
  #synced = false;
  #epoch: number;
  #role: string | null = null;
  #user: string | null = null;
  /** Whether the server has what it lacked. Before that it could not place a new update, so none is sent. */
  #answered = false;
  /** Whether the server refused a change. It can place none that follows, so none is sent. */
  #denied = false;
  #lastChatCall = 0;
  #destroyed = false;

  /** `shared`: the connection of a client, which opens its rooms with `open`. Without it the room makes its own. */
  constructor(options: RoomOptions, shared?: Link) {
    const { url, name, token } = options;
    this.name = name;
    this.doc = options.doc ?? new Y.Doc();
    this.awareness = options.awareness ?? new Awareness(this.doc);
    this.#epoch = options.epoch ?? 0;
    this.#report = reporter(options.onError);
    this.#emitter = new Emitter(this.#report);
    this.#ownsLink = shared === undefined;
    this.#link =
      shared ??
      new Link({
        url,
        token,
        transport: options.transport,
        environment: environment(options.environment),
        report: this.#report,
      });
    this.#membership = new Membership({
      link: this.#link,
      name,
      token: this.#ownsLink ? undefined : token,
      holdings: () => ({
        epoch: this.#epoch,
        stateVector: Y.encodeStateVector(this.doc),
      }),
      onMessage: (message) => this.#onMessage(message),
      onLost: () => this.#onLost(),
      onProbe: () => this.#presence.renew(),
      onStatus: (status) => this.#onStatus(status),
    });
    this.#presence = new AwarenessSync(
      this.awareness,
      (update) => this.#membership.send({ type: "awareness", update }),
      this.#report,
    );

    // Work that is in the document already is work that the server has not confirmed.
    if (this.doc.store.clients.size > 0) this.#ledger.record();
    this.#refreshSaved();

    this.doc.on("update", this.#onUpdate);
    this.doc.on("destroy", this.#onDocDestroy);
    this.#release.push(
      () => this.doc.off("update", this.#onUpdate),
      () => this.doc.off("destroy", this.#onDocDestroy),
      () => this.#presence.release(),
    );
    if (options.awareness === undefined) this.#release.push(() => this.awareness.destroy());
    if (options.doc === undefined) this.#release.push(() => this.doc.destroy());

    if (options.connect !== false) this.connect();
  }

  /** The document, under the name that some bindings ask for. */
  get document(): Y.Doc {
    return this.doc;
  }

  /** How the connection is doing; `refused` also where the server refuses this room alone. */
  get status(): Status {
    return this.#membership.status;
  }

  /** Whether the document holds what the server holds. */
  get synced(): boolean {
    return this.#synced;
  }

  /** The same object until something in it changes. */
  get saved(): Saved {
    return this.#saved;
  }

  /** What the connection goes over; null while there is none. */
  get transport(): Transport | null {
    return this.#link.transport;
  }

  /** Why the server will not have this client, while it is refused. */
  get refusal(): Refusal | null {
    return this.#membership.refusal;
  }

  /** When the next attempt to connect will be made, in milliseconds since 1970, while one is waited for. */
  get retryAt(): number | null {
    return this.#membership.retryAt;
  }

  /** Which life of the document this is a copy of; 0 before it is known. To be stored with a copy of the document. */
  get epoch(): number {
    return this.#epoch;
  }

  /**
   * Tells of which epoch the document is a copy, where that becomes known only after the room was made: it is loaded from
   * a store, or another tab has met the server. Has no effect once it is known.
   */
  setEpoch(epoch: number): void {
    if (this.#epoch === 0) this.#epoch = epoch;
  }

  /** What this client may do: `viewer`, `commenter`, `editor` or `owner`; null before the server has said it. */
  get role(): string | null {
    return this.#role;
  }

  /** Who this client is, by its token; null for anonymous. */
  get user(): string | null {
    return this.#user;
  }

  /** Returns the way to unsubscribe. */
  on<Name extends keyof RoomEvents>(name: Name, listener: Listener<RoomEvents[Name]>): () => void {
    return this.#emitter.on(name, listener);
  }

  /** Takes away a listener that `on` was given. */
  off<Name extends keyof RoomEvents>(name: Name, listener: Listener<RoomEvents[Name]>): void {
    this.#emitter.off(name, listener);
  }

  /** Connects now: also after `disconnect()`, after a refusal, and instead of waiting for the next attempt. */
  connect(): void {
    if (!this.#destroyed) this.#membership.enter();
  }

  /** Leaves the room and stays away. The document goes on, and what is done meanwhile counts as unsaved. */
  disconnect(): void {
    this.#membership.leave();
    if (this.#ownsLink) this.#link.disconnect();
  }

  /** Leaves the room for good. Others see it at once. What is not saved is lost with the document. */
  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#link.batch(() => {
      this.#presence.leave();
      this.#membership.destroy();
      if (this.#ownsLink) this.#link.destroy();
    });
    for (const release of this.#release) guard(this.#report, release);
    const error = new RoomtoneError("room_destroyed", "The room ended before all was saved");
    for (const { reject } of this.#waiting) reject(error);
    this.#waiting.clear();
    this.#emitter.emit("destroy", this);
    this.#emitter.clear();
  }

  /** Resolves when everything done so far and until then is on the server's disk. Rejects when the room ends first. */
  whenSaved(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#saved.unsaved === 0) resolve();
      else if (this.#destroyed) reject(new RoomtoneError("room_destroyed", "The room has ended"));
      else this.#waiting.add({ resolve, reject });
    });
  }

  /**
   * Says something to those who are in the room now: it is kept nowhere. Says whether there was a connection to say it
   * on. Throws on a payload that is no JSON or too large.
   */
  send(name: string, payload: Json = null): boolean {
    return this.#membership.send({ type: "event", name, payload: encodePayload(name, payload) });
  }

  /**
   * Asks the server something about the chat: for the client of `@roomtone/core/chat`. Returns the number that the answer
   * will carry, or null when there is no connection; a number holds until the room leaves `connected`.
   */
  callChat(request: string): number | null {
    this.#lastChatCall += 1;
    const call = this.#lastChatCall;
    return this.#membership.send({ type: "chatCall", call, request }) ? call : null;
  }

  #onMessage(message: wire.RoomMessage): void {
    switch (message.type) {
      case "joined":
        this.#onJoined(message);
        break;
      case "left":
        if (message.code === CLOSE_REPLACED) {
          this.#emitter.emit("replaced", { stale: this.doc, epoch: message.epoch });
        }
        break;
      case "role":
        this.#onRole(message.role);
        break;
      case "stateVector":
        this.#sendDiff(message.stateVector);
        break;
      case "diff":
        // It is what the server has in memory, not on disk (and it lists every deletion there ever was): it
        // confirms nothing.
        if (this.#apply(message.update)) this.#setSynced(this.status === "connected");
        break;
      case "update":
        this.#apply(message.update);
        break;
      case "saved":
        this.#confirm(message.seq);
        break;
      case "refused":
        this.#denied = true;
        this.#emitter.emit("denied", { reason: message.reason });
        break;
      case "awareness":
        this.#presence.apply(message.update);
        break;
      case "event":
        this.#onEvent(message);
        break;
      case "chatAnswer":
      case "chatChange":
        this.#emitter.emit("chat", message);
        break;
      case "deflatedDiff":
        // The inbox has made it a diff.
        break;
    }
  }

  #onJoined({ epoch, role, user }: wire.Joined): void {
    this.#epoch = epoch;
    this.#setRole(role, user === "" ? null : user);
    this.#presence.renew();
  }

  #onLost(): void {
    this.#answered = false;
    this.#denied = false;
    this.#ledger.reset();
    this.#setSynced(false);
    this.#presence.forgetOthers();
  }

  #onStatus(status: Status): void {
    this.#refreshSaved();
    this.#emitter.emit("status", { status });
    const { refusal } = this;
    if (refusal !== null) this.#emitter.emit("refused", refusal);
  }

  #onRole(role: string): void {
    this.#setRole(role, this.#user);
    // What was refused before may be taken now. The server lacks it, and all that was held back since.
    if (this.#denied) this.#membership.rejoin();
  }

  #onEvent({ user, name, payload }: wire.RoomMessage & { type: "event" }): void {
    let value: unknown;
    try {
      value = JSON.parse(payload);
    } catch {
      // Some client's mistake: nothing that this one could mend.
      return;
    }
    this.#emitter.emit("event", { user: user === "" ? null : user, name, payload: value });
  }

  /** Says whether the document took the update. If not, the room is joined anew. */
  #apply(update: Uint8Array): boolean {
    if (apply(this.doc, update, this, this.#report)) return true;
    this.#membership.lose();
    return false;
  }

  #sendDiff(stateVector: Uint8Array): void {
    let update: Uint8Array;
    try {
      update = Y.encodeStateAsUpdate(this.doc, stateVector);
    } catch (error) {
      this.#report(error);
      this.#membership.lose();
      return;
    }
    this.#answered = true;
    this.#membership.send({ type: "diff", seq: this.#ledger.carry(), update });
  }

  #confirm(seq: number): void {
    if (!this.#ledger.confirm(seq)) return;
    this.#lastSavedAt = this.#link.environment.now();
    this.#refreshSaved();
  }

  readonly #onUpdate = (update: Uint8Array, origin: unknown): void => {
    if (origin === this) return;
    this.#ledger.record();
    if (this.#answered && !this.#denied) {
      this.#membership.send({ type: "edit", seq: this.#ledger.carry(), update });
    }
    this.#refreshSaved();
  };

  readonly #onDocDestroy = (): void => this.destroy();

  #setSynced(synced: boolean): void {
    if (this.#synced === synced) return;
    this.#synced = synced;
    this.#emitter.emit("sync", synced);
    // A listener may have moved it on, and told that.
    if (this.#synced === synced) this.#emitter.emit("synced", synced);
  }

  #setRole(role: string, user: string | null): void {
    if (this.#role === role && this.#user === user) return;
    this.#role = role;
    this.#user = user;
    this.#emitter.emit("role", { role, user });
  }

  #refreshSaved(): void {
    const saved = savedOf(this.#ledger.unsaved, this.status, this.#lastSavedAt);
    const last = this.#saved;
    if (
      saved.state === last.state &&
      saved.unsaved === last.unsaved &&
      saved.lastSavedAt === last.lastSavedAt
    ) {
      return;
    }
    this.#saved = saved;
    this.#emitter.emit("saved", saved);
    if (this.#saved.unsaved > 0) return;
    for (const { resolve } of this.#waiting) resolve();
    this.#waiting.clear();
  }
}
