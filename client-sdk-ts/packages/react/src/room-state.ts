// How the room is doing: connected, in step with the server, saved, refused; and what one may do there.

import type { Refusal, Room, RoomEvents, Saved, Status } from "@roomtone/core";
import { useCallback, useSyncExternalStore } from "react";
import { useRoom } from "./context.js";

/** A server knows of no changes. */
const NOTHING_TO_SAVE: Saved = { state: "saved", unsaved: 0, lastSavedAt: null };

/** `disconnected` until the page is there. */
export function useStatus(): Status {
  return useRoomState(["status"], (room) => room.status, disconnected);
}

/** Whether the document holds what the server holds. */
export function useSynced(): boolean {
  return useRoomState(["sync"], (room) => room.synced, notYet);
}

/** Whether the work is saved: on the server's disk, not merely sent. */
export function useSaved(): Saved {
  return useRoomState(["saved"], (room) => room.saved, nothingToSave);
}

/** Why the server will not have this client, while it is refused. */
export function useRefusal(): Refusal | null {
  return useRoomState(["status", "refused"], (room) => room.refusal, none);
}

/** What this client may do: `viewer`, `commenter`, `editor` or `owner`; null before the server has said it. */
export function useRole(): string | null {
  return useRoomState(["role"], (room) => room.role, none);
}

/** Who this client is, by its token; null for anonymous, and before the server has said it. */
export function useUser(): string | null {
  return useRoomState(["role"], (room) => room.user, none);
}

const disconnected = (): Status => "disconnected";
const notYet = () => false;
const nothingToSave = () => NOTHING_TO_SAVE;
const none = () => null;

function useRoomState<Value>(
  events: readonly (keyof RoomEvents)[],
  read: (room: Room) => Value,
  readServer: () => Value,
): Value {
  const room = useRoom();
  const names = events.join(" ");
  const subscribe = useCallback(
    (listener: () => void) => {
      const ends = names.split(" ").map((name) => room.on(name as keyof RoomEvents, listener));
      return () => {
        for (const end of ends) end();
      };
    },
    [room, names],
  );
  return useSyncExternalStore(subscribe, () => read(room), readServer);
}
