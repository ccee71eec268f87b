// Passes values on at most so often, and always the last one.

export class Throttle<Value> {
  readonly #run: (value: Value) => void;
  readonly #intervalMs: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #next: { readonly value: Value } | null = null;

  constructor(intervalMs: number, run: (value: Value) => void) {
    this.#intervalMs = intervalMs;
    this.#run = run;
  }

  /** Runs with the value now if the last run is long enough ago, else when it is. A later value takes its place. */
  push(value: Value): void {
    this.#next = { value };
    if (this.#timer === undefined) this.#pass();
  }

  /** Does now what still waits. */
  flush(): void {
    this.#stop();
    const next = this.#next;
    this.#next = null;
    if (next !== null) this.#run(next.value);
  }

  /** Forgets what still waits. */
  cancel(): void {
    this.#stop();
    this.#next = null;
  }

  #pass(): void {
    const next = this.#next;
    this.#next = null;
    if (next === null) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#pass();
    }, this.#intervalMs);
    this.#run(next.value);
  }

  #stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
