// Everybody in the room: read from awareness, cleaned, and in an order that does not jump.

import type { Room } from "@roomtone/core";
import type { Awareness } from "y-protocols/awareness";
import { PALETTE, type Person, type Place, personOf } from "./person.js";

export interface Member extends Person {
  readonly clientID: number;
  readonly isSelf: boolean;
}

/** People that are listed. A room may hold more; those are only counted. */
export const MEMBERS_COUNT_MAX = 100;

export class Roster {
  readonly #room: Room;

  constructor(room: Room, me: { name: string; color: string }, place: Place) {
    this.#room = room;
    room.awareness.setLocalState({ user: userOf(me.name, me.color), place });
    room.awareness.on("change", () => this.#avoidSameColor());
  }

  /** Oneself first, then by name. */
  get members(): Member[] {
    const { awareness } = this.#room;
    const members = [...awareness.getStates()].map(([clientID, state]) => ({
      ...personOf(clientID, state),
      clientID,
      isSelf: clientID === awareness.clientID,
    }));
    return members.sort(
      (a, b) =>
        Number(b.isSelf) - Number(a.isSelf) ||
        a.name.localeCompare(b.name) ||
        a.clientID - b.clientID,
    );
  }

  moveTo(place: Place): void {
    this.#room.awareness.setLocalStateField("place", place);
  }

  onChange(listener: () => void): void {
    this.#room.awareness.on("change", listener);
  }

  /**
   * The awareness as the editors' plugins may see it. They put names and colours of others into the page, so they get
   * the cleaned ones; all else goes through to the real one.
   */
  get forEditors(): Awareness {
    const { awareness } = this.#room;
    const states = () =>
      new Map(
        [...awareness.getStates()].map(([clientID, state]) => {
          const { name, color } = personOf(clientID, state);
          return [clientID, { ...state, user: userOf(name, color) }];
        }),
      );
    return Object.create(awareness, {
      getStates: { value: states },
      states: { get: states },
      // Its methods change the real map, which the line above hides.
      setLocalState: { value: awareness.setLocalState.bind(awareness) },
      setLocalStateField: { value: awareness.setLocalStateField.bind(awareness) },
      getLocalState: { value: awareness.getLocalState.bind(awareness) },
    }) as Awareness;
  }

  /** Two people may have brought the same colour. The one with the higher id takes a free one. */
  #avoidSameColor(): void {
    const { awareness } = this.#room;
    if (awareness.getLocalState() === null) return;
    const me = personOf(awareness.clientID, awareness.getLocalState());
    const others = this.members.filter((member) => !member.isSelf);
    if (!others.some((other) => other.color === me.color && other.clientID < awareness.clientID)) {
      return;
    }
    const free = PALETTE.find((color) => others.every((other) => other.color !== color));
    if (free !== undefined) awareness.setLocalStateField("user", userOf(me.name, free));
  }
}

function userOf(name: string, color: string) {
  // `colorLight` is what y-codemirror.next paints selections with.
  return { name, color, colorLight: `${color}40` };
}
