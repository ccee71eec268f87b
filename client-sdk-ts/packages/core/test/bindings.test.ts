// What the Yjs bindings of editors expect of a provider.

import { expect, test } from "vitest";
import type { Awareness } from "y-protocols/awareness";
import type * as Y from "yjs";
import { emptySync, World } from "./fakes.js";

/** The members that Tiptap, y-codemirror, y-monaco, y-quill, BlockNote and Lexical read, taken together. */
interface Provider {
  readonly awareness: Awareness;
  readonly doc: Y.Doc;
  readonly document: Y.Doc;
  readonly synced: boolean;
  connect(): void;
  disconnect(): void;
  destroy(): void;
  on(name: "sync" | "synced", listener: (synced: boolean) => void): unknown;
  on(name: "status", listener: (event: { status: string }) => void): unknown;
  off(name: "sync" | "synced", listener: (synced: boolean) => void): unknown;
  off(name: "status", listener: (event: { status: string }) => void): unknown;
}

test("a room is a provider", async () => {
  const world = new World();
  const room = world.room();
  const provider: Provider = room;
  const seen: unknown[] = [];
  const sync = (synced: boolean) => seen.push(["sync", synced]);
  const synced = (synced: boolean) => seen.push(["synced", synced]);
  const status = (event: { status: string }) => seen.push(["status", event.status]);
  provider.on("sync", sync);
  provider.on("synced", synced);
  provider.on("status", status);
  expect(provider.document).toBe(provider.doc);
  expect(provider.awareness.doc).toBe(provider.doc);
  const socket = await world.open();
  socket.say(...emptySync());
  expect(provider.synced).toBe(true);
  socket.end(1006);
  expect(seen).toEqual([
    ["status", "connected"],
    ["sync", true],
    ["synced", true],
    ["sync", false],
    ["synced", false],
    ["status", "connecting"],
  ]);
  provider.off("sync", sync);
  provider.off("synced", synced);
  provider.off("status", status);
  provider.destroy();
  expect(seen).toHaveLength(6);
});
