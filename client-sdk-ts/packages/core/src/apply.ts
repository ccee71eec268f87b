// Taking an update into the document, although code of the application runs in the middle of it.

import * as Y from "yjs";
import type { Report } from "./error.js";

/** Says whether the document holds the update now. */
export function apply(doc: Y.Doc, update: Uint8Array, origin: unknown, report: Report): boolean {
  try {
    Y.applyUpdate(doc, update, origin);
    return true;
  } catch (error) {
    report(error);
    // Observers of the application run inside: when one threw, the document has the update all the same.
    return covers(doc, update);
  }
}

/** Whether the document holds everything that the update inserts. */
function covers(doc: Y.Doc, update: Uint8Array): boolean {
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
