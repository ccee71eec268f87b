// How the connection is doing, and what happened to it.

import type { Room } from "@roomtone/core";
import { bytesText, clockText, countText, durationText, visible } from "../format.js";
import { codeText, type LogEntry, wireEntry } from "../log.js";
import { h, setText } from "../ui/element.js";
import { type Fact, facts, type Mood } from "../ui/facts.js";
import { KeyedList } from "../ui/keyed-list.js";
import { hint, NO_ROOM, type Scene, section, type View } from "./view.js";

const ENTRIES_COUNT_MAX = 200;

export const STATUS_MOODS: Readonly<Record<Room["status"], Mood>> = {
  connected: "good",
  connecting: "warn",
  disconnected: "",
  refused: "bad",
};

export function connectionView(): View {
  const state = facts([
    "Status",
    "Refused",
    "Next attempt",
    "Transport",
    "In step",
    "Role",
    "User",
    "Epoch",
    "Session",
    "Limits",
  ]);
  const list = h("ol", { class: "log", "aria-label": "Connection log" });
  const missing = hint(NO_ROOM);
  const nothing = hint("Nothing happened yet.");
  const log = new KeyedList<LogEntry>(list, { keyOf: ({ key }) => key, make: logLine });

  return {
    element: h("div", {}, missing, state.element, section("Log", list, nothing)),
    draw(scene) {
      const { room } = scene;
      missing.hidden = room !== null;
      state.element.hidden = room === null;
      if (room !== null) state.show(roomFacts(room, scene));
      const entries = entriesOf(scene);
      log.update(entries);
      nothing.hidden = entries.length > 0;
    },
  };
}

function roomFacts(room: Room, { digest, nowMs }: Scene) {
  const { status, refusal, retryAt, transport, synced, role, user, epoch } = room;
  const welcome = digest?.welcome ?? null;
  const inStep: Fact = synced
    ? { text: "holds what the server holds", mood: "good" }
    : { text: "may lack what the server holds", mood: status === "connected" ? "warn" : "" };
  return {
    Status: { text: status, mood: STATUS_MOODS[status] },
    Refused:
      refusal === null
        ? null
        : { text: codeText(refusal.code, refusal.reason), mood: "bad" as const },
    "Next attempt": retryAt === null ? null : `in ${durationText(Math.max(0, retryAt - nowMs))}`,
    Transport: { http: "HTTP", websocket: "WebSocket", none: "none" }[transport ?? "none"],
    "In step": inStep,
    Role: role === null ? "not known yet" : visible(role),
    User: user === null ? "anonymous" : visible(user),
    Epoch: epoch === 0 ? "not known yet" : String(epoch),
    Session: welcome === null ? null : visible(welcome.session),
    Limits:
      welcome === null
        ? null
        : `frames of ${bytesText(welcome.frameBytesMax)}, ${countText(welcome.roomsMax, "room")}, ` +
          `silence of ${durationText(welcome.silenceMs)}`,
  };
}

/** Newest first. */
function entriesOf({ inspector, digest, roomLog }: Scene): LogEntry[] {
  const entries = [
    ...(inspector?.events ?? []).map(wireEntry),
    ...(digest?.entries ?? []),
    ...roomLog.entries,
  ];
  // Sorting keeps the order of what happened at the same time.
  entries.sort((a, b) => a.atMs - b.atMs);
  return entries.slice(-ENTRIES_COUNT_MAX).reverse();
}

function logLine({ atMs, source, text, mood }: LogEntry) {
  const said = h("span", { class: "log-text" });
  setText(said, text);
  said.dataset.mood = mood;
  const element = h(
    "li",
    {},
    h("time", {}, clockText(atMs)),
    h("span", { class: "log-source" }, source),
    said,
  );
  // What has happened does not change.
  return { element, update: () => {} };
}
