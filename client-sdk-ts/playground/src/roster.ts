// Everybody in the room: read from awareness, cleaned, and in an order that does not jump.

import type { Room } from "@roomtone/core";
import type { Awareness } from "y-protocols/awareness";
import { EditorsAwareness } from "./editors-awareness.js";
import { PALETTE, type Person, type Place, personOf, userOf } from "./person.js";

export interface Member extends Person {
  readonly clientID: number;
  readonly isSelf: boolean;
}

/** People that are listed. A room may hold more; those are only counted. */
export const MEMBERS_COUNT_MAX = 100;

interface Changes {
  readonly added: number[];
  readonly updated: number[];
  readonly removed: number[];
}

export class Roster {
  readonly #room: Room;
  readonly #members = new Map<number, { readonly key: string; readonly member: Member }>();
  readonly #listeners: (() => void)[] = [];
  readonly #editors: EditorsAwareness;
  /** `members` in order, until somebody comes, goes or changes. */
  #sorted: readonly Member[] | null = null;

  constructor(room: Room, me: { name: string; color: string }, place: Place) {
    this.#room = room;
    room.awareness.setLocalState({ user: userOf(me.name, me.color, null), place });
    this.#editors = new EditorsAwareness(room.awareness, place);
    for (const clientID of room.awareness.getStates().keys()) this.#read(clientID);
    room.awareness.on("change", this.#onAwareness);
  }

  /** Oneself first, then by name. The same array until something in it changes. */
  get members(): readonly Member[] {
    this.#sorted ??= [...this.#members.values()]
      .map(({ member }) => member)
      .sort(
        (a, b) =>
          Number(b.isSelf) - Number(a.isSelf) ||
          a.name.localeCompare(b.name) ||
          a.clientID - b.clientID,
      );
    return this.#sorted;
  }

  member(clientID: number): Member | null {
    return this.#members.get(clientID)?.member ?? null;
  }

  moveTo(place: Place): void {
    this.#room.awareness.setLocalStateField("place", place);
    this.#editors.show(place);
  }

  /** The server has said as whom we are here. */
  identify(userId: string | null): void {
    const { awareness } = this.#room;
    const me = this.member(awareness.clientID);
    if (me === null || me.userId === userId) return;
    awareness.setLocalStateField("user", userOf(me.name, me.color, userId));
  }

  /** Somebody came, went, or has another name, colour or place. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** A caret moved in one of the editors. */
  onCarets(listener: () => void): void {
    this.#editors.onCarets(listener);
  }

  /** The awareness as the plugins of the editor at this place may see it. */
  forEditor(place: Place): Awareness {
    return this.#editors.for(place);
  }

  close(): void {
    this.#room.awareness.off("change", this.#onAwareness);
    this.#editors.close();
  }

  readonly #onAwareness = ({ added, updated, removed }: Changes): void => {
    let isNews = false;
    for (const clientID of removed) isNews = this.#members.delete(clientID) || isNews;
    for (const clientID of [...added, ...updated]) isNews = this.#read(clientID) || isNews;
    // Most changes are cursors, many times a second and of everybody: they end here.
    if (!isNews) return;
    this.#sorted = null;
    this.#avoidSameColor();
    for (const listener of this.#listeners) listener();
  };

  /** Says whether there is anything new about them. */
  #read(clientID: number): boolean {
    const { awareness } = this.#room;
    const state = awareness.getStates().get(clientID);
    if (state === undefined) return this.#members.delete(clientID);
    const { user, place } = state as { user?: unknown; place?: unknown };
    const key = JSON.stringify([user, place]);
    if (this.#members.get(clientID)?.key === key) return false;
    const isSelf = clientID === awareness.clientID;
    this.#members.set(clientID, {
      key,
      member: { ...personOf(clientID, state), clientID, isSelf },
    });
    return true;
  }

  /** Two people may have brought the same colour. The one with the higher id takes a free one. */
  #avoidSameColor(): void {
    const { awareness } = this.#room;
    const me = this.member(awareness.clientID);
    if (me === null) return;
    const others = this.members.filter((member) => !member.isSelf);
    if (!others.some((other) => other.color === me.color && other.clientID < awareness.clientID)) {
      return;
    }
    const free = PALETTE.find((color) => others.every((other) => other.color !== color));
    if (free !== undefined) awareness.setLocalStateField("user", userOf(me.name, free, me.userId));
  }
}
