// Keeps a document and its lineage on the disk in step, both ways, together with the other tabs.

import * as Y from "yjs";
import { guard } from "../error.js";
import { Backlog, type Batch } from "./backlog.js";
import { covers, isWaiting } from "./coverage.js";
import { type OfflineEnvironment, randomId } from "./environment.js";
import { OfflineError, offlineError } from "./error.js";
import type { Seal } from "./seal.js";
import { type Entry, isLong, type Lineage, type Row, type Store } from "./store.js";
import { type Receipt, type TabMessage, Tabs } from "./tabs.js";

/** Time for the leader to write what it was handed. Over it: the tab writes for itself. */
export const HANDED_MS_MAX = 3_000;
/** What came from elsewhere waits for this long before it is handed: most often the leader has it by then. */
export const REMOTE_DELAY_MS = 250;

export interface JournalOptions {
  readonly environment: OfflineEnvironment;
  readonly doc: Y.Doc;
  readonly seal: Seal;
  /** What is not on the disk may have changed. */
  readonly onChange: () => void;
  readonly onEpoch: (epoch: number) => void;
  /** The stored lineage is of another epoch than the document in this tab. */
  readonly onForeign: (epoch: number) => void;
  /** The document goes on in another lineage, of this epoch, 0 where it is not known. */
  readonly onReplaced: (epoch: number) => void;
  /** Nothing can be written any more. */
  readonly onFailed: (error: OfflineError) => void;
  readonly onError: (error: unknown) => void;
}

/** What there is once the lineage is loaded, and until it is closed. */
interface Opened {
  readonly store: Store;
  readonly tabs: Tabs;
  /** As it was last seen on the disk. */
  lineage: Lineage;
}

export class Journal {
  readonly #options: JournalOptions;
  readonly #doc: Y.Doc;
  readonly #backlog = new Backlog();
  /** The origin of what leaders are handed: it is new, unlike what comes from the disk. */
  readonly #handedOver = {};
  readonly #tab: string;
  #open: Opened | null = null;
  /** 0 while it is not known. */
  #epoch = 0;
  /** The rows up to this number are in the document. */
  #seen = 0;
  /** The rows that cannot be read. */
  readonly #damaged = new Set<number>();
  /** The updates up to this number were handed to the leader. */
  #handed = 0;
  /** Whether the leader answers. */
  #trusts = true;
  /** What was handed to this tab, and which of its own updates must be on the disk before it is so. */
  #owed: { readonly receipt: Receipt; readonly mark: number }[] = [];
  /** What comes from the disk may complete an update from elsewhere, which then is not on the disk. */
  #completes = false;
  #behind = false;
  #isReading = false;
  #isWriting = false;
  #writing: Promise<void> = Promise.resolve();
  #silence: unknown = null;
  #delay: unknown = null;
  #stopped = false;

  constructor(options: JournalOptions) {
    this.#options = options;
    this.#doc = options.doc;
    this.#tab = randomId(options.environment);
    this.#doc.on("update", this.#onUpdate);
    // What the document brings along may be new. If it is not, writing it again does no harm.
    const brought = Y.encodeStateAsUpdate(this.#doc);
    if (!covers(new Y.Doc(), brought)) this.#backlog.add(brought);
  }

  /** How many updates are not known to be on the disk. */
  get unsaved(): number {
    return this.#backlog.count;
  }

  get epoch(): number {
    return this.#epoch;
  }

  get lineage(): string | null {
    return this.#open?.lineage.id ?? null;
  }

  /** Loads the lineage into the document, and writes from then on. */
  async start(store: Store, lineage: Lineage, scope: string): Promise<void> {
    const tabs = new Tabs({
      environment: this.#options.environment,
      scope,
      onLead: () => this.#onLead(),
      onMessage: (message) => this.#onMessage(message),
    });
    this.#open = { store, tabs, lineage };
    this.#epoch = lineage.epoch;
    await this.#catchUp();
    tabs.stand();
    this.#schedule(true);
  }

  /** Resolves when it is stored, or known that it cannot be. */
  setEpoch(epoch: number): Promise<void> {
    this.#epoch = epoch;
    this.#wake();
    return this.#writing;
  }

  post(message: TabMessage): void {
    this.#open?.tabs.post(message);
  }

  /** Records no more. With `flush`, what was recorded is written first. */
  async stop(flush: boolean): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#doc.off("update", this.#onUpdate);
    this.#clearTimers();
    if (flush) this.#wake();
    else this.#backlog.abandon();
    await this.#writing;
  }

  /** Gives everything back. Another tab may lead now. */
  close(): void {
    this.#stopped = true;
    this.#doc.off("update", this.#onUpdate);
    this.fail();
  }

  /** Nothing can be written any more: updates are counted, and not kept. */
  fail(): void {
    this.#clearTimers();
    this.#open?.tabs.close();
    this.#open = null;
    this.#owed = [];
    this.#backlog.abandon();
  }

  readonly #onUpdate = (
    update: Uint8Array,
    origin: unknown,
    _doc: Y.Doc,
    transaction: Y.Transaction,
  ): void => {
    if (origin === this && !this.#completes) return;
    this.#backlog.add(update);
    this.#options.onChange();
    this.#schedule(transaction.local);
  };

  /** Whether this tab writes what is its own. */
  get #writes(): boolean {
    return this.#stopped || !this.#trusts || this.#open?.tabs.leads === true;
  }

  #schedule(isLocal: boolean): void {
    if (this.#open === null || this.#backlog.isEmpty) return;
    if (this.#writes) {
      this.#wake();
    } else if (isLocal) {
      // All that one task does goes in one message.
      queueMicrotask(() => this.#hand());
    } else {
      this.#delay ??= this.#after(REMOTE_DELAY_MS, () => {
        this.#delay = null;
        this.#hand();
      });
    }
  }

  #hand(): void {
    if (this.#open === null || this.#stopped) return;
    if (this.#writes) {
      this.#wake();
      return;
    }
    const batch = this.#backlog.after(this.#handed);
    if (batch === null) return;
    this.#handed = batch.last;
    this.post({ type: "hand", tab: this.#tab, ...batch, epoch: this.#epoch });
    this.#watch();
  }

  /** A leader that is frozen, or about to go, does not answer. */
  #watch(): void {
    const mark = this.#handed;
    this.#silence ??= this.#after(HANDED_MS_MAX, () => {
      this.#silence = null;
      if (this.#backlog.first <= mark) {
        this.#trusts = false;
        this.#wake();
      } else if (!this.#backlog.isEmpty) {
        this.#watch();
      }
    });
  }

  #onLead(): void {
    // The last leader may have written what it could not tell any more.
    void this.#catchUp();
    this.post({ type: "leader" });
    this.#wake();
  }

  #onMessage(message: TabMessage): void {
    if (this.#open === null || this.#stopped) return;
    switch (message.type) {
      case "hand":
        if (this.#open.tabs.leads) guard(this.#options.onError, () => this.#onHand(message));
        break;
      case "written":
        if (message.number === this.#seen + 1) {
          this.#takeIn([message.update]);
          this.#seen = message.number;
        } else if (message.number > this.#seen) {
          void this.#catchUp();
        }
        break;
      case "receipts":
        this.#onReceipts(message.receipts);
        break;
      case "leader":
        this.#trusts = true;
        this.#handed = 0;
        void this.#catchUp();
        this.#hand();
        break;
      case "epoch":
        this.#onEpoch(message.epoch);
        break;
      case "replaced":
        this.#options.onReplaced(message.epoch);
        break;
      case "cleared":
        this.#options.onFailed(new OfflineError("cleared", "Another tab cleared the document"));
        break;
    }
  }

  #onHand({ tab, first, last, update, epoch }: TabMessage & { type: "hand" }): void {
    // One of the two is wrong. The follower finds out when it writes its epoch; what it did goes aside with it.
    if (epoch !== 0 && this.#epoch !== 0 && epoch !== this.#epoch) return;
    this.#onEpoch(epoch);
    guard(this.#options.onError, () => Y.applyUpdate(this.#doc, update, this.#handedOver));
    // The document recorded what was new to it. What it could not place yet is recorded here.
    if (!covers(this.#doc, update)) {
      this.#backlog.add(update);
      this.#options.onChange();
    }
    this.#owed.push({ receipt: { tab, first, last }, mark: this.#backlog.last });
    this.#settle();
    this.#wake();
  }

  /** Tells the followers what has come to the disk. */
  #settle(): void {
    const waiting = this.#backlog.first;
    const due = this.#owed.filter(({ mark }) => mark < waiting);
    if (due.length === 0) return;
    this.#owed = this.#owed.filter(({ mark }) => mark >= waiting);
    this.post({ type: "receipts", receipts: due.map(({ receipt }) => receipt) });
  }

  #onReceipts(receipts: readonly Receipt[]): void {
    this.#trusts = true;
    for (const { tab, first, last } of receipts) {
      if (tab === this.#tab) this.#backlog.confirm(first, last);
    }
    this.#options.onChange();
  }

  #onEpoch(epoch: number): void {
    if (epoch === 0 || this.#epoch === epoch) return;
    if (this.#epoch === 0) {
      this.#epoch = epoch;
      this.#options.onEpoch(epoch);
    } else {
      this.#options.onForeign(this.#epoch);
    }
  }

  /** Writes until nothing is left. What comes meanwhile is the next batch. */
  #wake(): void {
    if (this.#isWriting || this.#open === null) return;
    this.#isWriting = true;
    this.#writing = this.#writeAll();
  }

  async #writeAll(): Promise<void> {
    try {
      // All that one task does goes in one row.
      await Promise.resolve();
      while (this.#open !== null) {
        const batch = this.#writes ? this.#backlog.after(0) : null;
        if (batch !== null) await this.#write(this.#open, batch);
        else if (this.#epoch !== 0 && this.#open.lineage.epoch === 0) {
          await this.#writeEpoch(this.#open);
        } else break;
      }
    } catch (cause) {
      this.#options.onFailed(offlineError(cause, "write to the database"));
    } finally {
      this.#isWriting = false;
    }
    // The leader was heard again meanwhile: what is left is for it.
    this.#schedule(true);
  }

  /** The epoch alone: what is written with it brings it along. */
  async #writeEpoch({ store, lineage }: Opened): Promise<void> {
    const written = await store.append(lineage.id, this.#epoch, null);
    // A stale copy that was discarded: there is nothing left to have an epoch.
    this.#note(written ?? { ...lineage, epoch: this.#epoch });
  }

  async #write({ store, tabs, lineage }: Opened, batch: Batch): Promise<void> {
    const { id } = lineage;
    // Only what is in the document now can be merged: the rows that other tabs write meanwhile stay.
    const isSnapshot = tabs.leads && isLong(lineage);
    const merged = isSnapshot ? { through: this.#seen, except: new Set(this.#damaged) } : null;
    const entry = await this.#seal(id, isSnapshot ? null : batch.update, merged);
    const written =
      (await store.append(id, this.#epoch, entry)) ??
      // A stale copy was discarded while there was still work done in it: all of it is put back.
      (await store.rescue(id, this.#epoch, await this.#seal(id, null, merged)));
    this.#backlog.confirm(batch.first, batch.last);
    const number = written.next - 1;
    this.post({ type: "written", number, update: batch.update });
    this.#settle();
    this.#options.onChange();
    this.#note(written);
    if (number === this.#seen + 1) this.#seen = number;
    else await this.#catchUp();
  }

  /** An update, or without one a snapshot of the document. */
  async #seal(id: string, update: Uint8Array | null, merged: Entry["merged"]): Promise<Entry> {
    const kind = update === null ? "snapshot" : "update";
    const bytes = update ?? Y.encodeStateAsUpdate(this.#doc);
    return { kind, sealed: await this.#options.seal.close(kind, id, bytes), merged };
  }

  /** What the lineage on the disk says of itself. */
  #note(lineage: Lineage): void {
    if (this.#open === null) return;
    const { epoch } = lineage;
    const isNews = this.#open.lineage.epoch === 0 && epoch !== 0 && epoch === this.#epoch;
    this.#open.lineage = lineage;
    this.#onEpoch(epoch);
    if (isNews) this.post({ type: "epoch", epoch });
    if (lineage.staleAt !== null) this.#options.onReplaced(0);
  }

  /** Reads what other tabs have written. */
  async #catchUp(): Promise<void> {
    this.#behind = true;
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      while (this.#behind && this.#open !== null) {
        this.#behind = false;
        const { store, lineage } = this.#open;
        const found = await store.read(lineage.id, this.#seen + 1);
        if (found === null) break;
        this.#takeIn(await Promise.all(found.rows.map((row) => this.#unseal(row))), found.rows);
        this.#seen = Math.max(this.#seen, found.lineage.next - 1);
        this.#note(found.lineage);
      }
    } catch (cause) {
      this.#options.onFailed(offlineError(cause, "read from the database"));
    } finally {
      this.#isReading = false;
    }
  }

  async #unseal(row: Row): Promise<Uint8Array | null> {
    try {
      return await this.#options.seal.open(row.kind, row.lineage, row);
    } catch (cause) {
      this.#setDamaged(row, cause);
      return null;
    }
  }

  /** Brings what is on the disk into the document. `rows` are those that the updates were read from. */
  #takeIn(updates: readonly (Uint8Array | null)[], rows: readonly Row[] = []): void {
    this.#completes = isWaiting(this.#doc);
    guard(this.#options.onError, () => {
      Y.transact(
        this.#doc,
        () => {
          for (const [index, update] of updates.entries()) {
            try {
              // Inside a transaction no observers run: what is thrown here is about the bytes.
              if (update !== null) Y.applyUpdate(this.#doc, update, this);
            } catch (cause) {
              this.#setDamaged(rows[index], cause);
            }
          }
        },
        this,
        false,
      );
    });
    this.#completes = false;
  }

  #setDamaged(row: Row | undefined, cause: unknown): void {
    if (row !== undefined) this.#damaged.add(row.number);
    this.#options.onError(new OfflineError("corrupt", "A stored row cannot be read", cause));
  }

  #after(ms: number, run: () => void): unknown {
    return this.#options.environment.setTimeout(run, ms);
  }

  #clearTimers(): void {
    for (const timer of [this.#silence, this.#delay]) {
      if (timer !== null) this.#options.environment.clearTimeout(timer);
    }
    this.#silence = null;
    this.#delay = null;
  }
}
