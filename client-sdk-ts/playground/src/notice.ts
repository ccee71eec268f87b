// What stands above the editors when the server will not have us, or not our changes.

import type { Refusal } from "@roomtone/core";
import { h } from "./element.js";
import { refusalText } from "./state.js";

export interface NoticeOptions {
  readonly onRetry: () => void;
  readonly onLeave: () => void;
}

export function notice({ onRetry, onLeave }: NoticeOptions) {
  const element = h("div", {
    class: "notice",
    role: "alert",
    "data-testid": "notice",
    hidden: true,
  });
  return {
    element,
    hide() {
      element.hidden = true;
      element.replaceChildren();
    },
    /** No answer so far: it may come yet. */
    showUnreachable() {
      element.hidden = false;
      element.replaceChildren(
        h("h2", {}, "The room does not answer"),
        h(
          "p",
          {},
          "Either the server is away, or it does not admit you with this link. This page keeps trying, and opens as soon as it can.",
        ),
        h(
          "div",
          { class: "notice-actions" },
          h("button", { type: "button", class: "button", click: onRetry }, "Try now"),
          h(
            "button",
            { type: "button", class: "button quiet", click: onLeave },
            "Back to the start",
          ),
        ),
      );
    },
    /** The server took a reader in, and refused what it wrote. */
    showDenied(reason: string) {
      element.hidden = false;
      element.replaceChildren(
        h("h2", {}, "You can read here, but not write"),
        h(
          "p",
          {},
          "The server did not take your last change. It is on this screen only: copy it if you need it.",
        ),
        h("p", { class: "notice-cause" }, `The server said: ${reason}`),
      );
    },
    showRefusal(refusal: Refusal) {
      element.hidden = false;
      const { title, advice } = refusalText(refusal);
      element.replaceChildren(
        h("h2", {}, title),
        h("p", {}, advice),
        h(
          "p",
          { class: "notice-cause" },
          `The server said: ${refusal.reason || "nothing"} (${refusal.code})`,
        ),
        h(
          "div",
          { class: "notice-actions" },
          h(
            "button",
            { type: "button", class: "button primary", click: onLeave },
            "Back to the start",
          ),
          h("button", { type: "button", class: "button", click: onRetry }, "Try again"),
        ),
      );
    },
  };
}
