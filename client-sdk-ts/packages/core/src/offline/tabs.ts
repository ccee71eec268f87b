// The tabs that have the same lineage open: what they say to each other, and which of them writes for all.

import type { Channel, OfflineEnvironment } from "./environment.js";

/** The numbers `first` to `last` of one tab are on the disk. */
export interface Receipt {
  readonly tab: string;
  readonly first: number;
  readonly last: number;
}

export type TabMessage =
  /** Follower to leader: write this for me. */
  | {
      readonly type: "hand";
      readonly tab: string;
      readonly first: number;
      readonly last: number;
      readonly update: Uint8Array;
      /** What it belongs to, 0 where the follower does not know. */
      readonly epoch: number;
    }
  /** To all: the row with this number is on the disk, and brings this update. */
  | { readonly type: "written"; readonly number: number; readonly update: Uint8Array }
  /** Leader to followers: what you handed is on the disk. */
  | { readonly type: "receipts"; readonly receipts: readonly Receipt[] }
  /** To all: from now on I write. Hand me again what is not on the disk. */
  | { readonly type: "leader" }
  | { readonly type: "epoch"; readonly epoch: number }
  /** To all: the document goes on in another lineage. */
  | { readonly type: "replaced"; readonly epoch: number }
  | { readonly type: "cleared" };

export interface TabsOptions {
  readonly environment: OfflineEnvironment;
  /** What the tabs have in common: the database and the lineage. */
  readonly scope: string;
  readonly onLead: () => void;
  readonly onMessage: (message: TabMessage) => void;
}

export class Tabs {
  readonly #options: TabsOptions;
  readonly #channel: Channel | null;
  readonly #abort = new AbortController();
  #leads = false;
  #closed = false;
  #resign: () => void = () => {};

  constructor(options: TabsOptions) {
    this.#options = options;
    this.#channel = openChannel(options);
    if (this.#channel === null) return;
    this.#channel.onmessage = ({ data }: { data: TabMessage }) => {
      if (!this.#closed) options.onMessage(data);
    };
  }

  /** Whether this tab writes for all. Several may at a time: that costs space, and no more. */
  get leads(): boolean {
    return this.#leads;
  }

  /** Stands in line for the leadership. Where tabs cannot agree, or not speak, each leads at once. */
  stand(): void {
    const { locks } = this.#options.environment;
    if (locks === null || this.#channel === null) {
      this.#lead();
      return;
    }
    const held = async () => {
      // What is granted just when it is not wanted any more must not be kept.
      if (this.#closed) return;
      this.#lead();
      return new Promise<void>((resolve) => {
        this.#resign = resolve;
      });
    };
    const { signal } = this.#abort;
    // Refused, for instance in a sandboxed frame: this tab writes for itself.
    const refused = () => this.#lead();
    try {
      locks.request(this.#options.scope, { signal }, held).catch(refused);
    } catch {
      refused();
    }
  }

  post(message: TabMessage): void {
    if (this.#closed) return;
    try {
      this.#channel?.postMessage(message);
    } catch {
      // Who is not told finds it in the database.
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#leads = false;
    this.#abort.abort();
    this.#resign();
    this.#channel?.close();
  }

  #lead(): void {
    if (this.#closed || this.#leads) return;
    this.#leads = true;
    this.#options.onLead();
  }
}

function openChannel({ environment, scope }: TabsOptions): Channel | null {
  try {
    return environment.openChannel?.(scope) ?? null;
  } catch {
    return null;
  }
}
