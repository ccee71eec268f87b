// Several awarenesses that hear each other, as if a server stood between them.

import { Awareness, applyAwarenessUpdate, encodeAwarenessUpdate } from "y-protocols/awareness";
import * as Y from "yjs";
import { type PresenceOptions, presence } from "../../src/presence/index.js";
import { Clock } from "../fakes.js";

type Change = { added: number[]; updated: number[]; removed: number[] };

export class Hall {
  readonly clock = new Clock();
  readonly errors: unknown[] = [];
  readonly #members: Awareness[] = [];

  /** Somebody with this client id, who hears all others and is heard by them. */
  enter(clientId: number): Awareness {
    const doc = new Y.Doc();
    doc.clientID = clientId;
    const awareness = new Awareness(doc);
    for (const other of this.#members) this.#tell(awareness, other, other.clientID);
    this.#members.push(awareness);
    awareness.on("update", ({ added, updated, removed }: Change, origin: unknown) => {
      if (origin === this) return;
      for (const id of [...added, ...updated, ...removed]) {
        for (const other of this.#members) {
          if (other !== awareness) this.#tell(other, awareness, id);
        }
      }
    });
    for (const other of this.#members) {
      if (other !== awareness) this.#tell(other, awareness, clientId);
    }
    return awareness;
  }

  presence<T extends object>(awareness: Awareness, options: PresenceOptions<T> & { initial: T }) {
    return presence<T>({ awareness }, { ...this.around(), ...options });
  }

  /** The options that put something into this hall's time. */
  around() {
    return {
      environment: {
        setTimeout: this.clock.setTimeout,
        clearTimeout: this.clock.clearTimeout,
        now: () => this.clock.nowMs,
      },
      onError: (error: unknown) => void this.errors.push(error),
    };
  }

  close(): void {
    for (const awareness of this.#members.splice(0)) awareness.destroy();
  }

  #tell(to: Awareness, from: Awareness, clientId: number): void {
    applyAwarenessUpdate(to, encodeAwarenessUpdate(from, [clientId]), this);
  }
}
