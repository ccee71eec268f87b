// When something was said, in words of the reader's language.

const DAY_MS = 86_400_000;

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const near = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });

/** The last moment that a `Date` can say. */
const DATE_MS_MAX = 8.64e15;

export function dateOf(ms: number): Date {
  return new Date(Math.min(ms, DATE_MS_MAX));
}

export function clockText(ms: number): string {
  return clock.format(dateOf(ms));
}

/** "Today", "Yesterday", or the date. */
export function dayText(ms: number, nowMs: number): string {
  const days = Math.round((startOf(ms) - startOf(nowMs)) / DAY_MS);
  if (days < -1 || days > 0) return day.format(dateOf(ms));
  const text = near.format(days, "day");
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function isSameDay(a: number, b: number): boolean {
  return startOf(a) === startOf(b);
}

function startOf(ms: number): number {
  return dateOf(ms).setHours(0, 0, 0, 0);
}
