// A browser with tabs that can crash: one database, locks and channels that tests see through.

import { IDBFactory, IDBKeyRange } from "fake-indexeddb";
import * as Y from "yjs";
import type { Channel, Locks, OfflineEnvironment } from "../../src/offline/environment.js";
import { type Offline, type OfflineOptions, openOffline } from "../../src/offline/index.js";
import { Clock, settled } from "../fakes.js";

/** Real time after which a test gives up. */
const UNTIL_MS_MAX = 10_000;

/** Chance that can be repeated: the same seed, the same numbers. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export class Browser {
  readonly clock = new Clock();
  readonly indexedDB = new IDBFactory();
  readonly random: () => number;
  readonly tabs = new Set<Tab>();
  readonly channels = new Set<FakeChannel>();
  readonly #queues = new Map<string, Waiting[]>();
  readonly #holders = new Map<string, Tab>();

  constructor(random: () => number = seeded(1)) {
    this.random = random;
  }

  tab(): Tab {
    const tab = new Tab(this);
    this.tabs.add(tab);
    return tab;
  }

  /** Who holds a lock, for all that asked. */
  request(name: string, waiting: Waiting): void {
    const queue = this.#queues.get(name) ?? [];
    this.#queues.set(name, queue);
    queue.push(waiting);
    this.grant(name);
  }

  grant(name: string): void {
    if (this.#holders.has(name)) return;
    const queue = this.#queues.get(name) ?? [];
    let next = queue.shift();
    while (next !== undefined && (next.tab.crashed || next.isAborted())) next = queue.shift();
    if (next === undefined) return;
    const { tab, held } = next;
    this.#holders.set(name, tab);
    const release = () => {
      if (this.#holders.get(name) !== tab) return;
      this.#holders.delete(name);
      this.grant(name);
    };
    void settled().then(() => (tab.crashed ? undefined : held().then(release)));
  }

  /** A crashed tab holds nothing. */
  forget(tab: Tab): void {
    this.tabs.delete(tab);
    for (const [name, holder] of [...this.#holders]) {
      if (holder !== tab) continue;
      this.#holders.delete(name);
      this.grant(name);
    }
  }
}

interface Waiting {
  readonly tab: Tab;
  readonly isAborted: () => boolean;
  readonly held: () => Promise<void>;
}

export class Tab {
  readonly errors: unknown[] = [];
  readonly #browser: Browser;
  readonly #transactions = new Set<IDBTransaction>();
  readonly channels = new Set<FakeChannel>();
  readonly databases: IDBDatabase[] = [];
  crashed = false;
  /** A frozen tab keeps its lock, and hears and says nothing. */
  frozen = false;
  /** Is called with each transaction that begins: a test may abort it. */
  onTransaction: (transaction: IDBTransaction) => void = () => {};

  constructor(browser: Browser) {
    this.#browser = browser;
  }

  get environment(): OfflineEnvironment {
    const { clock, random } = this.#browser;
    return {
      indexedDB: { open: (name, version) => this.#open(name, version) },
      IDBKeyRange: IDBKeyRange as unknown as typeof globalThis.IDBKeyRange,
      locks: this.#locks,
      openChannel: (name) => new FakeChannel(this, this.#browser, name),
      crypto: globalThis.crypto,
      setTimeout: clock.setTimeout,
      clearTimeout: clock.clearTimeout,
      now: () => clock.nowMs,
      random,
    };
  }

  open(options: Partial<OfflineOptions> = {}): Promise<Offline> {
    const { environment, ...others } = options;
    return openOffline({
      name: "room",
      onError: (error) => this.errors.push(error),
      environment: { ...this.environment, ...environment },
      ...others,
    });
  }

  /** Everything stops here: what is on its way to the disk arrives, or does not. */
  crash(): void {
    this.crashed = true;
    for (const transaction of this.#transactions) {
      if (this.#browser.random() < 0.5) abort(transaction);
    }
    for (const channel of this.channels) channel.close();
    this.#browser.forget(this);
  }

  readonly #locks: Locks = {
    request: (name, { signal }, held) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(new DOMException("", "AbortError")));
        this.#browser.request(name, { tab: this, isAborted: () => signal.aborted, held });
      }),
  };

  #open(name: string, version?: number): IDBOpenDBRequest {
    const request = this.#browser.indexedDB.open(name, version);
    request.addEventListener("success", () => this.#follow(request.result));
    return request;
  }

  #follow(database: IDBDatabase): void {
    this.databases.push(database);
    const begin = database.transaction.bind(database);
    database.transaction = (...args) => {
      if (this.crashed) throw new Error("a crashed tab does nothing");
      const transaction = begin(...args);
      this.#transactions.add(transaction);
      transaction.addEventListener("complete", () => this.#transactions.delete(transaction));
      transaction.addEventListener("abort", () => this.#transactions.delete(transaction));
      this.onTransaction(transaction);
      return transaction;
    };
  }
}

/** Keeps the order of what one tab sends, and takes its time. */
export class FakeChannel implements Channel {
  onmessage: ((event: { data: unknown }) => void) | null = null;
  readonly #inbox: unknown[] = [];
  #pumps = false;
  #closed = false;

  constructor(
    readonly tab: Tab,
    readonly browser: Browser,
    readonly name: string,
  ) {
    browser.channels.add(this);
    tab.channels.add(this);
  }

  postMessage(message: unknown): void {
    if (this.#closed) throw new DOMException("closed", "InvalidStateError");
    if (this.tab.crashed || this.tab.frozen) return;
    for (const other of this.browser.channels) {
      if (other === this || other.name !== this.name) continue;
      other.#inbox.push(structuredClone(message));
      void other.#pump();
    }
  }

  close(): void {
    this.#closed = true;
    this.browser.channels.delete(this);
    this.tab.channels.delete(this);
  }

  async #pump(): Promise<void> {
    if (this.#pumps) return;
    this.#pumps = true;
    while (this.#inbox.length > 0) {
      do await settled();
      while (this.browser.random() < 0.3);
      const data = this.#inbox.shift();
      if (!this.#closed && !this.tab.crashed && !this.tab.frozen) this.onmessage?.({ data });
    }
    this.#pumps = false;
  }
}

/** Waits for what takes turns of the event loop: many, where there is a cipher. */
export async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + UNTIL_MS_MAX;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`never: ${condition}`);
    await settled();
  }
}

export function abort(transaction: IDBTransaction): void {
  try {
    transaction.abort();
  } catch {
    // It has ended already.
  }
}

export function text(doc: Y.Doc): string {
  return doc.getText("text").toString();
}

export function type(doc: Y.Doc, written: string): void {
  const shared = doc.getText("text");
  shared.insert(shared.length, written);
}

/** The text that a fresh tab finds on the disk. */
export async function stored(browser: Browser, options: Partial<OfflineOptions> = {}) {
  const tab = browser.tab();
  const offline = await tab.open(options);
  const found = text(offline.doc);
  await offline.destroy();
  browser.tabs.delete(tab);
  return found;
}

/** The rows on the disk, as they are. */
export async function rows(browser: Browser): Promise<Record<string, unknown>[]> {
  const request = browser.indexedDB.open("roomtone-offline");
  await new Promise((resolve) => request.addEventListener("success", resolve));
  const database = request.result;
  const all = database.transaction("rows").objectStore("rows").getAll();
  await new Promise((resolve) => all.addEventListener("success", resolve));
  database.close();
  return all.result;
}

export function docWith(written: string): Y.Doc {
  const doc = new Y.Doc();
  type(doc, written);
  return doc;
}
