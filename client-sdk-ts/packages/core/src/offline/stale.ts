// What a document was before the server replaced it: kept as it is, beside the one that goes on.

import * as Y from "yjs";
import { OfflineError, offlineError } from "./error.js";
import type { Seal } from "./seal.js";
import { bytesOf, type Lineage, type Store } from "./store.js";

/** What the document was before the server replaced it, whole, until it is discarded. */
export class StaleCopy {
  /** Of which epoch it is, 0 where it never met the server. */
  readonly epoch: number;
  /** When it was moved aside, in milliseconds since 1970. */
  readonly replacedAt: number;
  /** What it takes on this device. */
  readonly bytes: number;
  readonly #id: string;
  readonly #store: Store;
  readonly #seal: Seal;
  readonly #report: (error: unknown) => void;

  /** `report` is told which rows are damaged. */
  constructor(lineage: Lineage, store: Store, seal: Seal, report: (error: unknown) => void) {
    this.epoch = lineage.epoch;
    this.replacedAt = lineage.staleAt ?? 0;
    this.bytes = bytesOf(lineage);
    this.#id = lineage.id;
    this.#store = store;
    this.#seal = seal;
    this.#report = report;
  }

  /** A document of its own, with what can be read of the copy; empty where it was discarded. Rejects if nothing can. */
  async load(): Promise<Y.Doc> {
    const doc = new Y.Doc();
    const errors: OfflineError[] = [];
    try {
      const rows = (await this.#store.read(this.#id, 0))?.rows ?? [];
      for (const row of rows) {
        try {
          Y.applyUpdate(doc, await this.#seal.open(row.kind, row.lineage, row), this);
        } catch (cause) {
          errors.push(damage(cause));
        }
      }
      if (errors.length > 0 && errors.length === rows.length) throw errors[0];
    } catch (cause) {
      doc.destroy();
      throw offlineError(cause, "load the stale copy");
    }
    for (const error of errors) this.#report(error);
    return doc;
  }

  /** Deletes it from this device. */
  async discard(): Promise<void> {
    try {
      await this.#store.discard(this.#id);
    } catch (cause) {
      throw offlineError(cause, "discard the stale copy");
    }
  }
}

function damage(cause: unknown): OfflineError {
  if (cause instanceof OfflineError) return cause;
  return new OfflineError("corrupt", "A row of the stale copy cannot be read", cause);
}
