// How long to wait before the next attempt.

/** The ceiling of the first pause where nothing was stable yet; it doubles with each attempt. */
export const BACKOFF_MS_BASE = 500;
/** The ceiling of the first pause after something stable is lost. */
export const BACKOFF_MS_HERD = 2_500;
/** The ceiling of every later pause. */
export const BACKOFF_MS_MAX = 30_000;
/** A connection that lived this long was good: the attempts before it are forgotten. */
export const STABLE_MS_MIN = 10_000;

/**
 * Full jitter: anything between nothing and the ceiling. When a server stops without a word, all its clients lose
 * their sockets in the same moment; only a pause that is random over its whole length spreads their return. So who loses
 * a good connection starts with a wide ceiling: any half second of it sees a fifth of the clients. Who never had one is
 * alone, or comes with the others of a page that was just opened, and may be quick.
 */
export class Backoff {
  #ceilingMs = BACKOFF_MS_BASE;
  readonly #random: () => number;

  constructor(random: () => number) {
    this.#random = random;
  }

  pauseMs(): number {
    return Math.floor(this.#random() * this.#ceilingMs);
  }

  /** An attempt follows, and may fail. */
  grow(): void {
    this.#ceilingMs = Math.min(BACKOFF_MS_MAX, this.#ceilingMs * 2);
  }

  /** It is stable: what is lost from here on is lost by many at once. */
  settle(): void {
    this.#ceilingMs = BACKOFF_MS_HERD;
  }

  /** Someone or something asked for an attempt now: the reasons for waiting are gone. */
  reset(): void {
    this.#ceilingMs = BACKOFF_MS_BASE;
  }
}
