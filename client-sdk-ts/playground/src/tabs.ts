// The places of a room as tabs, each with the colours of those who are there.

import { h } from "./element.js";
import type { Place } from "./person.js";
import type { Member } from "./roster.js";

export interface TabOptions {
  readonly place: Place;
  readonly label: string;
  readonly panel: HTMLElement;
}

/** `entered`: by a click, so that the editor is what one wants next. */
type Listener = (place: Place, entered: boolean) => void;

/** Colours shown on a tab. What is over is left to the list of people. */
const DOTS_COUNT_MAX = 5;

export function tabs(options: readonly TabOptions[]) {
  const listeners: Listener[] = [];
  const entries = options.map(({ place, label, panel }) => {
    const dots = h("span", { class: "tab-dots", "aria-hidden": "true" });
    const tab = h(
      "button",
      {
        type: "button",
        class: "tab",
        role: "tab",
        id: `tab-${place}`,
        "aria-controls": `panel-${place}`,
        "data-testid": `tab-${place}`,
        click: () => select(place, true),
        keydown: (event) => onKey(event as KeyboardEvent),
      },
      label,
      dots,
    );
    panel.id = `panel-${place}`;
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
    return { place, tab, panel, dots };
  });
  let selected: Place = "document";

  function paint() {
    for (const { place, tab, panel } of entries) {
      tab.setAttribute("aria-selected", String(place === selected));
      tab.tabIndex = place === selected ? 0 : -1;
      panel.hidden = place !== selected;
    }
  }
  function select(place: Place, entered: boolean) {
    selected = place;
    paint();
    for (const listener of listeners) listener(place, entered);
  }
  function onKey(event: KeyboardEvent) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const from = entries.findIndex(({ place }) => place === selected);
    const to = entries[(from + step + entries.length) % entries.length];
    if (to === undefined) return;
    select(to.place, false);
    to.tab.focus();
  }
  paint();

  return {
    list: h(
      "div",
      { class: "tabs", role: "tablist", "aria-label": "Places in this room" },
      ...entries.map(({ tab }) => tab),
    ),
    panels: entries.map(({ panel }) => panel),
    onChange: (listener: Listener) => void listeners.push(listener),
    show(members: readonly Member[]) {
      for (const { place, dots } of entries) {
        const there = members.filter((member) => !member.isSelf && member.place === place);
        dots.replaceChildren(
          ...there.slice(0, DOTS_COUNT_MAX).map(({ color }) => {
            const dot = h("i");
            dot.style.background = color;
            return dot;
          }),
        );
      }
    },
  };
}
