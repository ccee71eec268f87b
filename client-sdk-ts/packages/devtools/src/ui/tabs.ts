// Tabs with their panels: one of them can be reached with the Tab key, the arrows lead to the others.

import { h } from "./element.js";

export interface Tab<Id extends string> {
  readonly id: Id;
  readonly label: string;
  readonly panel: HTMLElement;
}

const STEPS: Readonly<Record<string, (index: number, count: number) => number>> = {
  ArrowRight: (index, count) => (index + 1) % count,
  ArrowLeft: (index, count) => (index - 1 + count) % count,
  Home: () => 0,
  End: (_index, count) => count - 1,
};

export function tabs<Id extends string>(
  label: string,
  options: readonly [Tab<Id>, ...Tab<Id>[]],
  onSelect: (id: Id) => unknown,
) {
  let selected = options[0].id;
  const entries = options.map(({ id, label: name, panel }) => {
    const tab = h(
      "button",
      {
        type: "button",
        class: "tab",
        role: "tab",
        id: `tab-${id}`,
        "aria-controls": `panel-${id}`,
        click: () => select(id),
        keydown: (event) => onKey(event as KeyboardEvent),
      },
      name,
    );
    panel.id = `panel-${id}`;
    panel.setAttribute("role", "tabpanel");
    panel.setAttribute("aria-labelledby", tab.id);
    return { id, tab, panel };
  });

  function paint() {
    for (const { id, tab, panel } of entries) {
      tab.setAttribute("aria-selected", String(id === selected));
      tab.tabIndex = id === selected ? 0 : -1;
      panel.hidden = id !== selected;
    }
  }
  function select(id: Id) {
    selected = id;
    paint();
    onSelect(id);
  }
  function onKey(event: KeyboardEvent) {
    const step = STEPS[event.key];
    if (step === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const from = entries.findIndex(({ id }) => id === selected);
    const to = entries[step(from, entries.length)];
    if (to === undefined) return;
    select(to.id);
    to.tab.focus();
  }
  paint();

  return {
    list: h(
      "div",
      { class: "tabs", role: "tablist", "aria-label": label },
      ...entries.map(({ tab }) => tab),
    ),
    panels: entries.map(({ panel }) => panel),
    get selected() {
      return selected;
    },
    select,
  };
}
