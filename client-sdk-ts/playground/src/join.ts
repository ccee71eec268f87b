// The first page: which room, and under which name.

import { cleanName, NAME_LENGTH_MAX } from "@roomtone/core/presence";
import { cleanRoom, ROOM_LENGTH_MAX } from "./address.js";
import { h } from "./element.js";
import { icons, mark } from "./icons.js";
import { randomName, randomRoom } from "./identity.js";
import { themeButton } from "./theme.js";

export interface Start {
  readonly room: string;
  readonly name: string;
}

export interface JoinPageOptions extends Start {
  /** Whether a token came with the link: then the room's name alone opens nothing. */
  readonly hasToken: boolean;
  readonly onJoin: (start: Start) => void;
}

export function joinPage({ hasToken, onJoin, ...start }: JoinPageOptions): HTMLElement {
  const room = field("Room", "join-room", start.room || randomRoom(), ROOM_LENGTH_MAX, randomRoom);
  const name = field("Your name", "join-name", start.name, NAME_LENGTH_MAX, randomName);
  const submit = (event: Event) => {
    event.preventDefault();
    const chosen = { room: cleanRoom(room.input.value), name: cleanName(name.input.value) };
    // Spaces alone satisfy `required`, and would be an empty name.
    for (const [input, value] of [
      [room.input, chosen.room],
      [name.input, chosen.name],
    ] as const) {
      input.setCustomValidity(value === "" ? "Please fill in this field." : "");
      if (!input.reportValidity()) return;
    }
    onJoin(chosen);
  };

  return h(
    "div",
    { class: "join" },
    h(
      "header",
      { class: "join-top" },
      h("p", { class: "brand" }, mark(), "Roomtone"),
      themeButton(),
    ),
    h(
      "main",
      { class: "join-main" },
      h(
        "div",
        { class: "join-words" },
        h("h1", {}, "Write in the same room."),
        h(
          "p",
          { class: "lead" },
          "Open a room and send the link. Text, code, notes and people arrive as they happen, and it says “Saved” only once your work is on disk.",
        ),
      ),
      h(
        "form",
        { class: "card join-form", submit },
        h("h2", {}, start.room ? "You are invited" : "Open a room"),
        room.row,
        name.row,
        h(
          "button",
          { type: "submit", class: "button primary", "data-testid": "join-button" },
          start.room ? "Join the room" : "Open the room",
        ),
        hasToken ? null : h("p", { class: "hint" }, "Anyone with the room’s name can join it."),
      ),
    ),
    tone(),
  );
}

function field(label: string, id: string, value: string, lengthMax: number, random: () => string) {
  const input = h("input", {
    id,
    "data-testid": id,
    value,
    required: true,
    maxlength: String(lengthMax),
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    input: () => input.setCustomValidity(""),
  });
  const shuffle = h(
    "button",
    {
      type: "button",
      class: "button quiet square",
      "aria-label": `Another ${label === "Room" ? "room name" : "name"}`,
      title: "Suggest another",
      click: () => {
        input.value = random();
        input.setCustomValidity("");
      },
    },
    icons.shuffle(),
  );
  const row = h(
    "div",
    { class: "field" },
    h("label", { for: id }, label),
    h("div", { class: "field-line" }, input, shuffle),
  );
  return { input, row };
}

/** The sound of an empty room: a row of bars, nearly still. */
function tone(): HTMLElement {
  const bars = Array.from({ length: 72 }, (_, index) => {
    const swell = Math.sin(index / 5.5) * Math.sin(index / 17) * 0.5 + 0.5;
    const bar = h("i");
    bar.style.setProperty("--height", String(0.08 + 0.92 * swell * swell));
    bar.style.setProperty("--delay", `${(index % 24) * -0.5}s`);
    return bar;
  });
  return h("div", { class: "tone", "aria-hidden": "true" }, ...bars);
}
