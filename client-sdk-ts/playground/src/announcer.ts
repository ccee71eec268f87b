// Tells those who listen what others see: rarely, and only what lasts.

import { h } from "./element.js";

/** A state that changes back sooner is not worth hearing. */
const SETTLE_MS = 1_200;

export class Announcer {
  readonly element = h("div", { class: "spoken", role: "status", "aria-live": "polite" });
  #timer: ReturnType<typeof setTimeout> | undefined;
  #said = "";

  /** `text` is what holds now. It is said when it still holds after a while, and is not what was said last. */
  say(text: string): void {
    clearTimeout(this.#timer);
    if (text === this.#said) return;
    this.#timer = setTimeout(() => {
      this.#said = text;
      this.element.textContent = text;
    }, SETTLE_MS);
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}
