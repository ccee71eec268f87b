// Bytes a second, each way, in the last minute; and all of them.

import type { Direction } from "./frame.js";

/** How far back it is known. */
export const TRAFFIC_SECONDS_COUNT = 60;

export interface Second {
  readonly upBytes: number;
  readonly downBytes: number;
}

interface Bucket {
  second: number;
  up: number;
  down: number;
}

export class Traffic {
  readonly #buckets: Bucket[] = [];
  readonly #bytes = { up: 0, down: 0 };
  readonly #frames = { up: 0, down: 0 };

  bytes(direction: Direction): number {
    return this.#bytes[direction];
  }

  framesCount(direction: Direction): number {
    return this.#frames[direction];
  }

  add(direction: Direction, bytes: number, tickMs: number): void {
    this.#bytes[direction] += bytes;
    this.#frames[direction] += 1;
    const second = Math.floor(tickMs / 1_000);
    const index = second % TRAFFIC_SECONDS_COUNT;
    let bucket = this.#buckets[index];
    if (bucket?.second !== second) {
      bucket = { second, up: 0, down: 0 };
      this.#buckets[index] = bucket;
    }
    bucket[direction] += bytes;
  }

  /** The last seconds, oldest first. The one that is not over yet is not among them. */
  seconds(tickMs: number): Second[] {
    const now = Math.floor(tickMs / 1_000);
    return Array.from({ length: TRAFFIC_SECONDS_COUNT - 1 }, (_, index) => {
      const second = now - TRAFFIC_SECONDS_COUNT + 1 + index;
      const bucket = second < 0 ? undefined : this.#buckets[second % TRAFFIC_SECONDS_COUNT];
      if (bucket?.second !== second) return { upBytes: 0, downBytes: 0 };
      return { upBytes: bucket.up, downBytes: bucket.down };
    });
  }
}
