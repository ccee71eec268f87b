// The panel: its head, its tabs, and when it is drawn.

import type { Room } from "@roomtone/core";
import { Digest } from "./digest.js";
import { countText, visible } from "./format.js";
import type { Inspector } from "./inspector/inspector.js";
import { RoomLog } from "./room-log.js";
import { Throttle } from "./throttle.js";
import { h, setText } from "./ui/element.js";
import { tabs } from "./ui/tabs.js";
import { connectionView, STATUS_MOODS } from "./views/connection-view.js";
import { documentView } from "./views/document-view.js";
import { latencyView } from "./views/latency-view.js";
import { messagesView } from "./views/messages-view.js";
import { peopleView } from "./views/people-view.js";
import { stateView } from "./views/state-view.js";
import type { Scene } from "./views/view.js";

/** Shortest time between two drawings. */
export const DRAW_INTERVAL_MS = 250;
/** Ages and what counts down go on by themselves. */
const TICK_INTERVAL_MS = 1_000;

export class Panel {
  readonly element: HTMLElement;
  readonly #views = {
    connection: connectionView(),
    messages: messagesView(),
    people: peopleView(),
    document: documentView(),
    state: stateView(),
    latency: latencyView(),
  };
  readonly #title = h("h1");
  readonly #status = h("p", { class: "pill" });
  readonly #saved = h("p", { class: "pill" });
  readonly #tabs;
  readonly #drawing = new Throttle(DRAW_INTERVAL_MS, () => this.#draw());
  #room: Room | null = null;
  #inspector: Inspector | null = null;
  #roomLog = new RoomLog();
  #digest: Digest | null = null;
  /** What ends the listening; null while nobody looks. */
  #stops: (() => void)[] | null = null;

  constructor(onClose: () => void) {
    const { connection, messages, people, document, state, latency } = this.#views;
    this.#tabs = tabs(
      "Devtools",
      [
        { id: "connection", label: "Connection", panel: panelOf(connection.element) },
        {
          id: "messages",
          label: "Messages",
          panel: h("div", { class: "panel whole" }, messages.element),
        },
        { id: "people", label: "People", panel: panelOf(people.element) },
        { id: "document", label: "Document", panel: panelOf(document.element) },
        { id: "state", label: "State", panel: panelOf(state.element) },
        { id: "latency", label: "Latency", panel: panelOf(latency.element) },
      ],
      () => this.#isStarted && this.#drawing.now(),
    );
    const close = h(
      "button",
      { type: "button", class: "button close", "aria-label": "Close the devtools", click: onClose },
      "Close",
    );
    this.element = h(
      "div",
      { class: "devtools" },
      h("header", { class: "head" }, this.#title, this.#status, this.#saved, close),
      this.#tabs.list,
      ...this.#tabs.panels,
    );
  }

  get room(): Room | null {
    return this.#room;
  }

  set room(room: Room | null) {
    if (room === this.#room) return;
    this.#room = room;
    this.#roomLog = new RoomLog();
    this.#restart();
  }

  get inspector(): Inspector | null {
    return this.#inspector;
  }

  set inspector(inspector: Inspector | null) {
    if (inspector === this.#inspector) return;
    this.#inspector = inspector;
    this.#digest = inspector === null ? null : new Digest(inspector);
    this.#restart();
  }

  /** Listens and draws, until `stop`. */
  start(): void {
    if (this.#isStarted) return;
    const ask = () => this.#drawing.ask();
    const timer = setInterval(ask, TICK_INTERVAL_MS);
    document.addEventListener("visibilitychange", ask);
    this.#stops = [
      () => clearInterval(timer),
      () => document.removeEventListener("visibilitychange", ask),
      () => this.#drawing.cancel(),
    ];
    if (this.#inspector !== null) this.#stops.push(this.#inspector.subscribe(ask));
    if (this.#room !== null) this.#stops.push(...this.#listen(this.#room, ask));
    this.#drawing.now();
  }

  stop(): void {
    for (const stop of this.#stops ?? []) stop();
    this.#stops = null;
  }

  get #isStarted(): boolean {
    return this.#stops !== null;
  }

  #restart(): void {
    if (!this.#isStarted) return;
    this.stop();
    this.start();
  }

  #listen(room: Room, ask: () => void): (() => void)[] {
    room.doc.on("update", ask);
    room.awareness.on("update", ask);
    return [
      () => room.doc.off("update", ask),
      () => room.awareness.off("update", ask),
      room.on("saved", ask),
      this.#roomLog.listen(room, () => this.#nowMs, ask),
    ];
  }

  get #nowMs(): number {
    return this.#inspector?.nowMs ?? Date.now();
  }

  #draw(): void {
    // Nobody looks. What came meanwhile is caught up with when somebody does.
    if (document.visibilityState === "hidden") return;
    this.#digest?.catchUp();
    this.#drawHead();
    const scene: Scene = {
      room: this.#room,
      roomLog: this.#roomLog,
      inspector: this.#inspector,
      digest: this.#digest,
      nowMs: this.#nowMs,
    };
    this.#views[this.#tabs.selected].draw(scene);
  }

  #drawHead(): void {
    const room = this.#room;
    setText(this.#title, room === null ? "Devtools" : visible(room.name));
    this.#status.hidden = room === null;
    this.#saved.hidden = room === null;
    if (room === null) return;
    const { status, saved } = room;
    setText(this.#status, status);
    this.#status.dataset.mood = STATUS_MOODS[status];
    setText(
      this.#saved,
      saved.unsaved === 0 ? "saved" : `${countText(saved.unsaved, "change")} unsaved`,
    );
    this.#saved.dataset.mood = { saved: "good", saving: "warn", offline: "bad" }[saved.state];
  }
}

/** Scrolls by itself, and can be reached for that. */
function panelOf(view: HTMLElement): HTMLElement {
  return h("div", { class: "panel", tabindex: "0" }, view);
}
