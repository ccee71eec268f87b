// Awareness as the editors' plugins see it: names and colours are cleaned, and only what they show wakes them.

import type { Awareness } from "y-protocols/awareness";
import { personOf, userOf } from "./person.js";
import { Throttle } from "./throttle.js";

/** Shortest time between two calls of a plugin: each redraws the carets of all. */
const INTERVAL_MS = 50;

interface Changes {
  readonly added: number[];
  readonly updated: number[];
  readonly removed: number[];
}

type Listener = (changes: Changes, origin: unknown) => void;

export class EditorsAwareness {
  /** Plugins put names and colours of others into the page, so they get the cleaned ones. */
  readonly awareness: Awareness;
  readonly #real: Awareness;
  readonly #listeners = { change: new Set<Listener>(), update: new Set<Listener>() };
  readonly #caretListeners: (() => void)[] = [];
  /** Of each client, what the editors show of it: as text, to be compared, and cleaned. */
  readonly #shown = new Map<number, { readonly key: string; readonly user: object }>();
  readonly #added = new Set<number>();
  readonly #updated = new Set<number>();
  readonly #removed = new Set<number>();
  readonly #pace = new Throttle<unknown>(INTERVAL_MS, (origin) => this.#tell(origin));

  constructor(real: Awareness) {
    this.#real = real;
    for (const clientID of real.getStates().keys()) this.#read(clientID);
    real.on("change", this.#onChange);
    const states = () =>
      new Map(
        [...real.getStates()].map(([clientID, state]) => [
          clientID,
          // A copy, because plugins complete what they find.
          { ...state, user: { ...this.#shown.get(clientID)?.user } },
        ]),
      );
    this.awareness = Object.create(real, {
      getStates: { value: states },
      states: { get: states },
      on: { value: (name: string, listener: Listener) => this.#subscribe(name, listener) },
      off: { value: (name: string, listener: Listener) => this.#unsubscribe(name, listener) },
      // Its methods change the real map, which the lines above hide.
      setLocalState: { value: real.setLocalState.bind(real) },
      setLocalStateField: { value: real.setLocalStateField.bind(real) },
      getLocalState: { value: real.getLocalState.bind(real) },
    }) as Awareness;
  }

  onCarets(listener: () => void): void {
    this.#caretListeners.push(listener);
  }

  close(): void {
    this.#pace.cancel();
    this.#real.off("change", this.#onChange);
  }

  readonly #onChange = ({ added, updated, removed }: Changes, origin: unknown): void => {
    for (const clientID of added) {
      this.#read(clientID);
      this.#added.add(clientID);
      this.#removed.delete(clientID);
    }
    // Somebody's cursor on the board is nothing to the editors.
    for (const clientID of updated) if (this.#read(clientID)) this.#updated.add(clientID);
    for (const clientID of removed) {
      this.#shown.delete(clientID);
      this.#removed.add(clientID);
      this.#added.delete(clientID);
      this.#updated.delete(clientID);
    }
    if (this.#added.size + this.#updated.size + this.#removed.size > 0) this.#pace.push(origin);
  };

  #tell(origin: unknown): void {
    const changes = {
      added: [...this.#added],
      updated: [...this.#updated],
      removed: [...this.#removed],
    };
    for (const set of [this.#added, this.#updated, this.#removed]) set.clear();
    for (const listeners of [this.#listeners.change, this.#listeners.update]) {
      for (const listener of [...listeners]) listener(changes, origin);
    }
    for (const listener of this.#caretListeners) listener();
  }

  /** Says whether the editors show anything else of this client than before. */
  #read(clientID: number): boolean {
    const state = this.#real.getStates().get(clientID);
    if (state === undefined) return this.#shown.delete(clientID);
    const { user, cursor } = state as { user?: unknown; cursor?: unknown };
    const key = JSON.stringify([user, cursor]);
    if (this.#shown.get(clientID)?.key === key) return false;
    const { name, color } = personOf(clientID, state);
    this.#shown.set(clientID, { key, user: userOf(name, color) });
    return true;
  }

  #subscribe(name: string, listener: Listener): void {
    if (name === "change" || name === "update") this.#listeners[name].add(listener);
    else this.#real.on(name as "change", listener);
  }

  #unsubscribe(name: string, listener: Listener): void {
    if (name === "change" || name === "update") this.#listeners[name].delete(listener);
    else this.#real.off(name as "change", listener);
  }
}
