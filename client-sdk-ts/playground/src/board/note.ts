// A note on the board, as it stands in the shared document. Whatever program wrote it: it is cleaned here.

import * as Y from "yjs";
import { clamp, type Point, type Size } from "./geometry.js";

export const NOTE_COLORS = ["yellow", "orange", "pink", "purple", "blue", "green"] as const;

export type NoteColor = (typeof NOTE_COLORS)[number];

export interface Note {
  readonly id: string;
  readonly at: Point;
  readonly size: Size;
  readonly color: NoteColor;
  /** Higher lies over lower. Equal ones: by id. */
  readonly z: number;
  readonly text: Y.Text;
}

export const NOTE_SIZE: Size = { w: 200, h: 160 };
/** Letters that one can write into a note. */
export const NOTE_TEXT_LENGTH_MAX = 2_000;
/** How far from the middle of the board a note may lie, in pixels. */
export const BOARD_REACH_MAX = 50_000;

const SIZE_MIN = 80;
const SIZE_MAX = 800;

/**
 * The values of a note are few and whole: a place is one value `[x, y]` and not two, so that two people who drag one note
 * leave it at a place that one of them chose, and not at the x of one and the y of the other.
 */
export function newNote(at: Point, color: NoteColor, z: number, text: string): Y.Map<unknown> {
  return new Y.Map<unknown>([
    ["at", placeOf(at)],
    ["size", [NOTE_SIZE.w, NOTE_SIZE.h]],
    ["color", color],
    ["z", z],
    ["text", new Y.Text(text)],
  ]);
}

/**
 * Reads a note. `null` when it has no text to write into: then it is none. `last`: values that it had, in the place of
 * those that it has not.
 */
export function readNote(
  id: string,
  value: unknown,
  last?: ReadonlyMap<string, unknown>,
): Note | null {
  if (!(value instanceof Y.Map)) return null;
  const text: unknown = value.get("text");
  if (!(text instanceof Y.Text)) return null;
  const get = (key: string): unknown => value.get(key) ?? last?.get(key);
  const [x, y] = pairOf(get("at")) ?? [0, 0];
  const [w, h] = pairOf(get("size")) ?? [NOTE_SIZE.w, NOTE_SIZE.h];
  const z = get("z");
  return {
    id,
    at: { x: withinReach(x), y: withinReach(y) },
    size: { w: clamp(w, SIZE_MIN, SIZE_MAX), h: clamp(h, SIZE_MIN, SIZE_MAX) },
    // A colour becomes an attribute that styles look for, so only ours are taken.
    color: NOTE_COLORS.find((known) => known === get("color")) ?? NOTE_COLORS[0],
    z: typeof z === "number" && Number.isSafeInteger(z) ? z : 0,
    text,
  };
}

/** Whole pixels, and not out of reach. */
export function placeOf({ x, y }: Point): [number, number] {
  return [Math.round(withinReach(x)), Math.round(withinReach(y))];
}

/** From the lowest to the highest. */
export function byHeight(a: Note, b: Note): number {
  return a.z - b.z || (a.id < b.id ? -1 : 1);
}

function withinReach(value: number): number {
  return clamp(value, -BOARD_REACH_MAX, BOARD_REACH_MAX);
}

function pairOf(value: unknown): [number, number] | null {
  if (!Array.isArray(value)) return null;
  const [a, b] = value as unknown[];
  return Number.isFinite(a) && Number.isFinite(b) ? [a as number, b as number] : null;
}
