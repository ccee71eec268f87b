// Runs something at most so often, and always once more after the last time it was asked to.

export class Throttle {
  readonly #run: () => void;
  readonly #intervalMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isAsked = false;

  constructor(intervalMs: number, run: () => void) {
    this.#run = run;
    this.#intervalMs = intervalMs;
  }

  /** Soon, and never before this returns: who asks is in the middle of something. */
  ask(): void {
    this.#isAsked = true;
    if (this.#timer === undefined) this.#timer = setTimeout(() => this.#pass(), 0);
  }

  /** At once, whatever was asked before. */
  now(): void {
    this.cancel();
    this.#isAsked = true;
    this.#pass();
  }

  cancel(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isAsked = false;
  }

  #pass(): void {
    this.#timer = undefined;
    if (!this.#isAsked) return;
    this.#isAsked = false;
    this.#timer = setTimeout(() => this.#pass(), this.#intervalMs);
    this.#run();
  }
}
