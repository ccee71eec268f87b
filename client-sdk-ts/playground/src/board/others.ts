// The others on the board: where they point and in which notes they write.

import type { Awareness } from "y-protocols/awareness";
import type { Member, Roster } from "../roster.js";
import { Cursors } from "./cursors.js";
import { presenceOf } from "./presence.js";

export type Writers = ReadonlyMap<string, readonly Member[]>;

interface Changes {
  readonly added: number[];
  readonly updated: number[];
  readonly removed: number[];
}

export class Others {
  readonly cursors: Cursors;
  readonly #awareness: Awareness;
  readonly #roster: Roster;
  readonly #draw: () => void;
  readonly #onWriters: (writers: Writers) => void;
  /** Which client writes in which note. */
  readonly #writing = new Map<number, string>();

  constructor(
    awareness: Awareness,
    roster: Roster,
    overlay: HTMLElement,
    options: { readonly draw: () => void; readonly onWriters: (writers: Writers) => void },
  ) {
    this.#awareness = awareness;
    this.#roster = roster;
    this.#draw = options.draw;
    this.#onWriters = options.onWriters;
    this.cursors = new Cursors(overlay, roster);
    awareness.on("change", this.#onAwareness);
    roster.onChange(() => {
      this.cursors.showPeople();
      this.tellWriters();
    });
    const known = [...awareness.getStates().keys()];
    this.#onAwareness({ added: known, updated: [], removed: [] });
  }

  /** Also for notes that are new. */
  tellWriters(): void {
    const writers = new Map<string, Member[]>();
    for (const [clientID, id] of this.#writing) {
      const member = this.#roster.member(clientID);
      if (member !== null) writers.set(id, [...(writers.get(id) ?? []), member]);
    }
    this.#onWriters(writers);
  }

  close(): void {
    this.#awareness.off("change", this.#onAwareness);
  }

  readonly #onAwareness = ({ added, updated, removed }: Changes): void => {
    const states = this.#awareness.getStates();
    let isMoved = false;
    let isWritten = false;
    for (const clientID of [...added, ...updated, ...removed]) {
      if (clientID === this.#awareness.clientID) continue;
      const { at, writing } = presenceOf(states.get(clientID));
      isMoved = this.cursors.point(clientID, at) || isMoved;
      if (writing === (this.#writing.get(clientID) ?? null)) continue;
      isWritten = true;
      if (writing === null) this.#writing.delete(clientID);
      else this.#writing.set(clientID, writing);
    }
    if (isWritten) this.tellWriters();
    if (isMoved) this.#draw();
  };
}
