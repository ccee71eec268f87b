// One document on this device: its lineages, one of them current, and the rows of each.

import type { Database, Transaction } from "./database.js";
import { type OfflineEnvironment, randomId } from "./environment.js";
import { OfflineError } from "./error.js";
import type { Seal, Sealed } from "./seal.js";

/** Rows of updates behind a snapshot. Over it: they are made into one. */
export const TAIL_ROWS_MAX = 500;
/** Bytes of updates behind a snapshot that is smaller than this. Over it, and over the snapshot: as above. */
export const TAIL_BYTES_MAX = 1024 * 1024;

interface DocumentRow {
  readonly name: string;
  /** A new one after each `clear`: who still has the old one writes no more. */
  readonly id: string;
  /** The lineage that goes on. */
  readonly lineage: string;
  /** Known bytes under the key, to tell a wrong key before anything is written; null where there is no key. */
  readonly check: Sealed | null;
}

/** All that grew from one beginning. A document that was replaced goes on in a new lineage. */
export interface Lineage {
  readonly id: string;
  readonly name: string;
  /** Of which epoch of the document it is, 0 while that is not known. */
  readonly epoch: number;
  /** When it was moved aside, in milliseconds since 1970; null for the current one. */
  readonly staleAt: number | null;
  /** The number of the next row. */
  readonly next: number;
  readonly snapshotBytes: number;
  readonly tailRows: number;
  readonly tailBytes: number;
}

export interface Row extends Sealed {
  readonly lineage: string;
  readonly number: number;
  readonly kind: "update" | "snapshot";
}

/** What is to be written: an update, or a snapshot that stands for the rows up to a number. */
export interface Entry {
  readonly kind: Row["kind"];
  readonly sealed: Sealed;
  /** The rows that a snapshot holds: it replaces these, and no others. */
  readonly merged: { readonly through: number; readonly except: ReadonlySet<number> } | null;
}

export class Store {
  readonly #environment: OfflineEnvironment;
  readonly #database: Database;
  readonly #name: string;
  readonly #seal: Seal;
  /** The id of the document's row, null until it was opened. */
  #id: string | null = null;

  constructor(environment: OfflineEnvironment, database: Database, name: string, seal: Seal) {
    this.#environment = environment;
    this.#database = database;
    this.#name = name;
    this.#seal = seal;
  }

  /** The current lineage; a new one where there is none. Rejects when the key is not the one of what is stored. */
  async open(): Promise<Lineage> {
    const id = randomId(this.#environment);
    // Sealed beforehand: a transaction does not wait for the cipher.
    const check = this.#seal.encrypts
      ? await this.#seal.close("check", "", new TextEncoder().encode(id))
      : null;
    const { document, lineage } = await this.#database.run("readwrite", async (transaction) => {
      const found = await transaction.get<DocumentRow>("documents", this.#name);
      const lineage = found && (await transaction.get<Lineage>("lineages", found.lineage));
      if (found !== undefined && lineage !== undefined) return { document: found, lineage };
      const created = emptyLineage(randomId(this.#environment), this.#name, 0);
      const document: DocumentRow = { name: this.#name, id, lineage: created.id, check };
      await transaction.put("documents", document);
      await transaction.put("lineages", created);
      return { document, lineage: created };
    });
    await this.#checkKey(document.check);
    this.#id = document.id;
    return lineage;
  }

  /** The rows of a lineage with numbers from `first` on, and the lineage itself; null where it is gone. */
  read(
    id: string,
    first: number,
  ): Promise<{ readonly lineage: Lineage; readonly rows: Row[] } | null> {
    return this.#database.run("readonly", async (transaction) => {
      const lineage = await transaction.get<Lineage>("lineages", id);
      if (lineage === undefined) return null;
      return { lineage, rows: await transaction.all<Row>("rows", this.#range(id, first)) };
    });
  }

  /**
   * Writes an entry, or the epoch alone, and returns the lineage as it is then: with another epoch, where that was
   * known before. Null: the lineage is gone.
   */
  append(id: string, epoch: number, entry: Entry | null): Promise<Lineage | null> {
    return this.#database.run("readwrite", async (transaction) => {
      const lineage = await transaction.get<Lineage>("lineages", id);
      if (lineage === undefined) return null;
      const named = { ...lineage, epoch: lineage.epoch || epoch };
      return this.#write(transaction, named, entry);
    });
  }

  /**
   * Puts a lineage back that was discarded, as a stale copy, while a tab still worked in it. Rejects with `cleared` when
   * all of the document was.
   */
  rescue(id: string, epoch: number, entry: Entry): Promise<Lineage> {
    return this.#database.run("readwrite", async (transaction) => {
      await this.#checkCleared(transaction);
      const staleAt = this.#environment.now();
      const lineage = (await transaction.get<Lineage>("lineages", id)) ?? {
        ...emptyLineage(id, this.#name, epoch),
        staleAt,
      };
      return this.#write(transaction, lineage, entry);
    });
  }

  /** Moves a lineage aside, whole, and begins another. Nothing happens where it is not the current one. */
  replace(id: string, epoch: number): Promise<void> {
    return this.#database.run("readwrite", async (transaction) => {
      await this.#checkCleared(transaction);
      const document = await transaction.get<DocumentRow>("documents", this.#name);
      const lineage = await transaction.get<Lineage>("lineages", id);
      if (document?.lineage !== id || lineage === undefined) return;
      const next = emptyLineage(randomId(this.#environment), this.#name, epoch);
      await transaction.put("lineages", next);
      await transaction.put("documents", { ...document, lineage: next.id });
      if (isEmpty(lineage)) await transaction.delete("lineages", id);
      else await transaction.put("lineages", { ...lineage, staleAt: this.#environment.now() });
    });
  }

  async stale(): Promise<Lineage[]> {
    const lineages = await this.#database.run("readonly", (transaction) =>
      transaction.allOf<Lineage>(this.#name),
    );
    return lineages.filter((lineage) => lineage.staleAt !== null && !isEmpty(lineage));
  }

  discard(id: string): Promise<void> {
    return this.#database.run("readwrite", async (transaction) => {
      await transaction.delete("rows", this.#range(id, 0));
      await transaction.delete("lineages", id);
    });
  }

  /** Forgets all lineages of the document. */
  clear(): Promise<void> {
    return this.#database.run("readwrite", async (transaction) => {
      for (const { id } of await transaction.allOf<Lineage>(this.#name)) {
        await transaction.delete("rows", this.#range(id, 0));
        await transaction.delete("lineages", id);
      }
      await transaction.delete("documents", this.#name);
    });
  }

  close(): void {
    this.#database.close();
  }

  async #checkKey(check: Sealed | null): Promise<void> {
    // What has no check was stored without a key.
    await this.#seal.open("check", "", check ?? { iv: null, bytes: new Uint8Array() });
  }

  async #checkCleared(transaction: Transaction): Promise<void> {
    const document = await transaction.get<DocumentRow>("documents", this.#name);
    if (document?.id === this.#id) return;
    throw new OfflineError("cleared", "The document is not stored on this device any more");
  }

  async #write(transaction: Transaction, lineage: Lineage, entry: Entry | null): Promise<Lineage> {
    if (entry === null) {
      await transaction.put("lineages", lineage);
      return lineage;
    }
    const { kind, sealed, merged } = entry;
    const row: Row = { lineage: lineage.id, number: lineage.next, kind, ...sealed };
    await transaction.put("rows", row);
    const size = sealed.bytes.byteLength;
    let written: Lineage = { ...lineage, next: lineage.next + 1 };
    if (merged === null) {
      const { tailRows, tailBytes } = lineage;
      written = { ...written, tailRows: tailRows + 1, tailBytes: tailBytes + size };
    } else {
      const kept = await this.#deleteMerged(transaction, lineage.id, merged);
      written = { ...written, snapshotBytes: size, ...kept };
    }
    await transaction.put("lineages", written);
    return written;
  }

  /** Deletes the rows that a snapshot holds, and counts those that other tabs have written since. */
  async #deleteMerged(
    transaction: Transaction,
    id: string,
    { through, except }: NonNullable<Entry["merged"]>,
  ): Promise<Pick<Lineage, "tailRows" | "tailBytes">> {
    let [tailRows, tailBytes] = [0, 0];
    // Up to the one before the snapshot, which is the newest.
    const keys = await transaction.keys("rows", this.#range(id, 0));
    for (const key of keys.slice(0, -1)) {
      const number = (key as [string, number])[1];
      if (number <= through) {
        // Damaged rows stay, uncounted: no snapshot could ever take them in.
        if (!except.has(number)) await transaction.delete("rows", key);
      } else {
        const row = await transaction.get<Row>("rows", key);
        tailRows += 1;
        tailBytes += row?.bytes.byteLength ?? 0;
      }
    }
    return { tailRows, tailBytes };
  }

  /** The keys of a lineage's rows from a number on. */
  #range(id: string, first: number): IDBKeyRange {
    const { IDBKeyRange } = this.#environment;
    if (IDBKeyRange === null) throw new OfflineError("unsupported", "There is no IDBKeyRange here");
    return IDBKeyRange.bound([id, first], [id, Number.POSITIVE_INFINITY]);
  }
}

/** Whether the rows behind the snapshot should be made into one with it. */
export function isLong({ tailRows, tailBytes, snapshotBytes }: Lineage): boolean {
  return tailRows > TAIL_ROWS_MAX || tailBytes > Math.max(TAIL_BYTES_MAX, snapshotBytes);
}

export function bytesOf({ snapshotBytes, tailBytes }: Lineage): number {
  return snapshotBytes + tailBytes;
}

function isEmpty({ next }: Lineage): boolean {
  return next === 1;
}

function emptyLineage(id: string, name: string, epoch: number): Lineage {
  return {
    id,
    name,
    epoch,
    staleAt: null,
    next: 1,
    snapshotBytes: 0,
    tailRows: 0,
    tailBytes: 0,
  };
}
