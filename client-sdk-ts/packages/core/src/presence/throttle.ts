// Runs something at most once in a while: at once when it was quiet, else once for all that came meanwhile.

import type { Timing } from "./timing.js";

export class Throttle {
  readonly #everyMs: number;
  readonly #timing: Timing;
  readonly #run: () => void;
  #timer: unknown = null;
  #ranAt = Number.NEGATIVE_INFINITY;

  constructor(everyMs: number, timing: Timing, run: () => void) {
    this.#everyMs = everyMs;
    this.#timing = timing;
    this.#run = run;
  }

  call(): void {
    if (this.#timer !== null) return;
    const passedMs = this.#timing.now() - this.#ranAt;
    // The wall clock may have been set back: then nobody knows how long it was.
    if (passedMs >= this.#everyMs || passedMs < 0) {
      this.#fire();
      return;
    }
    this.#timer = this.#timing.setTimeout(() => {
      this.#timer = null;
      this.#fire();
    }, this.#everyMs - passedMs);
  }

  cancel(): void {
    if (this.#timer !== null) this.#timing.clearTimeout(this.#timer);
    this.#timer = null;
  }

  #fire(): void {
    this.#ranAt = this.#timing.now();
    this.#run();
  }
}
