// A room: one document and the people in it, kept in step with the server.

import {
  Awareness,
  applyAwarenessUpdate,
  encodeAwarenessUpdate,
  removeAwarenessStates,
} from "y-protocols/awareness";
import * as Y from "yjs";
import type { Refusal } from "./close.js";
import { Connection, type Status } from "./connection.js";
import { Emitter, type Listener } from "./emitter.js";
import { type Environment, environment } from "./environment.js";
import { covers, Ledger, type Saved } from "./saved.js";
import * as wire from "./wire.js";

/** A token, or what makes one. It is called before each attempt to connect. */
export type TokenSource = string | (() => string | null | Promise<string | null>);

export interface RoomOptions {
  /** The server: `wss://example.org`, with a path if it is mounted below one. `http(s)` will do as well. */
  readonly url: string;
  readonly name: string;
  /** The document to share. Without it the room makes one, and destroys it at its end. */
  readonly doc?: Y.Doc;
  /** Who is here. Without it the room makes one, and destroys it at its end. */
  readonly awareness?: Awareness;
  readonly token?: TokenSource;
  /** `false`: wait for `connect()`. */
  readonly connect?: boolean;
  /** Is told what listeners and observers of the application throw, and what the server sends broken. */
  readonly onError?: (error: unknown) => void;
  readonly environment?: Partial<Environment>;
}

export type RoomEvents = {
  status: { readonly status: Status };
  /** Whether the document holds what the server holds. */
  sync: boolean;
  saved: Saved;
  /** The server will not have this client. `connect()` tries again. */
  refused: Refusal;
  /** The server took the connection and refused a change, since this client may only read: it stays unsaved. */
  denied: { readonly reason: string };
};

export class Room {
  readonly name: string;
  readonly doc: Y.Doc;
  readonly awareness: Awareness;
  readonly #emitter: Emitter<RoomEvents>;
  readonly #connection: Connection;
  readonly #environment: Environment;
  readonly #ledger = new Ledger();
  readonly #report: (error: unknown) => void;
  readonly #release: (() => void)[] = [];
  #saved: Saved = { state: "saved", unsaved: 0, lastSavedAt: null };
  #lastSavedAt: number | null = null;
  #synced = false;
  /** Whether the server has what it lacked. Before that it could not place a new update, so none is sent. */
  #answered = false;
  #destroyed = false;

  constructor(options: RoomOptions) {
    const { url, name, token } = options;
    this.name = name;
    this.doc = options.doc ?? new Y.Doc();
    this.awareness = options.awareness ?? new Awareness(this.doc);
    this.#report = reporter(options.onError);
    this.#emitter = new Emitter(this.#report);
    this.#environment = environment(options.environment);
    this.#connection = new Connection({
      environment: this.#environment,
      address: async () => address(url, name, typeof token === "function" ? await token() : token),
      renewable: typeof token === "function",
      onOpen: () => this.#onOpen(),
      onFrame: (bytes) => this.#onFrame(bytes),
      onLost: () => this.#onLost(),
      onProbe: () => this.#onProbe(),
      onStatus: (status) => this.#onStatus(status),
      onError: this.#report,
    });

    // Work that is in the document already is work that the server has not confirmed.
    this.#ledger.recordAll(this.doc);
    this.#refreshSaved();

    this.doc.on("update", this.#onUpdate);
    this.doc.on("destroy", this.#onDocDestroy);
    this.awareness.on("update", this.#onAwareness);
    this.#release.push(
      () => this.doc.off("update", this.#onUpdate),
      () => this.doc.off("destroy", this.#onDocDestroy),
      () => this.awareness.off("update", this.#onAwareness),
    );
    if (options.awareness === undefined) this.#release.push(() => this.awareness.destroy());
    if (options.doc === undefined) this.#release.push(() => this.doc.destroy());

    if (options.connect !== false) this.connect();
  }

  get status(): Status {
    return this.#connection.status;
  }

  /** Whether the document holds what the server holds. */
  get synced(): boolean {
    return this.#synced;
  }

  /** The same object until something in it changes. */
  get saved(): Saved {
    return this.#saved;
  }

  /** Why the server will not have this client, while it is refused. */
  get refusal(): Refusal | null {
    return this.#connection.refusal;
  }

  /** When the next attempt to connect will be made, in milliseconds since 1970, while one is waited for. */
  get retryAt(): number | null {
    return this.#connection.retryAt;
  }

  /** Returns the way to unsubscribe. */
  on<Name extends keyof RoomEvents>(name: Name, listener: Listener<RoomEvents[Name]>): () => void {
    return this.#emitter.on(name, listener);
  }

  off<Name extends keyof RoomEvents>(name: Name, listener: Listener<RoomEvents[Name]>): void {
    this.#emitter.off(name, listener);
  }

  /** Connects now: also after `disconnect()`, after a refusal, and instead of waiting for the next attempt. */
  connect(): void {
    if (!this.#destroyed) this.#connection.connect();
  }

  /** Closes the connection and stays away. The document goes on, and what is done meanwhile counts as unsaved. */
  disconnect(): void {
    this.#connection.disconnect();
  }

  /** Leaves the room for good. Others see it at once. What is not saved is lost with the document. */
  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    const { clientID } = this.awareness;
    this.#guard(() => removeAwarenessStates(this.awareness, [clientID], "destroy"));
    this.#connection.destroy();
    for (const release of this.#release) this.#guard(release);
    this.#emitter.clear();
  }

  #onOpen(): void {
    this.#sendStep1();
    this.#renewPresence();
    this.#refreshSaved();
  }

  #onProbe(): void {
    this.#sendStep1();
    // The timers of a hidden page are slow: others may have given this client up.
    this.#renewPresence();
  }

  #onLost(): void {
    this.#answered = false;
    this.#setSynced(false);
    this.#forgetPeople();
    this.#refreshSaved();
  }

  #onStatus(status: Status): void {
    this.#emitter.emit("status", { status });
    const refusal = this.#connection.refusal;
    if (refusal !== null) this.#emitter.emit("refused", refusal);
  }

  #onFrame(bytes: Uint8Array): void {
    try {
      for (const message of wire.decodeFrame(bytes)) {
        // A message before this one, or an observer that it woke, may have ended the connection.
        if (this.status !== "connected") return;
        this.#onMessage(message);
      }
    } catch (error) {
      this.#report(error);
      this.#connection.lose();
    }
  }

  #onMessage(message: wire.Message): void {
    switch (message.type) {
      case "step1":
        this.#sendStep2(message.stateVector);
        break;
      case "step2":
        // It is what the server has in memory, not on disk (and it lists every deletion there ever was): it
        // confirms nothing.
        if (this.#apply(message.update)) this.#setSynced(this.status === "connected");
        break;
      case "update":
        if (this.#apply(message.update)) this.#confirm(message.update);
        break;
      case "awareness":
        this.#guard(() => applyAwarenessUpdate(this.awareness, message.update, this));
        break;
      case "query":
        this.#sendAwareness();
        break;
      case "denied":
        this.#emitter.emit("denied", { reason: message.reason });
        break;
    }
  }

  /** Says whether the document took the update. If not, the connection starts anew. */
  #apply(update: Uint8Array): boolean {
    try {
      Y.applyUpdate(this.doc, update, this);
      return true;
    } catch (error) {
      this.#report(error);
      // Observers of the application run inside: when one threw, the document has the update all the same.
      if (covers(this.doc, update)) return true;
      this.#connection.lose();
      return false;
    }
  }

  #confirm(update: Uint8Array): void {
    if (!this.#ledger.confirm(update)) return;
    this.#lastSavedAt = this.#environment.now();
    this.#refreshSaved();
  }

  #sendStep1(): void {
    this.#connection.send(wire.encodeStep1(Y.encodeStateVector(this.doc)));
  }

  #sendStep2(stateVector: Uint8Array): void {
    const update = Y.encodeStateAsUpdate(this.doc, stateVector);
    this.#answered = this.#connection.send(wire.encodeStep2(update));
    // What the server has without our knowing that it is on its disk: the echo of the last socket was lost. Of
    // Step2 it sends back only what is news; what it is sent again, by itself, it confirms.
    const doubtful = this.#ledger.doubtful(this.doc, stateVector);
    if (doubtful !== null) this.#connection.send(wire.encodeUpdate(doubtful));
  }

  /** A new clock: those who saw this client leave ignore its state under the old one. */
  #renewPresence(): void {
    const state = this.awareness.getLocalState();
    if (state !== null) this.#guard(() => this.awareness.setLocalState(state));
  }

  #sendAwareness(): void {
    const { clientID } = this.awareness;
    if (!this.awareness.meta.has(clientID)) return;
    this.#connection.send(wire.encodeAwareness(encodeAwarenessUpdate(this.awareness, [clientID])));
  }

  readonly #onUpdate = (
    update: Uint8Array,
    origin: unknown,
    _doc: Y.Doc,
    transaction: Y.Transaction,
  ): void => {
    if (origin === this) return;
    this.#ledger.record(transaction);
    if (this.#answered) this.#connection.send(wire.encodeUpdate(update));
    this.#refreshSaved();
  };

  readonly #onAwareness = (
    { added, updated, removed }: { added: number[]; updated: number[]; removed: number[] },
    origin: unknown,
  ): void => {
    const { clientID } = this.awareness;
    // What came from the server does not go back to it, or one move of a cursor would bring a frame from every
    // client in the room. Except that this client was declared gone: then it says that it is still here.
    const changed = origin === this ? removed : [...added, ...updated, ...removed];
    if (changed.includes(clientID)) this.#sendAwareness();
  };

  readonly #onDocDestroy = (): void => this.destroy();

  /** Without a connection nobody is known to be here. Their clocks go too, or they would not come back. */
  #forgetPeople(): void {
    const people = [...this.awareness.meta.keys()].filter((id) => id !== this.awareness.clientID);
    this.#guard(() => removeAwarenessStates(this.awareness, people, this));
    for (const id of people) this.awareness.meta.delete(id);
  }

  #setSynced(synced: boolean): void {
    if (this.#synced === synced) return;
    this.#synced = synced;
    this.#emitter.emit("sync", synced);
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
  }

  /** Runs what calls listeners of the application: the connection outlives what they throw. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#report(error);
    }
  }
}

function savedOf(unsaved: number, status: Status, lastSavedAt: number | null): Saved {
  if (unsaved === 0) return { state: "saved", unsaved, lastSavedAt };
  return { state: status === "connected" ? "saving" : "offline", unsaved, lastSavedAt };
}

function address(url: string, name: string, token: string | null | undefined): string {
  const base = url.replace(/^http/, "ws").replace(/\/+$/, "");
  const query = token ? `?token=${encodeURIComponent(token)}` : "";
  return `${base}${wire.roomPath(name)}${query}`;
}

function reporter(onError: ((error: unknown) => void) | undefined): (error: unknown) => void {
  return (error) => {
    try {
      if (onError === undefined) console.error("[roomtone]", error);
      else onError(error);
    } catch {
      // There is nobody left to tell.
    }
  };
}
