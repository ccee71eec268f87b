// Elements for a list of things that changes: what is still there keeps its element, and with it focus and what is open.

export interface Entry<Item> {
  readonly element: Element;
  update(item: Item): void;
}

export interface KeyedListOptions<Item> {
  readonly keyOf: (item: Item) => string;
  /** Is updated right after. */
  readonly make: (item: Item) => Entry<Item>;
}

export class KeyedList<Item> {
  readonly #parent: Element;
  readonly #options: KeyedListOptions<Item>;
  #entries = new Map<string, Entry<Item>>();

  /** `parent` holds nothing else. */
  constructor(parent: Element, options: KeyedListOptions<Item>) {
    this.#parent = parent;
    this.#options = options;
  }

  entry(key: string): Entry<Item> | undefined {
    return this.#entries.get(key);
  }

  update(items: Iterable<Item>): void {
    const { keyOf, make } = this.#options;
    const entries = new Map<string, Entry<Item>>();
    for (const item of items) {
      const key = keyOf(item);
      // Two with one key would fight for one element.
      if (entries.has(key)) continue;
      const entry = this.#entries.get(key) ?? make(item);
      entry.update(item);
      entries.set(key, entry);
    }
    for (const [key, { element }] of this.#entries) if (!entries.has(key)) element.remove();
    this.#entries = entries;
    let next = this.#parent.firstElementChild;
    for (const { element } of entries.values()) {
      if (element === next) next = next.nextElementSibling;
      else this.#parent.insertBefore(element, next);
    }
  }
}
