// The devtools below the page. They are fetched when somebody opens them.

import type { Room } from "@roomtone/core";
import type { Inspector } from "@roomtone/devtools/inspector";
import { h } from "./element.js";
import { icons } from "./icons.js";

export function devtoolsDrawer(room: Room, inspector: Inspector) {
  const drawer = h("div", { class: "devtools", id: "devtools", hidden: true });
  const button = h(
    "button",
    {
      type: "button",
      class: "button quiet square devtools-button",
      "aria-label": "Devtools",
      "aria-controls": "devtools",
      "aria-expanded": "false",
      title: "Devtools: what the connection, the document and the people do",
      "data-testid": "devtools-button",
      click: () => void (drawer.hidden ? open() : shut()),
    },
    icons.devtools(),
  );
  let isClosed = false;
  /** The page's theme, where somebody has chosen one. */
  const showTheme = () => {
    const { theme } = document.documentElement.dataset;
    for (const panel of drawer.children) {
      if (theme === undefined) panel.removeAttribute("theme");
      else panel.setAttribute("theme", theme);
    }
  };
  const themes = new MutationObserver(showTheme);
  themes.observe(document.documentElement, { attributeFilter: ["data-theme"] });

  async function open(): Promise<void> {
    drawer.hidden = false;
    button.setAttribute("aria-expanded", "true");
    await import("@roomtone/devtools");
    // It may have been closed again while it was fetched.
    if (drawer.hidden || isClosed || drawer.hasChildNodes()) return;
    const panel = document.createElement("roomtone-devtools");
    panel.room = room;
    panel.inspector = inspector;
    panel.toggleAttribute("closable", true);
    panel.dataset.testid = "devtools";
    panel.addEventListener("close", () => {
      shut();
      button.focus();
    });
    drawer.append(panel);
    showTheme();
  }

  function shut(): void {
    drawer.hidden = true;
    drawer.replaceChildren();
    button.setAttribute("aria-expanded", "false");
  }

  return {
    button,
    drawer,
    close() {
      isClosed = true;
      themes.disconnect();
      shut();
    },
  };
}
