// A document on this device: loaded before there is a connection, kept while there is none.

import * as Y from "yjs";
import { Emitter, type Listener } from "../emitter.js";
import { type Report, reporter } from "../error.js";
import { type Database, openDatabase } from "./database.js";
import { type OfflineEnvironment, offlineEnvironment } from "./environment.js";
import { OfflineError, offlineError } from "./error.js";
import { Journal } from "./journal.js";
import { Seal } from "./seal.js";
import { StaleCopy } from "./stale.js";
import { Store } from "./store.js";

/** The database that is used where no other is named. */
export const DATABASE_NAME = "roomtone-offline";

/** What is kept, where, and how. */
export interface OfflineOptions {
  /** The name of the room. */
  readonly name: string;
  /** The document to keep. Without it one is made, and destroyed with `destroy()`. */
  readonly doc?: Y.Doc;
  /** For AES-GCM, to encrypt and to decrypt: nothing is stored that it does not close. */
  readonly key?: CryptoKey | null;
  /** The database for all documents that belong together: one for each account keeps accounts apart. */
  readonly database?: string;
  /** Is told what listeners and observers of the application throw, and what on the disk is damaged. */
  readonly onError?: (error: unknown) => void;
  readonly environment?: Partial<OfflineEnvironment>;
}

/**
 * `open`: what is done is kept on this device. `replaced`: it is, as a stale copy; the document goes on in another one.
 * `unavailable`: nothing is kept, for the reason in `error`. `closed`: `destroy()` or `clear()` was called.
 */
export type OfflineState = "open" | "replaced" | "unavailable" | "closed";

/** Whether the document is on this device's disk. */
export interface OfflineSaved {
  /**
   * `saved`: everything in the document is on this device's disk. `saving`: some of it is on its way there.
   * `unavailable`: nothing is kept any more.
   */
  readonly state: "saved" | "saving" | "unavailable";
  /** Updates that are not known to be on the disk, wherever they came from. */
  readonly unsaved: number;
  /** When everything was last on the disk after something was not, in milliseconds since 1970. */
  readonly lastSavedAt: number | null;
}

/** What an offline document tells, and with what: for `on`. */
export type OfflineEvents = {
  state: OfflineState;
  saved: OfflineSaved;
  /** The epoch of the document became known, in this tab or another. */
  epoch: number;
  /** The document goes on in another lineage, of this epoch: 0 where there is none, or only another tab knows it. */
  replaced: { readonly epoch: number };
};

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: OfflineError) => void;
}

/**
 * Loads what this device has of the document, and keeps what is done to it from then on. Rejects only when the options
 * are wrong: where nothing can be stored, the state is `unavailable`, and the document works in memory.
 */
export async function openOffline(options: OfflineOptions): Promise<Offline> {
  const offline = new Offline(options);
  await offline.open();
  return offline;
}

/** A document that is kept on this device: what `openOffline` resolves with. */
export class Offline {
  readonly name: string;
  readonly doc: Y.Doc;
  readonly #options: OfflineOptions;
  readonly #environment: OfflineEnvironment;
  readonly #emitter: Emitter<OfflineEvents>;
  readonly #report: Report;
  readonly #seal: Seal;
  readonly #journal: Journal;
  #store: Store | null = null;
  #state: OfflineState = "open";
  #error: OfflineError | null = null;
  #saved: OfflineSaved = { state: "saved", unsaved: 0, lastSavedAt: null };
  #waiters: Waiter[] = [];
  #isReplaced = false;
  #replacing: Promise<void> | null = null;
  #destroying: Promise<void> | null = null;

  /** @internal Use `openOffline`. */
  constructor(options: OfflineOptions) {
    if (typeof options.name !== "string" || options.name === "") {
      throw new OfflineError("options", "The name of the room is missing");
    }
    this.#options = options;
    this.#environment = offlineEnvironment(options.environment);
    this.#seal = new Seal(this.#environment.crypto, options.name, options.key ?? null);
    this.#report = reporter(options.onError);
    this.#emitter = new Emitter(this.#report);
    this.name = options.name;
    this.doc = options.doc ?? new Y.Doc();
    this.doc.on("destroy", this.#onDocDestroy);
    this.#journal = new Journal({
      environment: this.#environment,
      doc: this.doc,
      seal: this.#seal,
      onChange: () => this.#refreshSaved(),
      onEpoch: (epoch) => this.#emitter.emit("epoch", epoch),
      onForeign: (epoch) => void this.#moveAside(epoch),
      onReplaced: (epoch) => this.#setReplaced(epoch),
      onFailed: (error) => this.#fail(error),
      onError: this.#report,
    });
  }

  readonly #onDocDestroy = (): void => void this.destroy();

  /** @internal */
  async open(): Promise<void> {
    try {
      const database = this.#options.database ?? DATABASE_NAME;
      const opened = await openDatabase(this.#environment, database, (error) => this.#fail(error));
      this.#store = this.#storeOf(opened);
      const lineage = await this.#store.open();
      await this.#journal.start(this.#store, lineage, `${database}/${lineage.id}`);
    } catch (cause) {
      this.#fail(offlineError(cause, "open the document"));
    }
    this.#refreshSaved();
  }

  /** Whether anything is kept. */
  get state(): OfflineState {
    return this.#state;
  }

  /** Why nothing can be stored, while the state is `unavailable`. */
  get error(): OfflineError | null {
    return this.#error;
  }

  /** The same object until something in it changes. */
  get saved(): OfflineSaved {
    return this.#saved;
  }

  /** Of which epoch the document is, 0 while that is not known. To be given to the room. */
  get epoch(): number {
    return this.#journal.epoch;
  }

  /** Returns the way to unsubscribe. */
  on<Name extends keyof OfflineEvents>(
    name: Name,
    listener: Listener<OfflineEvents[Name]>,
  ): () => void {
    return this.#emitter.on(name, listener);
  }

  /** Takes away a listener that `on` was given. */
  off<Name extends keyof OfflineEvents>(name: Name, listener: Listener<OfflineEvents[Name]>): void {
    this.#emitter.off(name, listener);
  }

  /** Resolves when everything is on the disk. Rejects when it cannot get there. */
  whenSaved(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#settleWaiters();
    });
  }

  /**
   * The server says of which epoch the document is. Where it is known to be of another one, that is the same as
   * `replace`: what grew from different beginnings is never merged. Resolves when it is stored, or cannot be.
   */
  async setEpoch(epoch: number): Promise<void> {
    checkEpoch(epoch, 1);
    const last = this.#journal.epoch;
    if (last === epoch) return;
    if (last !== 0) return this.replace(epoch);
    const stored = this.#journal.setEpoch(epoch);
    this.#emitter.emit("epoch", epoch);
    await stored;
  }

  /**
   * The server has replaced the document by one of another epoch, or deleted it: 0. What is stored is moved aside as a stale copy, in
   * all tabs; what is still done in this document goes there too. Open the room again, with another document.
   */
  async replace(epoch: number): Promise<void> {
    checkEpoch(epoch, 0);
    if ((epoch !== 0 && epoch === this.#journal.epoch) || this.#state === "closed") return;
    await this.#moveAside(epoch);
  }

  /** What the document was before it was replaced, the oldest first. Rejects where there is no database. */
  async staleCopies(): Promise<StaleCopy[]> {
    const store = this.#needStore();
    try {
      const lineages = await store.stale();
      return lineages
        .map((lineage) => new StaleCopy(lineage, store, this.#seal, this.#report))
        .sort((a, b) => a.replacedAt - b.replacedAt);
    } catch (cause) {
      throw offlineError(cause, "list the stale copies");
    }
  }

  /** Forgets the document on this device, stale copies included, and keeps nothing more of it, in all tabs. */
  async clear(): Promise<void> {
    const store = this.#needStore();
    await this.#journal.stop(false);
    try {
      await store.clear();
    } catch (cause) {
      const error = offlineError(cause, "clear the document");
      this.#fail(error);
      throw error;
    }
    this.#journal.post({ type: "cleared" });
    this.#close();
  }

  /**
   * Writes what is left, and gives everything back. The room that uses the document goes first. A document that is
   * destroyed takes this along.
   */
  destroy(): Promise<void> {
    this.#destroying ??= this.#destroy();
    return this.#destroying;
  }

  async #destroy(): Promise<void> {
    await this.#journal.stop(true);
    await this.#replacing;
    this.#close();
    this.#emitter.clear();
    this.doc.off("destroy", this.#onDocDestroy);
    if (this.#options.doc === undefined) this.doc.destroy();
  }

  /** Asked twice, by the room and by another tab, it happens once. */
  #moveAside(epoch: number): Promise<void> {
    this.#replacing ??= this.#replace(epoch);
    return this.#replacing;
  }

  async #replace(epoch: number): Promise<void> {
    try {
      const id = this.#journal.lineage;
      if (this.#store !== null && id !== null) await this.#store.replace(id, epoch);
      this.#journal.post({ type: "replaced", epoch });
    } catch (cause) {
      this.#fail(offlineError(cause, "move the document aside"));
    }
    this.#setReplaced(epoch);
  }

  #setReplaced(epoch: number): void {
    if (this.#isReplaced || this.#state === "closed") return;
    this.#isReplaced = true;
    if (this.#state === "open") this.#setState("replaced");
    this.#emitter.emit("replaced", { epoch });
  }

  #storeOf(database: Database): Store {
    return new Store(this.#environment, database, this.name, this.#seal);
  }

  #needStore(): Store {
    if (this.#store !== null) return this.#store;
    throw this.#error ?? new OfflineError("closed", "The document is closed");
  }

  #fail(error: OfflineError): void {
    if (this.#state === "unavailable" || this.#state === "closed") return;
    this.#journal.fail();
    this.#error = error;
    this.#setState("unavailable");
  }

  #close(): void {
    this.#journal.close();
    this.#store?.close();
    this.#store = null;
    this.#error = null;
    this.#setState("closed");
  }

  #setState(state: OfflineState): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#emitter.emit("state", state);
    this.#refreshSaved();
  }

  #refreshSaved(): void {
    const { unsaved } = this.#journal;
    const last = this.#saved;
    const state = this.#savedState(unsaved);
    if (state !== last.state || unsaved !== last.unsaved) {
      const isNews = state === "saved" && last.unsaved > 0;
      const lastSavedAt = isNews ? this.#environment.now() : last.lastSavedAt;
      this.#saved = { state, unsaved, lastSavedAt };
      this.#emitter.emit("saved", this.#saved);
    }
    this.#settleWaiters();
  }

  #savedState(unsaved: number): OfflineSaved["state"] {
    if (this.#state === "unavailable" || this.#state === "closed") return "unavailable";
    return unsaved === 0 ? "saved" : "saving";
  }

  #settleWaiters(): void {
    const { state } = this.#saved;
    if (state === "saving" || this.#waiters.length === 0) return;
    for (const { resolve, reject } of this.#waiters.splice(0)) {
      if (state === "saved") resolve();
      else reject(this.#error ?? new OfflineError("closed", "The document is closed"));
    }
  }
}

function checkEpoch(epoch: number, least: number): void {
  if (Number.isSafeInteger(epoch) && epoch >= least) return;
  throw new OfflineError("options", `An epoch is a whole number from ${least} on, not ${epoch}`);
}
