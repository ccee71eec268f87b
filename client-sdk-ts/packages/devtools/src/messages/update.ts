// What a Yjs update holds, counted.

import * as Y from "yjs";

export interface ClientStructs {
  readonly client: number;
  readonly structsCount: number;
  /** The clocks that the structs cover: from, and up to without it. */
  readonly fromClock: number;
  readonly toClock: number;
}

export interface UpdateFacts {
  readonly structsCount: number;
  readonly clients: readonly ClientStructs[];
  /** Structs by what they carry. */
  readonly contents: ReadonlyMap<string, number>;
  /** Runs of clocks that are deleted, and the clocks in them. */
  readonly deletionsCount: number;
  readonly deletedClocksCount: number;
}

const CONTENTS = [
  [Y.ContentString, "text"],
  [Y.ContentFormat, "formatting"],
  [Y.ContentAny, "values"],
  [Y.ContentJSON, "values"],
  [Y.ContentType, "shared types"],
  [Y.ContentBinary, "bytes"],
  [Y.ContentEmbed, "embeds"],
  [Y.ContentDoc, "documents"],
  [Y.ContentDeleted, "deleted content"],
] as const;

/** Throws on what is no update. */
export function updateFacts(update: Uint8Array): UpdateFacts {
  const { structs, ds } = Y.decodeUpdate(update);
  const clients = new Map<number, ClientStructs>();
  const contents = new Map<string, number>();
  for (const struct of structs) {
    const { client, clock } = struct.id;
    const toClock = clock + struct.length;
    const last = clients.get(client);
    clients.set(client, {
      client,
      structsCount: (last?.structsCount ?? 0) + 1,
      fromClock: Math.min(last?.fromClock ?? clock, clock),
      toClock: Math.max(last?.toClock ?? toClock, toClock),
    });
    const content = contentOf(struct);
    contents.set(content, (contents.get(content) ?? 0) + 1);
  }
  const deletions = [...ds.clients.values()].flat();
  return {
    structsCount: structs.length,
    clients: [...clients.values()],
    contents,
    deletionsCount: deletions.length,
    deletedClocksCount: deletions.reduce((sum, { len }) => sum + len, 0),
  };
}

function contentOf(struct: Y.Item | Y.GC | Y.Skip): string {
  if (struct instanceof Y.GC) return "collected";
  if (struct instanceof Y.Skip) return "gaps";
  const { content } = struct;
  return CONTENTS.find(([Content]) => content instanceof Content)?.[1] ?? "other";
}
