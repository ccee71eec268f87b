// A person as others see them. What comes through awareness was written by somebody else's program: it is cleaned here.

import { cleanName } from "@roomtone/core/presence";

export const PLACES = ["document", "code", "board"] as const;

/** Whoever has no name. */
export const NAMELESS = "Someone";

export type Place = (typeof PLACES)[number];

export interface Person {
  readonly name: string;
  /** One of the palette's. */
  readonly color: string;
  readonly place: Place;
  /** As whom they write in the chat; null until the server has said it. */
  readonly userId: string | null;
}

/**
 * Colours that are told apart from each other, that carry white text with a contrast of 4.5 or more, and that are seen
 * as lines on both backgrounds.
 */
export const PALETTE = [
  "#0f766e",
  "#c2410c",
  "#2563eb",
  "#be185d",
  "#4d7c0f",
  "#7c3aed",
  "#8f6600",
  "#64748b",
] as const;

/** Reads an awareness state. Never throws, whatever is in it. */
export function personOf(clientID: number, state: unknown): Person {
  const { user, place } = (isRecord(state) ? state : {}) as { user?: unknown; place?: unknown };
  const { name, color, id } = (isRecord(user) ? user : {}) as Record<string, unknown>;
  return {
    name: cleanName(name) || NAMELESS,
    // A colour goes into style attributes, so only ours are taken.
    color: PALETTE.find((known) => known === color) ?? colorOf(clientID),
    place: PLACES.find((known) => known === place) ?? "document",
    userId: typeof id === "string" ? id : null,
  };
}

/** What one tells others of oneself. */
export function userOf(name: string, color: string, id: string | null) {
  // `colorLight` is what y-codemirror.next paints selections with. `id` tells the chat's typists apart.
  return { name, color, colorLight: `${color}40`, ...(id === null ? {} : { id }) };
}

/** The colour of somebody who brought none: the same wherever this number is known. */
export function colorOf(number: number): string {
  return PALETTE[number % PALETTE.length] ?? PALETTE[0];
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
