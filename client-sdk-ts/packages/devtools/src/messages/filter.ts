// Which messages are shown: all of them, those of one area, or those of one type.

import { BROKEN, type Message, type TypeName } from "./message.js";

export const AREAS: Readonly<Record<string, readonly (TypeName | typeof BROKEN)[]>> = {
  Document: ["edit", "update", "diff", "deflatedDiff", "stateVector", "saved", "refused"],
  People: ["awareness", "event"],
  Chat: ["chatCall", "chatAnswer", "chatChange"],
  Rooms: ["join", "joined", "leave", "left", "role"],
  Connection: ["hello", "welcome", "token", "renew", "ping", "pong", "goAway", "closed", BROKEN],
};

export const ALL = "all";

/** `all`, `area:` with the name of an area, or the name of a type. */
export type Filter = string;

export function areaFilter(area: string): Filter {
  return `area:${area}`;
}

export function passes(filter: Filter, { type }: Message): boolean {
  if (filter === ALL || filter === type) return true;
  const area = filter.startsWith("area:") ? AREAS[filter.slice("area:".length)] : undefined;
  return area?.some((each) => each === type) ?? false;
}
