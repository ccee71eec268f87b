// Who is here: a button with their faces in the bar, and a list with names and places beside the editors.

import { initialsOf } from "@roomtone/core/presence";
import { disclosure } from "./disclosure.js";
import { h, spoken } from "./element.js";
import { icons } from "./icons.js";
import { MEMBERS_COUNT_MAX, type Member } from "./roster.js";

/** Faces on the button. What is over becomes a number. */
const FACES_COUNT_MAX = 4;

const PLACE_TEXT = { document: "Document", code: "Code", board: "Board" } as const;

export function peoplePanel() {
  const faces = h("span", { class: "faces", "aria-hidden": "true" });
  const total = h("span", { class: "total", "aria-hidden": "true" });
  const button = h(
    "button",
    {
      type: "button",
      class: "button quiet people-button",
      "data-testid": "people-button",
    },
    faces,
    total,
  );
  const title = h("h2", { id: "people-title" });
  const list = h("ul", { class: "people-list" });
  const panel = h(
    "aside",
    { class: "people", id: "people", "aria-labelledby": "people-title", "data-testid": "people" },
    h(
      "div",
      { class: "people-top" },
      title,
      h(
        "button",
        {
          type: "button",
          class: "button quiet square people-close",
          "aria-label": "Close the list of people",
          click: () => dismiss(),
        },
        icons.close(),
      ),
    ),
    list,
  );

  const { dismiss, close } = disclosure(button, panel);

  return {
    button,
    panel,
    show(members: readonly Member[]) {
      const count = members.length === 1 ? "1 person" : `${members.length} people`;
      panel.dataset.count = String(members.length);
      total.textContent = String(members.length);
      title.textContent = `${count} here`;
      button.setAttribute("aria-label", `${count} here`);
      button.title = members
        .slice(0, 12)
        .map(({ name }) => name)
        .join(", ");
      const more = members.length - FACES_COUNT_MAX;
      faces.replaceChildren(
        ...members.slice(0, more === 1 ? FACES_COUNT_MAX + 1 : FACES_COUNT_MAX).map(face),
        ...(more > 1 ? [h("span", { class: "face more" }, `+${more}`)] : []),
      );
      list.replaceChildren(
        ...members.slice(0, MEMBERS_COUNT_MAX).map(row),
        ...(members.length > MEMBERS_COUNT_MAX
          ? [h("li", { class: "person-more" }, `and ${members.length - MEMBERS_COUNT_MAX} more`)]
          : []),
      );
    },
    close,
  };
}

function row(member: Member): HTMLLIElement {
  return h(
    "li",
    { class: "person" },
    face(member),
    h(
      "span",
      { class: "person-text" },
      h("span", { class: "person-name", title: member.name }, member.name),
      h(
        "span",
        { class: "person-place" },
        spoken("is in "),
        `${PLACE_TEXT[member.place]}${member.isSelf ? " · you" : ""}`,
      ),
    ),
  );
}

function face({ name, color }: Member): HTMLSpanElement {
  const element = h("span", { class: "face", "aria-hidden": "true" }, initialsOf(name));
  element.style.background = color;
  return element;
}
