// What a document weighs. To measure it takes a walk through all of it, so it is done when somebody asks.

import * as Y from "yjs";

export interface DocumentSize {
  /** As one update, which is what a new client is sent. */
  readonly bytes: number;
  readonly structsCount: number;
  /** Items that are deleted, and those of which nothing but their place is left. */
  readonly deletedCount: number;
  readonly collectedCount: number;
  /** What waits for something that it builds on. */
  readonly pendingBytes: number;
}

export function measure(doc: Y.Doc): DocumentSize {
  const { clients, pendingStructs, pendingDs } = doc.store;
  let structsCount = 0;
  let deletedCount = 0;
  let collectedCount = 0;
  for (const structs of clients.values()) {
    structsCount += structs.length;
    for (const struct of structs) {
      if (struct instanceof Y.GC) collectedCount += 1;
      else if (struct.deleted) deletedCount += 1;
    }
  }
  return {
    bytes: Y.encodeStateAsUpdate(doc).length,
    structsCount,
    deletedCount,
    collectedCount,
    pendingBytes: (pendingStructs?.update.length ?? 0) + (pendingDs?.length ?? 0),
  };
}

/** Cheap: asks no struct. */
export function structsCountOf(doc: Y.Doc): number {
  let count = 0;
  for (const structs of doc.store.clients.values()) count += structs.length;
  return count;
}
