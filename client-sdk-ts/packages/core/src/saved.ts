// Which local changes the server has confirmed, by the ids of their content.

import * as Y from "yjs";
import { IdSet } from "./idset.js";

export interface Saved {
  /**
   * `saved`: everything done here is on the server's disk. `saving`: changes are on their way.
   * `offline`: changes are kept in this process only, and there is no connection.
   */
  readonly state: "saved" | "saving" | "offline";
  /** Local changes that the server has not confirmed. */
  readonly unsaved: number;
  /** When the server last confirmed a change, in milliseconds since 1970. */
  readonly lastSavedAt: number | null;
}

/** Changes that are counted apart. Over it: a new one joins the youngest, and both are confirmed together. */
export const CHANGES_COUNT_MAX = 1_000;

/** What one or more local changes inserted and deleted, less what is confirmed. */
interface Change {
  count: number;
  readonly inserts: IdSet;
  readonly deletes: IdSet;
}

/**
 * The server sends a client's updates back to it after they are committed, alone or merged with those of
 * others. So a change is confirmed when everything it inserted and deleted has come back. Counting frames
 * would be wrong as soon as one is merged or lost.
 */
export class Ledger {
  #changes: Change[] = [];

  get unsaved(): number {
    return this.#changes.reduce((sum, change) => sum + change.count, 0);
  }

  /** A transaction that did not come from the server. */
  record(transaction: Y.Transaction): void {
    const inserts = new IdSet();
    for (const [client, end] of transaction.afterState) {
      inserts.add(client, transaction.beforeState.get(client) ?? 0, end);
    }
    this.#push({ count: 1, inserts, deletes: deletesOf(transaction.deleteSet) });
  }

  /** All that a document holds already: how it came there is unknown, so it counts as one change. */
  recordAll(doc: Y.Doc): void {
    this.#push({ count: 1, ...idsOf(Y.encodeStateAsUpdate(doc)) });
  }

  /** An update that the server sent back. Says whether it confirmed any change. */
  confirm(update: Uint8Array): boolean {
    // Most updates are the work of others and arrive while nothing waits here: do not decode those.
    if (this.#changes.length === 0) return false;
    const { inserts, deletes } = idsOf(update);
    const before = this.#changes.length;
    this.#changes = this.#changes.filter((change) => {
      change.inserts.subtract(inserts);
      change.deletes.subtract(deletes);
      return !(change.inserts.isEmpty && change.deletes.isEmpty);
    });
    return this.#changes.length < before;
  }

  /**
   * The unconfirmed changes that a server with this state vector may already have, as one update; null if there are
   * none. Deletions stand in no state vector, so they always may.
   */
  doubtful(doc: Y.Doc, stateVector: Uint8Array): Uint8Array | null {
    const known = Y.decodeStateVector(stateVector);
    // From here on the update tells of each client: at first, nothing of anybody.
    const since = Y.decodeStateVector(Y.encodeStateVector(doc));
    let any = false;
    for (const { inserts, deletes } of this.#changes) {
      for (const [client, clock] of inserts.lowest()) {
        if (clock >= (known.get(client) ?? 0)) continue;
        since.set(client, Math.min(clock, since.get(client) ?? 0));
        any = true;
      }
      any ||= !deletes.isEmpty;
    }
    return any ? Y.encodeStateAsUpdate(doc, Y.encodeStateVector(since)) : null;
  }

  #push(change: Change): void {
    if (change.inserts.isEmpty && change.deletes.isEmpty) return;
    const last = this.#changes.at(-1);
    if (last === undefined || this.#changes.length < CHANGES_COUNT_MAX) {
      this.#changes.push(change);
      return;
    }
    last.count += change.count;
    last.inserts.addAll(change.inserts);
    last.deletes.addAll(change.deletes);
  }
}

/** Whether the document holds everything that the update inserts. */
export function covers(doc: Y.Doc, update: Uint8Array): boolean {
  try {
    return Y.decodeUpdate(update).structs.every(
      (struct) =>
        struct instanceof Y.Skip ||
        struct.id.clock + struct.length <= Y.getState(doc.store, struct.id.client),
    );
  } catch {
    return false;
  }
}

function idsOf(update: Uint8Array): { inserts: IdSet; deletes: IdSet } {
  const { structs, ds } = Y.decodeUpdate(update);
  const inserts = new IdSet();
  for (const struct of structs) {
    if (struct instanceof Y.Skip) continue;
    inserts.add(struct.id.client, struct.id.clock, struct.id.clock + struct.length);
  }
  return { inserts, deletes: deletesOf(ds) };
}

function deletesOf(deleteSet: { clients: Map<number, { clock: number; len: number }[]> }): IdSet {
  const deletes = new IdSet();
  for (const [client, items] of deleteSet.clients) {
    for (const { clock, len } of items) deletes.add(client, clock, clock + len);
  }
  return deletes;
}
