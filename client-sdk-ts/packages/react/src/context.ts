// What the provider gives to those below: the room, its document, its presence.

import type { Room } from "@roomtone/core";
import type { Presence } from "@roomtone/core/presence";
import { createContext, useContext } from "react";
import type { Doc } from "yjs";
import type { AppPresence } from "./register.js";
import type { Scope } from "./scope.js";

export const ScopeContext = createContext<Scope | null>(null);

export function useScope(): Scope {
  const scope = useContext(ScopeContext);
  if (scope === null) throw new Error("There is no <RoomProvider> above this component");
  return scope;
}

/** The room, to be used in effects and event handlers. What is shown is better read with the other hooks. */
export function useRoom(): Room {
  return useScope().room;
}

/** The document. The component does not render again when it changes: see `useMap`, `useText` and `useArray`. */
export function useDoc(): Doc {
  return useScope().room.doc;
}

/** The presence itself, for what follows it without rendering: cursors on a canvas, or `follow`. */
export function usePresence(): Presence<AppPresence> {
  return useScope().presence;
}
