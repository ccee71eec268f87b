// A bad network to try things with: off, slow, or falling over.

import type { Room } from "@roomtone/core";
import { disclosure } from "./disclosure.js";
import { h } from "./element.js";
import { icons } from "./icons.js";
import { DROP_INTERVAL_MS, type SimulatedNetwork } from "./simulated-network.js";

/** Each way, in milliseconds, with what that is like. */
const DELAYS = [
  [0, "None"],
  [100, "100 ms"],
  [400, "400 ms"],
  [1_500, "1.5 s"],
] as const;

export function networkPanel(room: Room, network: SimulatedNetwork) {
  const button = h(
    "button",
    {
      type: "button",
      class: "button quiet square network-button",
      "data-testid": "network-button",
    },
    icons.network(),
  );
  const offline = toggle("Offline", "Work goes on, and is sent on your return.", "network-offline");
  const drops = toggle(
    "Drops",
    `The connection fails every ${DROP_INTERVAL_MS / 1_000} seconds.`,
    "network-drops",
  );
  const delays = DELAYS.map(([delayMs, label]) => {
    const input = h("input", {
      type: "radio",
      name: "network-delay",
      value: String(delayMs),
      "data-testid": `network-delay-${delayMs}`,
      change: () => {
        network.delayMs = delayMs;
        show();
      },
    });
    input.checked = delayMs === network.delayMs;
    return h("label", { class: "choice" }, input, h("span", {}, label));
  });
  const panel = h(
    "div",
    {
      class: "network",
      id: "network",
      role: "group",
      "aria-label": "Simulated network",
      "data-testid": "network",
    },
    h("h2", {}, "Try a bad network"),
    offline.element,
    h(
      "fieldset",
      { class: "delays" },
      h("legend", {}, "Delay each way"),
      h("div", { class: "choices" }, ...delays),
    ),
    drops.element,
  );
  const { close } = disclosure(button, panel);

  offline.input.addEventListener("change", () => {
    if (offline.input.checked) room.disconnect();
    else room.connect();
    show();
  });
  drops.input.addEventListener("change", () => {
    network.drops = drops.input.checked;
    show();
  });

  function show() {
    // "Try again" and the like connect too.
    offline.input.checked = room.status === "disconnected";
    const conditions = [
      ...(offline.input.checked ? ["offline"] : []),
      ...(network.delayMs > 0 ? [`${network.delayMs} ms each way`] : []),
      ...(network.drops ? ["drops"] : []),
    ];
    const label = `Simulated network: ${conditions.join(", ") || "off"}`;
    button.setAttribute("aria-label", label);
    button.title = label;
    button.toggleAttribute("data-on", conditions.length > 0);
  }
  show();

  return { button, panel, show, close };
}

function toggle(label: string, hint: string, id: string) {
  const input = h("input", {
    type: "checkbox",
    role: "switch",
    class: "switch",
    id,
    "data-testid": id,
    "aria-describedby": `${id}-hint`,
  });
  const element = h(
    "label",
    { class: "toggle", for: id },
    h(
      "span",
      { class: "toggle-text" },
      h("span", { class: "toggle-label" }, label),
      h("span", { class: "toggle-hint", id: `${id}-hint` }, hint),
    ),
    input,
  );
  return { element, input };
}
