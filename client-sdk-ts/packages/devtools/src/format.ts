// Numbers, sizes, times and foreign text, as they are shown.

const KIBIBYTE = 1_024;
const MEBIBYTE = KIBIBYTE * KIBIBYTE;
const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

const GROUPED = new Intl.NumberFormat("en-US");

/** Control characters, invisible ones, and those that turn the direction of the text around them. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
/** Holds together what is one emoji. */
const JOINER = "\u200d";

/** `1,234`. */
export function numberText(value: number): string {
  return GROUPED.format(value);
}

/** `1 edit`, `1,234 edits`. */
export function countText(count: number, one: string, many = `${one}s`): string {
  return `${numberText(count)} ${count === 1 ? one : many}`;
}

export function bytesText(bytes: number): string {
  if (bytes < KIBIBYTE) return `${bytes} B`;
  if (bytes < MEBIBYTE) return `${tenths(bytes / KIBIBYTE)} KiB`;
  return `${tenths(bytes / MEBIBYTE)} MiB`;
}

export function durationText(ms: number): string {
  if (ms < 10) return `${tenths(ms)} ms`;
  if (ms < SECOND_MS) return `${Math.round(ms)} ms`;
  if (ms < MINUTE_MS) return `${tenths(ms / SECOND_MS)} s`;
  if (ms < HOUR_MS) return `${Math.round(ms / MINUTE_MS)} min`;
  return `${tenths(ms / HOUR_MS)} h`;
}

function tenths(value: number): string {
  return Number.isInteger(value) ? String(value) : value.toFixed(1);
}

/** Whole seconds: what counts them does not flicker. */
export function ageText(ms: number): string {
  if (ms < SECOND_MS) return "now";
  if (ms < MINUTE_MS) return `${Math.floor(ms / SECOND_MS)} s ago`;
  if (ms < HOUR_MS) return `${Math.floor(ms / MINUTE_MS)} min ago`;
  return `${Math.floor(ms / HOUR_MS)} h ago`;
}

/** `14:03:09.512`, in local time. */
export function clockText(atMs: number): string {
  const at = new Date(atMs);
  const two = (value: number) => String(value).padStart(2, "0");
  const ms = String(at.getMilliseconds()).padStart(3, "0");
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${ms}`;
}

/** What was typed or sent, with what cannot be seen spelled out, so that it can neither hide nor turn anything around. */
export function visible(text: string): string {
  return text.replace(UNSEEN, (unseen) => (unseen === JOINER ? unseen : spelledOut(unseen)));
}

function spelledOut(letter: string): string {
  const hex = (letter.codePointAt(0) ?? 0).toString(16);
  return hex.length > 4 ? `\\u{${hex}}` : `\\u${hex.padStart(4, "0")}`;
}

/** The beginning, and how much more there is. */
export function excerpt(text: string, lengthMax: number): string {
  if (text.length <= lengthMax) return visible(text);
  // Half of a pair would be shown as a box.
  const isPairCut = /[\ud800-\udbff]/.test(text[lengthMax - 1] ?? "");
  const length = isPairCut ? lengthMax - 1 : lengthMax;
  return `${visible(text.slice(0, length))}… ${numberText(text.length - length)} more`;
}

/** All that is ever shown of a token. */
export function redacted(token: string): string {
  return token === "" ? "none" : `••• ${numberText(token.length)} bytes`;
}
