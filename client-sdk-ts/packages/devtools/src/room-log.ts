// What a room says of itself while somebody looks.

import type { Room } from "@roomtone/core";
import { visible } from "./format.js";
import { Ring } from "./inspector/ring.js";
import { codeText, type LogEntry } from "./log.js";
import type { Mood } from "./ui/facts.js";

const ENTRIES_COUNT_MAX = 200;

const STATUS_MOODS: Readonly<Record<Room["status"], Mood>> = {
  connected: "good",
  connecting: "",
  disconnected: "warn",
  refused: "bad",
};

export class RoomLog {
  readonly #entries = new Ring<LogEntry>(ENTRIES_COUNT_MAX);
  #lastEntry = 0;

  get entries(): LogEntry[] {
    return [...this.#entries];
  }

  /** Listens, and returns the way to stop. `onEvent` is called after each entry. */
  listen(room: Room, now: () => number, onEvent: () => void): () => void {
    const add = (text: string, mood: Mood = "") => {
      this.#lastEntry += 1;
      const key = `room ${this.#lastEntry}`;
      this.#entries.push({ key, atMs: now(), source: "room", text, mood });
      onEvent();
    };
    const stops = [
      room.on("status", ({ status }) => add(status, STATUS_MOODS[status])),
      room.on("sync", (synced) =>
        add(synced ? "holds what the server holds" : "may lack what the server holds"),
      ),
      room.on("refused", ({ code, reason }) => add(`refused: ${codeText(code, reason)}`, "bad")),
      room.on("denied", ({ reason }) => add(`may only read: ${visible(reason)}`, "bad")),
      room.on("role", ({ role, user }) =>
        add(`role ${visible(role)}, user ${user === null ? "anonymous" : visible(user)}`),
      ),
      room.on("replaced", ({ epoch }) =>
        add(`the document was replaced; the new epoch is ${epoch}`, "bad"),
      ),
      room.on("destroy", () => add("destroyed", "warn")),
    ];
    return () => {
      for (const stop of stops) stop();
    };
  }
}
