// Names and values in two columns.

import { h, setText } from "./element.js";

/** What a value says beside its words. */
export type Mood = "good" | "warn" | "bad" | "";

export interface Fact {
  readonly text: string;
  readonly mood?: Mood;
}

export function facts<Name extends string>(names: readonly Name[]) {
  const values = new Map(names.map((name) => [name, h("dd")] as const));
  const rows = [...values].map(([name, value]) => h("div", {}, h("dt", {}, name), value));
  return {
    element: h("dl", { class: "facts" }, ...rows),
    /** A fact that is null is not shown. */
    show(shown: { readonly [Each in Name]: Fact | string | null }) {
      for (const [name, value] of values) {
        const fact = shown[name];
        const { text, mood = "" } =
          typeof fact === "object" && fact !== null ? fact : { text: fact };
        if (value.parentElement !== null) value.parentElement.hidden = text === null;
        setText(value, text ?? "");
        value.dataset.mood = mood;
      }
    },
  };
}
