/** The map of presence, in reading order: who is here, their colours, their places, and how these are drawn. @module @roomtone/core/presence */

export type { Report } from "../error.js";
export { colorOf, colorsOf, PALETTE, type PersonId } from "./color.js";
export { type Cursor, type CursorOptions, CursorTracker, cursorTracker } from "./cursors.js";
export { type Following, type FollowOptions, follow } from "./follow.js";
export { type Frames, pageFrames } from "./frames.js";
export { Interpolator, LAG_MS } from "./interpolator.js";
export { cleanName, initialsOf, NAME_LENGTH_MAX } from "./name.js";
export { type Point, pointOf } from "./point.js";
export { type PointerTarget, trackPointer } from "./pointer.js";
export {
  indexOf,
  type Range,
  rangeOf,
  type Sequence,
  type SharedRange,
  shareIndex,
  shareRange,
} from "./position.js";
export {
  type Other,
  type Patch,
  Presence,
  type PresenceHost,
  type PresenceOptions,
  presence,
  SEND_EVERY_MS,
} from "./presence.js";
export { type Timing, timing } from "./timing.js";
