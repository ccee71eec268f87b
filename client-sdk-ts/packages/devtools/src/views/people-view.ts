// Who is here: the awareness states, whose they are, and how old.

import type { Room } from "@roomtone/core";
import { ageText, countText, excerpt, numberText } from "../format.js";
import { jsonNode } from "../tree/json.js";
import { childrenOf } from "../tree/node.js";
import { h, setText } from "../ui/element.js";
import { KeyedList } from "../ui/keyed-list.js";
import { Tree } from "../ui/tree.js";
import { hint, NO_ROOM, type View } from "./view.js";

/** People that are listed; the others are counted. */
const PEOPLE_COUNT_MAX = 100;
const NAME_LENGTH_MAX = 40;

interface Person {
  readonly client: number;
  readonly isSelf: boolean;
  readonly state: Readonly<Record<string, unknown>>;
  readonly clock: number;
  readonly ageMs: number;
}

export function peopleView(): View {
  const missing = hint(NO_ROOM);
  const count = h("p", { class: "count" });
  const list = h("ul", { class: "people", "aria-label": "People" });
  const more = hint("");
  const people = new KeyedList<Person>(list, {
    keyOf: ({ client }) => String(client),
    make: personEntry,
  });
  return {
    element: h("div", {}, missing, count, list, more),
    draw({ room }) {
      missing.hidden = room !== null;
      count.hidden = room === null;
      const all = room === null ? [] : peopleOf(room);
      people.update(all.slice(0, PEOPLE_COUNT_MAX));
      setText(count, countText(all.length, "client here", "clients here"));
      more.hidden = all.length <= PEOPLE_COUNT_MAX;
      setText(more, `… ${numberText(Math.max(0, all.length - PEOPLE_COUNT_MAX))} more`);
    },
  };
}

/** Oneself first, the others in a steady order. */
function peopleOf({ awareness }: Room): Person[] {
  // The awareness has a clock of its own, which nobody can replace.
  const nowMs = Date.now();
  const people = [...awareness.getStates()].map(([client, state]) => {
    const meta = awareness.meta.get(client);
    const ageMs = Math.max(0, nowMs - (meta?.lastUpdated ?? nowMs));
    const isSelf = client === awareness.clientID;
    return { client, isSelf, state, clock: meta?.clock ?? 0, ageMs };
  });
  return people.sort((a, b) => Number(b.isSelf) - Number(a.isSelf) || a.client - b.client);
}

function personEntry({ client, isSelf }: Person) {
  const dot = h("i", { class: "swatch", "aria-hidden": "true" });
  const name = h("span", { class: "person-name" });
  const clock = h("span", { class: "person-clock" });
  const age = h("span", { class: "person-age" });
  const tree = new Tree("It shows nothing.");
  const details = h(
    "details",
    { toggle: () => showState() },
    h(
      "summary",
      { class: "person", title: `Client ${client}` },
      dot,
      h(
        "span",
        { class: "person-who" },
        name,
        h("span", { class: "kind" }, isSelf ? "this client" : ""),
      ),
      h("span", { class: "person-client" }, String(client)),
      clock,
      age,
    ),
    tree.element,
  );
  let shown: Person | null = null;
  function showState() {
    if (!details.open || shown === null) return;
    const nodes = Object.entries(shown.state).map(([key, value]) => jsonNode(key, key, value));
    tree.update(childrenOf(nodes));
  }
  return {
    element: h("li", {}, details),
    update(person: Person) {
      shown = person;
      setText(name, nameOf(person.state));
      setText(clock, `clock ${numberText(person.clock)}`);
      setText(age, ageText(person.ageMs));
      // Only a colour gets through this, whatever somebody sent.
      dot.style.backgroundColor = "";
      dot.style.backgroundColor = colorOf(person.state);
      showState();
    },
  };
}

/** Where applications put it: `name`, or `user.name`. */
function nameOf(state: Readonly<Record<string, unknown>>): string {
  const name = member(state, "name");
  return name === "" ? "no name" : excerpt(name, NAME_LENGTH_MAX);
}

function colorOf(state: Readonly<Record<string, unknown>>): string {
  return member(state, "color");
}

function member(state: Readonly<Record<string, unknown>>, name: string): string {
  const { user } = state;
  const inUser =
    typeof user === "object" && user !== null ? (user as Record<string, unknown>)[name] : undefined;
  const value = inUser ?? state[name];
  return typeof value === "string" ? value : "";
}
