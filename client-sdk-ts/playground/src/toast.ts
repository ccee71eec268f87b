// A line about what was just done, with the way back.

import { h } from "./element.js";

const SHOW_MS = 10_000;

export function toast() {
  const text = h("span", { class: "toast-text" });
  const button = h("button", { type: "button", class: "button quiet toast-button" }, "Undo");
  const element = h("div", { class: "toast", hidden: true, "data-testid": "toast" }, text, button);
  let timer: ReturnType<typeof setTimeout> | undefined;
  let act = () => {};
  const hide = () => {
    clearTimeout(timer);
    element.hidden = true;
  };
  button.addEventListener("click", () => {
    hide();
    act();
  });
  return {
    element,
    show(words: string, label: string, run: () => void) {
      clearTimeout(timer);
      text.textContent = words;
      button.textContent = label;
      act = run;
      element.hidden = false;
      timer = setTimeout(hide, SHOW_MS);
    },
    hide,
  };
}
