// When a room was in step with the server for the first time.

import type { Room } from "@roomtone/core";

/** The first time a room is in step. Kept beside it, since a component that suspends keeps nothing. */
class Arrival {
  readonly #room: Room;
  readonly #ends: (() => void)[];
  readonly #waiting: (() => void)[] = [];
  #next: Promise<void> | null = null;
  #isDone = false;

  constructor(room: Room) {
    this.#room = room;
    this.#ends = [room.on("sync", () => this.#look()), room.on("refused", () => this.#look())];
    this.#look();
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  /** Resolves with the next step or refusal: then it is time to look again. */
  next(): Promise<void> {
    this.#next ??= new Promise((resolve) => this.#waiting.push(resolve));
    return this.#next;
  }

  #look(): void {
    this.#isDone = this.#room.synced;
    if (this.#isDone) for (const end of this.#ends.splice(0)) end();
    if (!this.#isDone && this.#room.refusal === null) return;
    this.#next = null;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

const arrivals = new WeakMap<Room, Arrival>();

/** Also called as soon as a room is entered, so that its first time is seen even if nothing waits for it. */
export function arrivalOf(room: Room): Arrival {
  let arrival = arrivals.get(room);
  if (arrival === undefined) {
    arrival = new Arrival(room);
    arrivals.set(room, arrival);
  }
  return arrival;
}
