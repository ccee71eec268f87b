// What offline work takes from the outside world, so that a test or another runtime can replace it.

/** The part of the Web Locks API that is used. */
export interface Locks {
  /** Holds the lock while `held` runs. Rejects when the signal comes first. */
  request(
    name: string,
    options: { readonly signal: AbortSignal },
    held: () => Promise<void>,
  ): Promise<unknown>;
}

/** The part of a BroadcastChannel that is used. */
export interface Channel {
  /** Another tab told something: `data`. */
  // The event types of the implementations do not assign to each other; only `data` is read.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  onmessage: ((event: any) => void) | null;
  /** Tells all other tabs. */
  postMessage(message: unknown): void;
  /** Nothing is told or heard any more. */
  close(): void;
}

/** What offline work takes from the runtime; null for what is not there. */
export interface OfflineEnvironment {
  readonly indexedDB: Pick<IDBFactory, "open"> | null;
  readonly IDBKeyRange: Pick<typeof IDBKeyRange, "bound"> | null;
  /** Without locks each tab writes for itself. */
  readonly locks: Locks | null;
  /** Without channels each tab writes for itself, and learns of the others through the database. */
  readonly openChannel: ((name: string) => Channel) | null;
  readonly crypto: Pick<Crypto, "subtle" | "getRandomValues"> | null;
  /** As the global one. What it returns is given to `clearTimeout`. */
  setTimeout(run: () => void, ms: number): unknown;
  /** As the global one. */
  clearTimeout(timer: unknown): void;
  /** Milliseconds since 1970. */
  now(): number;
  /** At least 0 and less than 1. */
  random(): number;
}

/** The environment that this runtime offers, with some of it replaced. `null` stands for "not there". */
export function offlineEnvironment(replaced: Partial<OfflineEnvironment> = {}): OfflineEnvironment {
  return {
    indexedDB: ambient(() => globalThis.indexedDB),
    IDBKeyRange: ambient(() => globalThis.IDBKeyRange),
    locks: ambient(() => globalThis.navigator.locks),
    openChannel:
      ambient(() => globalThis.BroadcastChannel) && ((name) => new BroadcastChannel(name)),
    crypto: ambient(() => globalThis.crypto),
    setTimeout: (run, ms) => globalThis.setTimeout(run, ms),
    clearTimeout: (timer) => globalThis.clearTimeout(timer as number),
    now: () => Date.now(),
    random: () => Math.random(),
    ...replaced,
  };
}

/** Differs from all others on this device: chance of 104 bits. */
export function randomId({ random }: OfflineEnvironment): string {
  const half = () => Math.floor(random() * 2 ** 52).toString(36);
  return `${half()}-${half()}`;
}

/** In a sandboxed frame even to look for a thing may throw. */
function ambient<Thing>(look: () => Thing | undefined): Thing | null {
  try {
    return look() ?? null;
  } catch {
    return null;
  }
}
