// The bridge between a room and what this device keeps of its document.

import type * as Y from "yjs";
import { OfflineError } from "./error.js";
import type { Offline } from "./offline.js";

/** The part of a room that is used. */
export interface RoomLike {
  readonly doc: Y.Doc;
  /** Of which epoch the document is: 0 while that is not known, nothing for servers that have none. */
  readonly epoch?: number;
  /** Joins with this epoch from now on. */
  setEpoch?(epoch: number): void;
  /** The server has a document of another epoch, or none: 0. Nothing of this one was merged into it. */
  on(name: "replaced", listener: (event: { readonly epoch: number }) => void): () => void;
  /** Whether the document holds what the server holds. */
  on(name: "sync", listener: (synced: boolean) => void): () => void;
}

/**
 * Keeps the stored epoch in step with the room's, and moves the stored document aside when the server has replaced it.
 * Returns the way to stop that.
 */
export function attachOffline(room: RoomLike, offline: Offline): () => void {
  if (room.doc !== offline.doc) {
    throw new OfflineError("options", "The room has another document: give it `offline.doc`");
  }
  // A room that joins without the epoch merges what is stored into whatever the server has by now.
  if (room.epoch === 0 && offline.epoch !== 0 && room.setEpoch === undefined) {
    throw new OfflineError("options", "The room does not know the epoch: give it `offline.epoch`");
  }
  const { doc } = offline;
  // What comes through the room is stored after the task that brought it: by then the epoch is known, and is stored in
  // the same transaction. Without it, what is on the disk could later be merged into a document of another epoch.
  const follow = () => {
    if (room.epoch) void offline.setEpoch(room.epoch);
  };
  // Another tab may have met the server before this one.
  const lead = (epoch: number) => {
    if (room.epoch === 0) room.setEpoch?.(epoch);
  };
  if (offline.epoch !== 0) lead(offline.epoch);
  follow();
  doc.on("update", follow);
  const release = [
    room.on("replaced", ({ epoch }) => void offline.replace(epoch)),
    room.on("sync", follow),
    offline.on("epoch", lead),
  ];
  return () => {
    doc.off("update", follow);
    for (const each of release) each();
  };
}

/** Where the work is safe: on the server's disk, on this device's at least, or nowhere but in memory. */
export function savedWhere(
  room: { readonly unsaved: number },
  offline: { readonly state: "saved" | "saving" | "unavailable" },
): "server" | "device" | "unsaved" {
  if (room.unsaved === 0) return "server";
  return offline.state === "saved" ? "device" : "unsaved";
}
