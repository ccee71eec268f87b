// Light or dark: the system's choice until somebody presses the button.

import { h } from "./element.js";
import { icons } from "./icons.js";
import { remember } from "./storage.js";

export function themeButton(): HTMLButtonElement {
  const button = h("button", { type: "button", class: "button quiet square", click: toggle });
  const show = () => {
    const next = isDark() ? "light" : "dark";
    button.replaceChildren(isDark() ? icons.sun() : icons.moon());
    button.setAttribute("aria-label", `Switch to the ${next} theme`);
    button.title = `Switch to the ${next} theme`;
  };
  function toggle() {
    const theme = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = theme;
    remember("theme", theme);
    show();
  }
  darkSystem().addEventListener("change", show);
  show();
  return button;
}

function isDark(): boolean {
  const chosen = document.documentElement.dataset.theme;
  return chosen === undefined ? darkSystem().matches : chosen === "dark";
}

function darkSystem(): MediaQueryList {
  return matchMedia("(prefers-color-scheme: dark)");
}
