// Who else is here, and what this client shows.

import type { Other, Patch } from "@roomtone/core/presence";
import { useCallback, useMemo, useSyncExternalStore } from "react";
import { usePresence } from "./context.js";
import type { AppPresence } from "./register.js";
import { useSelected } from "./store.js";

type Others<Shown> = readonly Other<Shown>[];

const NOBODY: Others<never> = [];

/** Everybody else, or what `select` makes of them: with a selector, moves of a cursor need not render anything. */
export function useOthers<Shown extends object = AppPresence>(): Others<Shown>;
export function useOthers<Selected, Shown extends object = AppPresence>(
  select: (others: Others<Shown>) => Selected,
): Selected;
export function useOthers(select: (others: Others<AppPresence>) => unknown = all): unknown {
  const presence = usePresence();
  const store = useMemo(
    () => ({
      subscribe: (listener: () => void) => presence.subscribe(listener),
      get: () => presence.others,
      getServer: () => NOBODY,
    }),
    [presence],
  );
  return useSelected(store, select);
}

const all = (others: unknown) => others;

/** What this client shows, and the way to show something else. Each own move renders: see `useUpdatePresence`. */
export function useMyPresence<Shown extends object = AppPresence>(): readonly [
  me: Shown,
  update: (patch: Patch<Shown>) => void,
] {
  const presence = usePresence();
  const subscribe = useCallback((listener: () => void) => presence.subscribe(listener), [presence]);
  const get = () => presence.me;
  const me = useSyncExternalStore(subscribe, get, get);
  return [me as unknown as Shown, useUpdatePresence<Shown>()];
}

/** The way to show something else, without rendering when it is shown. */
export function useUpdatePresence<Shown extends object = AppPresence>(): (
  patch: Patch<Shown>,
) => void {
  const presence = usePresence();
  return useCallback((patch) => presence.update(patch as Patch<AppPresence>), [presence]);
}
