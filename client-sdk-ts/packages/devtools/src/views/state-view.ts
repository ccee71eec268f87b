// What is saved, what the document weighs, and what each side has of whom.

import type { Room } from "@roomtone/core";
import * as Y from "yjs";
import type { ServerState } from "../digest.js";
import { type DocumentSize, measure, structsCountOf } from "../document-size.js";
import { ageText, bytesText, clockText, countText, durationText, numberText } from "../format.js";
import { h, setText } from "../ui/element.js";
import { type Fact, facts } from "../ui/facts.js";
import { KeyedList } from "../ui/keyed-list.js";
import { hint, NO_ROOM, type Scene, section, type View } from "./view.js";

const CLIENTS_COUNT_MAX = 100;

interface ClientClock {
  readonly client: number;
  readonly here: number;
  /** Null: the server did not say. */
  readonly server: number | null;
  readonly isSelf: boolean;
}

export function stateView(): View {
  const missing = hint(NO_ROOM);
  const saved = facts(["Saved", "Unsaved", "Unconfirmed", "Last saved"]);
  const weight = facts(["Clients", "Structs", "Size", "Deleted", "Collected", "Pending"]);
  const button = h(
    "button",
    { type: "button", class: "button", click: () => measureNow() },
    "Measure",
  );
  const measured = h("p", { class: "count" });
  const body = h("tbody");
  const serverHead = h("th", { scope: "col", class: "clock" });
  const table = h(
    "table",
    { class: "clocks", "aria-label": "State vectors" },
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "col" }, "Client"),
        h("th", { scope: "col", class: "clock" }, "Here"),
        serverHead,
        h("th", { scope: "col", class: "clock" }, "Since then"),
      ),
    ),
    body,
  );
  const more = hint("");
  const clocks = new KeyedList<ClientClock>(body, {
    keyOf: ({ client }) => String(client),
    make: clockRow,
  });
  const content = h(
    "div",
    { class: "columns" },
    section("Saved", saved.element),
    section("Document", weight.element, h("div", { class: "toolbar" }, button, measured)),
    section("State vectors", table, more),
  );
  let room: Room | null = null;
  let size: { readonly of: DocumentSize; readonly atMs: number } | null = null;
  let scene: Scene | null = null;

  function measureNow() {
    if (room === null || scene === null) return;
    size = { of: measure(room.doc), atMs: scene.nowMs };
    draw(scene);
  }
  function draw(next: Scene) {
    scene = next;
    if (next.room !== room) size = null;
    room = next.room;
    missing.hidden = room !== null;
    content.hidden = room === null;
    if (room === null) return;
    saved.show(savedFacts(room, next));
    weight.show(weightFacts(room, size?.of ?? null));
    setText(measured, size === null ? "" : `measured ${ageText(next.nowMs - size.atMs)}`);
    const server = next.digest?.serverState(room.name) ?? null;
    setText(
      serverHead,
      server === null ? "Server" : `Server, ${clockText(server.atMs).slice(0, 8)}`,
    );
    serverHead.title = "What the server had when it was last asked: when the room was joined";
    const all = clocksOf(room, server);
    clocks.update(all.slice(0, CLIENTS_COUNT_MAX));
    more.hidden = all.length <= CLIENTS_COUNT_MAX;
    setText(more, `… ${numberText(Math.max(0, all.length - CLIENTS_COUNT_MAX))} more`);
  }

  return { element: h("div", {}, missing, content), draw };
}

function savedFacts({ name, saved }: Room, { digest, inspector, nowMs }: Scene) {
  const moods = { saved: "good", saving: "warn", offline: "bad" } as const;
  const texts = {
    saved: "on the server’s disk",
    saving: "on the way",
    offline: "in this tab only",
  } as const;
  const unconfirmed = digest?.unconfirmed(name) ?? null;
  const since =
    unconfirmed === null || unconfirmed.sinceTickMs === null || inspector === null
      ? ""
      : `, the oldest for ${durationText(Math.max(0, inspector.tickMs - unconfirmed.sinceTickMs))}`;
  const state: Fact = { text: texts[saved.state], mood: moods[saved.state] };
  return {
    Saved: state,
    Unsaved: countText(saved.unsaved, "change"),
    Unconfirmed: unconfirmed === null ? null : countText(unconfirmed.count, "message") + since,
    "Last saved":
      saved.lastSavedAt === null
        ? "not yet"
        : `${clockText(saved.lastSavedAt)}, ${ageText(nowMs - saved.lastSavedAt)}`,
  };
}

function weightFacts({ doc }: Room, size: DocumentSize | null) {
  const unknown = "not measured";
  const isPending = doc.store.pendingStructs !== null || doc.store.pendingDs !== null;
  const pending = size === null ? "something" : bytesText(size.pendingBytes);
  return {
    Clients: numberText(doc.store.clients.size),
    Structs: numberText(structsCountOf(doc)),
    Size: size === null ? unknown : bytesText(size.bytes),
    Deleted: size === null ? unknown : countText(size.deletedCount, "item"),
    Collected: size === null ? unknown : countText(size.collectedCount, "range"),
    Pending: isPending
      ? { text: `${pending} waits for what it builds on`, mood: "warn" as const }
      : null,
  };
}

/** The busiest first. */
function clocksOf({ doc }: Room, server: ServerState | null): ClientClock[] {
  const here = Y.decodeStateVector(Y.encodeStateVector(doc));
  const clients = new Set([...here.keys(), ...(server?.clocks.keys() ?? [])]);
  const clocks = [...clients].map((client) => ({
    client,
    here: here.get(client) ?? 0,
    server: server === null ? null : (server.clocks.get(client) ?? 0),
    isSelf: client === doc.clientID,
  }));
  return clocks.sort((a, b) => b.here - a.here || a.client - b.client);
}

function clockRow({ client, isSelf }: ClientClock) {
  const here = h("td", { class: "clock" });
  const server = h("td", { class: "clock" });
  const since = h("td", { class: "clock" });
  const who = h("th", { scope: "row" }, String(client));
  if (isSelf) who.append(h("span", { class: "kind" }, "this client"));
  return {
    element: h("tr", {}, who, here, server, since),
    update(clock: ClientClock) {
      setText(here, numberText(clock.here));
      setText(server, clock.server === null ? "–" : numberText(clock.server));
      const ahead = clock.server === null ? 0 : clock.here - clock.server;
      setText(since, ahead === 0 ? "" : `${ahead > 0 ? "+" : "−"}${numberText(Math.abs(ahead))}`);
    },
  };
}
