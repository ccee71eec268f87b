// A row of buttons that act on an editor. One stop for the Tab key; the arrows go from button to button.

import { h } from "./element.js";

export interface Tool {
  readonly label: string;
  readonly keys?: string;
  readonly icon: () => SVGSVGElement;
  readonly run: () => void;
  /** Whether it holds at the cursor. Left out: it is not a thing that holds. */
  readonly isActive?: () => boolean;
  readonly isEnabled?: () => boolean;
}

export function toolbar(label: string, groups: readonly (readonly Tool[])[]) {
  const entries = groups.flat().map((tool) => ({ tool, button: button(tool) }));
  const buttonOf = (tool: Tool) => entries.find((entry) => entry.tool === tool)?.button ?? null;
  const element = h(
    "div",
    {
      class: "toolbar",
      role: "toolbar",
      "aria-label": label,
      keydown: (event) => onKey(event as KeyboardEvent),
    },
    ...groups.map((group) =>
      h("div", { class: "toolbar-group", role: "group" }, ...group.map(buttonOf)),
    ),
  );
  entries.forEach(({ button }, index) => {
    button.tabIndex = index === 0 ? 0 : -1;
  });

  function onKey(event: KeyboardEvent) {
    const at = entries.findIndex(({ button }) => button === document.activeElement);
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: entries.length - 1 }[
      event.key
    ];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const next = entries[(to + entries.length) % entries.length]?.button;
    if (next === undefined) return;
    for (const { button } of entries) button.tabIndex = button === next ? 0 : -1;
    next.focus();
  }

  return {
    element,
    show() {
      for (const { tool, button } of entries) {
        if (tool.isActive !== undefined)
          button.setAttribute("aria-pressed", String(tool.isActive()));
        // Not `disabled`: that would throw the focus out of the toolbar.
        if (tool.isEnabled !== undefined)
          button.setAttribute("aria-disabled", String(!tool.isEnabled()));
      }
    },
  };
}

function button(tool: Tool): HTMLButtonElement {
  return h(
    "button",
    {
      type: "button",
      class: "tool",
      "aria-label": tool.label,
      title: tool.keys === undefined ? tool.label : `${tool.label} (${tool.keys})`,
      // The selection in the editor must survive the press.
      pointerdown: (event) => event.preventDefault(),
      click: () => {
        if (tool.isEnabled?.() ?? true) tool.run();
      },
    },
    tool.icon(),
  );
}
