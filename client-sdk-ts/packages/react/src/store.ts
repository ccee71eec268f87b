// Reading from outside of React: a component renders again only when what it selects has changed.

import { useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import { keepEqual } from "./sharing.js";

export interface Store<Snapshot> {
  readonly subscribe: (listener: () => void) => () => void;
  /** The same object as long as nothing has changed. */
  readonly get: () => Snapshot;
  /** What a server renders, and a page until it has taken that over. Always the same object. */
  readonly getServer: () => Snapshot;
}

/** What is selected, with the identity it had if it is equal. A selector may be made anew with each rendering. */
export function useSelected<Snapshot, Selected>(
  store: Store<Snapshot>,
  select: (snapshot: Snapshot) => Selected,
): Selected {
  const shown = useRef<{ readonly value: Selected } | null>(null);
  const [get, getServer] = useMemo(() => {
    const cached = (read: () => Snapshot) => {
      let cache: { readonly snapshot: Snapshot; readonly value: Selected } | null = null;
      return () => {
        const snapshot = read();
        if (cache !== null && Object.is(cache.snapshot, snapshot)) return cache.value;
        const last = (cache ?? shown.current)?.value;
        cache = { snapshot, value: keepEqual(last, select(snapshot)) };
        return cache.value;
      };
    };
    return [cached(store.get), cached(store.getServer)];
  }, [store, select]);
  const value = useSyncExternalStore(store.subscribe, get, getServer);
  useEffect(() => {
    shown.current = { value };
  }, [value]);
  return value;
}
