// Awareness as the editors' plugins see it: names and colours are cleaned, and a plugin is woken only by what it shows, and
// only while it is seen.

import type { Awareness } from "y-protocols/awareness";
import { type Place, personOf, userOf } from "./person.js";
import { Throttle } from "./throttle.js";

/** Shortest time between two calls of a plugin: each redraws the carets of all. */
const INTERVAL_MS = 50;

interface Changes {
  readonly added: number[];
  readonly updated: number[];
  readonly removed: number[];
}

type Listener = (changes: Changes, origin: unknown) => void;

/** The plugins of one place, and what they were not told yet. */
interface View {
  readonly listeners: Set<Listener>;
  readonly added: Set<number>;
  readonly updated: Set<number>;
  readonly removed: Set<number>;
}

export class EditorsAwareness {
  readonly #real: Awareness;
  readonly #views = new Map<Place, View>();
  readonly #caretListeners: (() => void)[] = [];
  /** Of each client, what the editors show of it: as text, to be compared, and cleaned. */
  readonly #shown = new Map<number, { readonly key: string; readonly user: object }>();
  readonly #pace = new Throttle<unknown>(INTERVAL_MS, (origin) => this.#tell(origin));
  #place: Place;

  /** `place`: where one is. */
  constructor(real: Awareness, place: Place) {
    this.#real = real;
    this.#place = place;
    for (const clientID of real.getStates().keys()) this.#read(clientID);
    real.on("change", this.#onChange);
  }

  /** Plugins put names and colours of others into the page, so they get the cleaned ones. */
  for(place: Place): Awareness {
    const real = this.#real;
    const view = { listeners: new Set<Listener>(), ...noChanges() };
    this.#views.set(place, view);
    const isTold = (name: string) => name === "change" || name === "update";
    const states = () =>
      new Map(
        [...real.getStates()].map(([clientID, state]) => [
          clientID,
          // A copy, because plugins complete what they find.
          { ...state, user: { ...this.#shown.get(clientID)?.user } },
        ]),
      );
    return Object.create(real, {
      getStates: { value: states },
      states: { get: states },
      on: {
        value: (name: string, listener: Listener) => {
          if (isTold(name)) view.listeners.add(listener);
          else real.on(name as "change", listener);
        },
      },
      off: {
        value: (name: string, listener: Listener) => {
          if (isTold(name)) view.listeners.delete(listener);
          else real.off(name as "change", listener);
        },
      },
      // Its methods change the real map, which the lines above hide.
      setLocalState: { value: real.setLocalState.bind(real) },
      setLocalStateField: { value: real.setLocalStateField.bind(real) },
      getLocalState: { value: real.getLocalState.bind(real) },
    }) as Awareness;
  }

  /** One went there. Its plugins hear what they missed. */
  show(place: Place): void {
    this.#place = place;
    this.#pace.push("shown");
  }

  onCarets(listener: () => void): void {
    this.#caretListeners.push(listener);
  }

  close(): void {
    this.#pace.cancel();
    this.#real.off("change", this.#onChange);
  }

  readonly #onChange = ({ added, updated, removed }: Changes, origin: unknown): void => {
    for (const clientID of added) this.#read(clientID);
    // Somebody's cursor on the board is nothing to the editors.
    const news = updated.filter((clientID) => this.#read(clientID));
    for (const clientID of removed) this.#shown.delete(clientID);
    if (added.length + news.length + removed.length === 0) return;
    for (const view of this.#views.values()) {
      for (const clientID of added) {
        view.added.add(clientID);
        view.removed.delete(clientID);
      }
      for (const clientID of news) view.updated.add(clientID);
      for (const clientID of removed) {
        view.removed.add(clientID);
        view.added.delete(clientID);
        view.updated.delete(clientID);
      }
    }
    this.#pace.push(origin);
  };

  #tell(origin: unknown): void {
    const view = this.#views.get(this.#place);
    if (view === undefined) return;
    const { listeners, added, updated, removed } = view;
    if (added.size + updated.size + removed.size === 0) return;
    const changes = { added: [...added], updated: [...updated], removed: [...removed] };
    for (const set of [added, updated, removed]) set.clear();
    for (const listener of [...listeners]) listener(changes, origin);
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
    this.#shown.set(clientID, { key, user: userOf(name, color, null) });
    return true;
  }
}

function noChanges() {
  return { added: new Set<number>(), updated: new Set<number>(), removed: new Set<number>() };
}
