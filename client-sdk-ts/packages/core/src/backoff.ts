// How long to wait before the next attempt.

/** The ceiling of the first pause where nothing was stable yet; it doubles with each attempt. */
export const BACKOFF_MS_BASE = 500;
/** The ceiling of the first pause after something stable is lost. */
export const BACKOFF_MS_HERD = 2_500;
/** The ceiling of later pauses, as long as the trouble is young. */
export const BACKOFF_MS_YOUNG = 2_000;
/** Where the trouble is older, the ceiling is this part of its age: nobody waits much longer than it has lasted. */
export const BACKOFF_AGE_SHARE = 1 / 4;
/** No ceiling is higher. */
export const BACKOFF_MS_MAX = 30_000;
/** A connection that lived this long was good: the attempts before it are forgotten. */
export const STABLE_MS_MIN = 10_000;

/**
 * Full jitter: anything between nothing and the ceiling. When a server stops without a word, all its clients lose
 * their sockets in the same moment; only a pause that is random over its whole length spreads their return. So who loses
 * a good connection starts with a wide ceiling: any half second of it sees a fifth of the clients. Who never had one is
 * alone, or comes with the others of a page that was just opened, and may be quick.
 *
 * After that the ceiling follows the age of the trouble and not the number of attempts: a server that was away for the
 * ten seconds of a rolling restart has its clients back two seconds later, and one that is away for hours is asked
 * twice a minute.
 */
export class Backoff {
  #ceilingMs = BACKOFF_MS_BASE;
  /** When the first attempt since the last good connection failed. */
  #troubleAt: number | null = null;
  readonly #random: () => number;
  readonly #now: () => number;

  constructor(random: () => number, now: () => number) {
    this.#random = random;
    this.#now = now;
  }

  pauseMs(): number {
    return Math.floor(this.#random() * this.#ceilingMs);
  }

  /** An attempt follows, and may fail. */
  grow(): void {
    this.#troubleAt ??= this.#now();
    const ageMs = this.#now() - this.#troubleAt;
    const patienceMs = Math.max(BACKOFF_MS_YOUNG, ageMs * BACKOFF_AGE_SHARE);
    this.#ceilingMs = Math.min(this.#ceilingMs * 2, patienceMs, BACKOFF_MS_MAX);
  }

  /** It is stable: what is lost from here on is lost by many at once. */
  settle(): void {
    this.#start(BACKOFF_MS_HERD);
  }

  /** Someone or something asked for an attempt now: the reasons for waiting are gone. */
  reset(): void {
    this.#start(BACKOFF_MS_BASE);
  }

  #start(ceilingMs: number): void {
    this.#ceilingMs = ceilingMs;
    this.#troubleAt = null;
  }
}
