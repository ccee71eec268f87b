// The top of a room: where one is, whether it is connected and saved, what can be opened beside it, and the way out.

import { shareLink } from "./address.js";
import { h } from "./element.js";
import { icons, mark } from "./icons.js";
import { connectionPill, savedPill } from "./state.js";
import { themeButton } from "./theme.js";

const COPIED_MS = 2_000;

export interface BarOptions {
  readonly room: string;
  /** Opens the simulated network. */
  readonly networkButton: HTMLElement;
  /** Open the panels at the side. */
  readonly sideButtons: readonly HTMLElement[];
  readonly onLeave: () => void;
}

export function bar({ room, networkButton, sideButtons, onLeave }: BarOptions) {
  const connection = connectionPill();
  const saved = savedPill();
  const element = h(
    "header",
    { class: "bar" },
    h(
      "div",
      { class: "bar-room" },
      h(
        "button",
        {
          type: "button",
          class: "home",
          "aria-label": "Roomtone: leave the room",
          title: "Leave the room",
          click: onLeave,
        },
        mark(),
      ),
      h("h1", { title: room }, room),
      copyButton(room),
    ),
    h("div", { class: "bar-state" }, saved.element, connection.element, networkButton),
    h(
      "div",
      { class: "bar-actions" },
      ...sideButtons,
      themeButton(),
      h(
        "button",
        {
          type: "button",
          class: "button quiet square",
          "aria-label": "Leave the room",
          title: "Leave the room",
          click: onLeave,
        },
        icons.leave(),
      ),
    ),
  );
  return { element, connection, saved };
}

function copyButton(room: string): HTMLButtonElement {
  const label = h("span", { class: "label" }, "Copy link");
  const button = h(
    "button",
    { type: "button", class: "button copy", "aria-live": "polite", click: () => void copy() },
    icons.link(),
    label,
  );
  async function copy() {
    const link = shareLink(room);
    try {
      await navigator.clipboard.writeText(link);
      label.textContent = "Copied";
    } catch {
      // Not allowed here (an insecure address, say): show it, to be copied by hand.
      window.prompt("The link to this room:", link);
      return;
    }
    button.dataset.copied = "";
    setTimeout(() => {
      label.textContent = "Copy link";
      delete button.dataset.copied;
    }, COPIED_MS);
  }
  return button;
}
