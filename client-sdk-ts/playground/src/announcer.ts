// Tells those who listen what others see: states rarely, and only when they last; what they do themselves soon.

import { h } from "./element.js";

/** A state that changes back sooner is not worth hearing. */
const SETTLE_MS = 1_200;
/** Of several things done at once the last one is said. */
const TELL_MS = 120;

export class Announcer {
  readonly #states = region();
  readonly #deeds = region();
  readonly element = h("div", { "data-testid": "announcer" }, this.#states, this.#deeds);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #tellTimer: ReturnType<typeof setTimeout> | undefined;
  #said = "";

  /** `text` is what holds now. It is said when it still holds after a while, and is not what was said last. */
  say(text: string): void {
    clearTimeout(this.#timer);
    if (text === this.#said) return;
    this.#timer = setTimeout(() => {
      this.#said = text;
      this.#states.textContent = text;
    }, SETTLE_MS);
  }

  /** `text` is what was just done. */
  tell(text: string): void {
    clearTimeout(this.#tellTimer);
    // The same words twice are two deeds, and only a change is read out.
    this.#deeds.textContent = "";
    this.#tellTimer = setTimeout(() => {
      this.#deeds.textContent = text;
    }, TELL_MS);
  }

  close(): void {
    clearTimeout(this.#timer);
    clearTimeout(this.#tellTimer);
  }
}

function region(): HTMLElement {
  return h("div", { class: "spoken", role: "status", "aria-live": "polite" });
}
