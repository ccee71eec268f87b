// Somebody as the components show them: a name that is fit to be shown, and a colour.

import { cleanName, type Other } from "@roomtone/core/presence";
import { useRef } from "react";
import { useScope } from "./context.js";
import type { AppPresence } from "./register.js";

/** Somebody as the components show them. The name is fit to be shown, as text. */
export interface Person {
  /** One of their tabs. */
  readonly clientId: number;
  readonly userId: string | null;
  readonly name: string;
  readonly color: string;
  /** The same user as here. */
  readonly isMyself: boolean;
}

/** Where somebody's name stands in what they show. Default: `user.name`, else `name`. */
export type NameOf = (shown: AppPresence) => unknown;

/** For those who do not say who they are. */
export const NAMELESS = "Someone";

/**
 * Reads people with a callback of the application. What it throws over a stranger's state breaks nothing: that one is
 * nameless, and it is told once.
 */
export function usePersonOf(nameOf: NameOf = statedName): {
  readonly personOf: (other: Other<AppPresence>) => Person;
  readonly nameIn: (clientId: number, shown: AppPresence) => string;
} {
  const { onError } = useScope();
  const reported = useRef(new Set<number>());
  const nameIn = (clientId: number, shown: AppPresence): string => {
    try {
      return cleanName(nameOf(shown)) || NAMELESS;
    } catch (error) {
      if (!reported.current.has(clientId)) onError(error);
      reported.current.add(clientId);
      return NAMELESS;
    }
  };
  const personOf = ({ clientId, userId, color, isMyself, state }: Other<AppPresence>): Person => {
    return { clientId, userId, color, isMyself, name: nameIn(clientId, state) };
  };
  return { personOf, nameIn };
}

function statedName(shown: object): unknown {
  const { user, name } = shown as { user?: { name?: unknown } | null; name?: unknown };
  return user?.name ?? name;
}
