// How long to wait before the next attempt to connect.

/** The ceiling of the first pause; it doubles with each attempt. */
export const BACKOFF_MS_BASE = 500;
/** The ceiling of every later pause. */
export const BACKOFF_MS_MAX = 30_000;
/** A connection that lived this long was good: the attempts before it are forgotten. */
export const STABLE_MS_MIN = 10_000;

/**
 * Full jitter: anything between nothing and the ceiling. When a server restarts, all its clients lose their
 * sockets in the same moment; only a pause that is random over its whole length spreads their return.
 */
export function backoffMs(attempt: number, random: () => number): number {
  return Math.floor(random() * Math.min(BACKOFF_MS_MAX, BACKOFF_MS_BASE * 2 ** attempt));
}
