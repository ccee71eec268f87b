// IndexedDB as promises: opening with a time limit, and transactions that count only when they are complete.

import type { OfflineEnvironment } from "./environment.js";
import { OfflineError, offlineError } from "./error.js";

/** Time for the database to open. Over it another tab holds it, or the browser has hung. */
export const OPEN_MS_MAX = 10_000;
/** The form of the tables. Another form needs another number, and a way from each older one. */
const FORM_VERSION = 1;

const TABLES = ["documents", "lineages", "rows"] as const;

export type Table = (typeof TABLES)[number];

export class Database {
  readonly #database: IDBDatabase;

  /** `onLost` is told when the database is taken away: it cannot be used from then on. */
  constructor(database: IDBDatabase, onLost: (error: OfflineError) => void) {
    this.#database = database;
    database.onversionchange = () => {
      // To hold on would block the other tab, maybe for days.
      database.close();
      onLost(new OfflineError("version_change", "Another tab wants to change the database"));
    };
    database.onclose = () => onLost(new OfflineError("closed", "The browser closed the database"));
  }

  /**
   * Runs `work` in one transaction. It may wait only for requests of that transaction, or this ends without it.
   * Resolves when all of it is on the disk, and not before; rejects when none of it is.
   */
  run<Result>(
    mode: "readonly" | "readwrite",
    work: (transaction: Transaction) => Promise<Result>,
  ): Promise<Result> {
    return new Promise((resolve, reject) => {
      // "strict": complete means on the disk, and not on its way there.
      const transaction = this.#database.transaction(TABLES, mode, { durability: "strict" });
      let outcome: { readonly result: Result } | { readonly error: unknown } | null = null;
      transaction.oncomplete = () => {
        if (outcome !== null && "result" in outcome) resolve(outcome.result);
        else reject(outcome?.error ?? new Error("The transaction ended before its work"));
      };
      transaction.onabort = () =>
        reject(transaction.error ?? (outcome !== null && "error" in outcome && outcome.error));
      work(new Transaction(transaction)).then(
        (result) => {
          outcome = { result };
        },
        (error: unknown) => {
          outcome = { error };
          try {
            transaction.abort();
          } catch {
            // It has ended already, and says how by itself.
          }
        },
      );
    });
  }

  close(): void {
    this.#database.close();
  }
}

export class Transaction {
  readonly #transaction: IDBTransaction;

  constructor(transaction: IDBTransaction) {
    this.#transaction = transaction;
  }

  get<Row>(table: Table, key: IDBValidKey): Promise<Row | undefined> {
    return outcome(this.#table(table).get(key));
  }

  all<Row>(table: Table, range: IDBKeyRange | IDBValidKey): Promise<Row[]> {
    return outcome(this.#table(table).getAll(range));
  }

  keys(table: Table, range: IDBKeyRange): Promise<IDBValidKey[]> {
    return outcome(this.#table(table).getAllKeys(range));
  }

  /** The lineages of a document. */
  allOf<Row>(name: string): Promise<Row[]> {
    return outcome(this.#table("lineages").index("name").getAll(name));
  }

  async put(table: Table, row: object): Promise<void> {
    await outcome(this.#table(table).put(row));
  }

  async delete(table: Table, range: IDBKeyRange | IDBValidKey): Promise<void> {
    await outcome(this.#table(table).delete(range));
  }

  #table(table: Table): IDBObjectStore {
    return this.#transaction.objectStore(table);
  }
}

export function openDatabase(
  environment: OfflineEnvironment,
  name: string,
  onLost: (error: OfflineError) => void,
): Promise<Database> {
  const { indexedDB } = environment;
  return new Promise((resolve, reject) => {
    if (indexedDB === null) throw new OfflineError("unsupported", "There is no IndexedDB here");
    const request = indexedDB.open(name, FORM_VERSION);
    let isLate = false;
    const timer = environment.setTimeout(() => {
      isLate = true;
      reject(new OfflineError("blocked", "The database did not open in time"));
    }, OPEN_MS_MAX);
    request.onupgradeneeded = () => createTables(request.result);
    request.onsuccess = () => {
      environment.clearTimeout(timer);
      if (isLate) request.result.close();
      else resolve(new Database(request.result, onLost));
    };
    request.onerror = () => {
      environment.clearTimeout(timer);
      reject(openingError(request.error));
    };
  }).catch((cause: unknown) => {
    throw openingError(cause);
  }) as Promise<Database>;
}

function createTables(database: IDBDatabase): void {
  database.createObjectStore("documents", { keyPath: "name" });
  database.createObjectStore("lineages", { keyPath: "id" }).createIndex("name", "name");
  database.createObjectStore("rows", { keyPath: ["lineage", "number"] });
}

/** Private windows of some browsers have an IndexedDB that opens nothing. */
function openingError(cause: unknown): OfflineError {
  if (cause instanceof Error && cause.name === "InvalidStateError") {
    return new OfflineError("unsupported", "IndexedDB cannot be used here", cause);
  }
  return offlineError(cause, "open the database");
}

function outcome<Result>(request: IDBRequest<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
