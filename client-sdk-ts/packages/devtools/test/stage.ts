// A panel over a real room: a clock and sockets that tests move by hand, and a server in a few lines.

import type { Room, RoomOptions } from "@roomtone/core";
import { vi } from "vitest";
import { Awareness, applyAwarenessUpdate, encodeAwarenessUpdate } from "y-protocols/awareness";
import * as Y from "yjs";
import { type FakeSocket, World } from "../../core/test/fakes.js";
import { FakeServer } from "../../core/test/server.js";
import "../src/index.js";
import type { RoomtoneDevtoolsElement } from "../src/index.js";
import { Inspector, type InspectorOptions } from "../src/index.js";

export const TAB_NAMES = ["Connection", "Messages", "People", "Document", "State", "Latency"];

/**
 * The panel has timers of its own. What waits for promises goes on. It begins now, since the awareness protocol knows no
 * other time.
 */
export function holdTime(): void {
  vi.useFakeTimers({
    toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"],
    now: Date.now(),
  });
}

export class Stage {
  readonly world = new World();
  readonly server = new FakeServer();
  readonly inspector: Inspector;
  readonly room: Room;
  readonly panel: RoomtoneDevtoolsElement;

  constructor(options: Partial<RoomOptions> = {}, kept: InspectorOptions = {}) {
    this.inspector = new Inspector(kept);
    const environment = this.inspector.environment(this.world.environment);
    this.room = this.world.room({ environment, ...options });
    this.panel = document.createElement("roomtone-devtools");
    this.panel.room = this.room;
    this.panel.inspector = this.inspector;
  }

  /** Opens the newest socket, and lets client and server tell each other what they have. */
  async join(): Promise<FakeSocket> {
    const socket = await this.world.dial();
    this.server.accept(socket);
    this.server.read();
    this.server.read();
    this.server.commit();
    return socket;
  }

  /** Shows the panel on this tab, as it is now. */
  show(tab: string): HTMLElement {
    if (!this.panel.isConnected) document.body.append(this.panel);
    this.tab(tab).click();
    return this.shown;
  }

  /** Lets the panel draw what is new. */
  pass(ms = 1_000): void {
    this.world.clock.advance(ms);
    vi.advanceTimersByTime(ms);
  }

  commit(): void {
    this.server.read();
    this.server.commit();
  }

  get root(): ShadowRoot {
    const root = this.panel.shadowRoot;
    if (root === null) throw new Error("the panel has no inside");
    return root;
  }

  /** The panel of the selected tab. */
  get shown(): HTMLElement {
    const shown = this.all('[role="tabpanel"]').find((panel) => !panel.hidden);
    if (shown === undefined) throw new Error("no tab is shown");
    return shown;
  }

  tab(name: string): HTMLElement {
    return this.named('[role="tab"]', name);
  }

  /** The one element that has exactly this text. */
  named(selector: string, text: string): HTMLElement {
    const found = this.all(selector).filter((element) => element.textContent === text);
    const [element] = found;
    if (element === undefined || found.length > 1) {
      throw new Error(`${found.length} of ${selector} say “${text}”`);
    }
    return element;
  }

  all(selector: string): HTMLElement[] {
    return [...this.root.querySelectorAll<HTMLElement>(selector)];
  }

  /** What stands beside a name in a list of facts. */
  fact(name: string): string | null {
    const facts = [...this.shown.querySelectorAll<HTMLElement>(".facts > div")];
    const found = facts.find((each) => each.querySelector("dt")?.textContent === name);
    return found === undefined || found.hidden
      ? null
      : (found.querySelector("dd")?.textContent ?? "");
  }

  /** The rows of messages: each with its direction, type and summary. */
  get rows(): { direction: string | undefined; type: string; summary: string }[] {
    return this.all(".messages tbody tr:not(.gap)").map((row) => ({
      direction: row.dataset.direction,
      type: row.querySelector(".type")?.textContent ?? "",
      summary: row.querySelector(".summary")?.textContent ?? "",
    }));
  }

  /** Opens the node with this label below an element, as one that is there to be pressed does. */
  async open(label: string, within: ParentNode = this.shown): Promise<HTMLDetailsElement> {
    const labels = [...within.querySelectorAll("summary .label, summary .person-name")];
    const summary = labels.find((each) => each.textContent === label)?.closest("summary");
    const details = summary?.parentElement;
    if (!(details instanceof HTMLDetailsElement)) throw new Error(`nothing to open at “${label}”`);
    const toggled = new Promise((resolve) => details.addEventListener("toggle", resolve));
    summary?.click();
    vi.advanceTimersByTime(1);
    await toggled;
    return details;
  }

  press(target: Element, key: string): void {
    target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, composed: true }));
  }

  /** Somebody else shows something. */
  meet(clientId: number, state: Record<string, unknown>): void {
    const awareness = new Awareness(new Y.Doc());
    awareness.states.set(clientId, state);
    awareness.meta.set(clientId, { clock: 7, lastUpdated: 0 });
    const update = encodeAwarenessUpdate(awareness, [clientId]);
    applyAwarenessUpdate(this.room.awareness, update, this.room);
    awareness.destroy();
  }

  close(): void {
    this.panel.remove();
    this.room.destroy();
  }
}
