// Whether a document has taken all of an update, or keeps some of it for later.

import * as Y from "yjs";

/** Whether the document holds all that the update inserts, and all that it deletes. */
export function covers(doc: Y.Doc, update: Uint8Array): boolean {
  const { structs, ds } = Y.decodeUpdate(update);
  const isHeld = (client: number, end: number) => end <= Y.getState(doc.store, client);
  return (
    structs.every(
      (struct) =>
        struct instanceof Y.Skip || isHeld(struct.id.client, struct.id.clock + struct.length),
    ) &&
    [...ds.clients].every(([client, items]) =>
      items.every(({ clock, len }) => isHeld(client, clock + len)),
    )
  );
}

/** Whether the document keeps parts of updates that it could not place yet. */
export function isWaiting(doc: Y.Doc): boolean {
  return doc.store.pendingStructs !== null || doc.store.pendingDs !== null;
}
