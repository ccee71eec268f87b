// The last so many of something: what is older goes.

export class Ring<Item> implements Iterable<Item> {
  readonly #countMax: number;
  #items: Item[] = [];
  /** Where the oldest is, once it is full. */
  #start = 0;

  constructor(countMax: number) {
    this.#countMax = Math.max(1, countMax);
  }

  get count(): number {
    return this.#items.length;
  }

  push(item: Item): void {
    if (this.#items.length < this.#countMax) {
      this.#items.push(item);
      return;
    }
    this.#items[this.#start] = item;
    this.#start = (this.#start + 1) % this.#countMax;
  }

  clear(): void {
    this.#items = [];
    this.#start = 0;
  }

  /** Oldest first. */
  *[Symbol.iterator](): Generator<Item, void> {
    yield* this.#items.slice(this.#start);
    yield* this.#items.slice(0, this.#start);
  }
}
