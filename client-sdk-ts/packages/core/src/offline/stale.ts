// What a document was before the server replaced it: kept as it is, beside the one that goes on.

import * as Y from "yjs";
import { offlineError } from "./error.js";
import type { Seal } from "./seal.js";
import { bytesOf, type Lineage, type Store } from "./store.js";

export class StaleCopy {
  /** Of which epoch it is, null where it never met the server. */
  readonly epoch: number | null;
  /** When it was moved aside, in milliseconds since 1970. */
  readonly replacedAt: number;
  /** What it takes on this device. */
  readonly bytes: number;
  readonly #id: string;
  readonly #store: Store;
  readonly #seal: Seal;

  constructor(lineage: Lineage, store: Store, seal: Seal) {
    this.epoch = lineage.epoch;
    this.replacedAt = lineage.staleAt ?? 0;
    this.bytes = bytesOf(lineage);
    this.#id = lineage.id;
    this.#store = store;
    this.#seal = seal;
  }

  /** A document of its own, with what the copy holds; empty where it was discarded. Rejects when it is damaged. */
  async load(): Promise<Y.Doc> {
    const doc = new Y.Doc();
    try {
      const found = await this.#store.read(this.#id, 0);
      for (const row of found?.rows ?? []) {
        Y.applyUpdate(doc, await this.#seal.open(row.kind, row.lineage, row), this);
      }
      return doc;
    } catch (cause) {
      doc.destroy();
      throw offlineError(cause, "load the stale copy");
    }
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
