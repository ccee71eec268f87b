// The element. Its class is made when it is defined, since a server that renders pages has nothing to extend.

import type { Room } from "@roomtone/core";
import type { Inspector } from "./inspector/inspector.js";
import { Panel } from "./panel.js";
import { adoptStyles } from "./styles/sheet.js";

export const TAG = "roomtone-devtools";

/**
 * `theme="light"` or `theme="dark"` in place of the system's; with `closable` it has a button that dispatches `close`, and
 * the page decides what that means.
 */
export interface RoomtoneDevtoolsElement extends HTMLElement {
  /** What to look at. It is neither connected nor destroyed. */
  room: Room | null;
  /** What listens to the room's connection. Without it there are no messages and no latencies. */
  inspector: Inspector | null;
}

declare global {
  interface HTMLElementTagNameMap {
    "roomtone-devtools": RoomtoneDevtoolsElement;
  }
}

/** Does nothing where it was done before, or where there are no elements. */
export function defineDevtools(): void {
  if (typeof customElements === "undefined" || customElements.get(TAG) !== undefined) return;
  customElements.define(TAG, elementClass());
}

function elementClass(): CustomElementConstructor {
  return class extends HTMLElement implements RoomtoneDevtoolsElement {
    readonly #panel = new Panel(() => this.dispatchEvent(new Event("close")));

    constructor() {
      super();
      const root = this.attachShadow({ mode: "open" });
      adoptStyles(root);
      root.append(this.#panel.element);
    }

    get room(): Room | null {
      return this.#panel.room;
    }

    set room(room: Room | null) {
      this.#panel.room = room ?? null;
    }

    get inspector(): Inspector | null {
      return this.#panel.inspector;
    }

    set inspector(inspector: Inspector | null) {
      this.#panel.inspector = inspector ?? null;
    }

    connectedCallback(): void {
      this.#takeOver("room");
      this.#takeOver("inspector");
      this.#panel.start();
    }

    disconnectedCallback(): void {
      this.#panel.stop();
    }

    /** What was set before the element was defined lies in front of the property. */
    #takeOver(name: "room" | "inspector"): void {
      if (!Object.hasOwn(this, name)) return;
      const value: unknown = Reflect.get(this, name);
      Reflect.deleteProperty(this, name);
      Reflect.set(this, name, value);
    }
  };
}
