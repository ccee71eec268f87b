// The people in a room, as the server knows them: what is told of oneself, and when others are forgotten.

import {
  type Awareness,
  applyAwarenessUpdate,
  encodeAwarenessUpdate,
  removeAwarenessStates,
} from "y-protocols/awareness";
import { guard, type Report } from "./error.js";

export class AwarenessSync {
  readonly #awareness: Awareness;
  readonly #send: (update: Uint8Array) => void;
  readonly #report: Report;

  /** `send` passes on what this client shows, if there is somebody to pass it to. */
  constructor(awareness: Awareness, send: (update: Uint8Array) => void, report: Report) {
    this.#awareness = awareness;
    this.#send = send;
    this.#report = report;
    awareness.on("update", this.#onUpdate);
  }

  /** What the server says of others, and of this client. */
  apply(update: Uint8Array): void {
    guard(this.#report, () => applyAwarenessUpdate(this.#awareness, update, this));
  }

  /** A new clock: those who saw this client leave ignore its state under the old one. */
  renew(): void {
    const state = this.#awareness.getLocalState();
    if (state !== null) guard(this.#report, () => this.#awareness.setLocalState(state));
  }

  /** Without a connection nobody is known to be here. Their clocks go too, or they would not come back. */
  forgetOthers(): void {
    const { clientID, meta } = this.#awareness;
    const others = [...meta.keys()].filter((id) => id !== clientID);
    guard(this.#report, () => removeAwarenessStates(this.#awareness, others, this));
    for (const id of others) meta.delete(id);
  }

  /** Tells the others that this client is gone. */
  leave(): void {
    const { clientID } = this.#awareness;
    guard(this.#report, () => removeAwarenessStates(this.#awareness, [clientID], "destroy"));
  }

  release(): void {
    this.#awareness.off("update", this.#onUpdate);
  }

  readonly #onUpdate = (
    { added, updated, removed }: { added: number[]; updated: number[]; removed: number[] },
    origin: unknown,
  ): void => {
    const { clientID, meta } = this.#awareness;
    // What came from the server does not go back to it, or one move of a cursor would bring a frame from every
    // client in the room. Except that this client was declared gone: then it says that it is still here.
    const changed = origin === this ? removed : [...added, ...updated, ...removed];
    if (!changed.includes(clientID) || !meta.has(clientID)) return;
    this.#send(encodeAwarenessUpdate(this.#awareness, [clientID]));
  };
}
