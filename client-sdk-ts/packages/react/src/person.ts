// Somebody as the components show them: a name that is fit to be shown, and a colour.

import { cleanName, type Other } from "@roomtone/core/presence";
import type { AppPresence } from "./register.js";

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

export function personOf(other: Other<AppPresence>, nameOf: NameOf = statedName): Person {
  const { clientId, userId, color, isMyself, state } = other;
  return { clientId, userId, color, isMyself, name: nameIn(state, nameOf) };
}

export function nameIn(shown: AppPresence, nameOf: NameOf = statedName): string {
  return cleanName(nameOf(shown)) || NAMELESS;
}

function statedName(shown: object): unknown {
  const { user, name } = shown as { user?: { name?: unknown } | null; name?: unknown };
  return user?.name ?? name;
}
