// The clock and the timers that presence needs: the part of an environment that every runtime has.

import type { Environment } from "../environment.js";

/** The clock and the timers that are used. */
export type Timing = Pick<Environment, "setTimeout" | "clearTimeout" | "now">;

/** The timing of this runtime, with some of it replaced. */
export function timing(replaced: Partial<Timing> = {}): Timing {
  return {
    setTimeout: replaced.setTimeout ?? ((run, ms) => globalThis.setTimeout(run, ms)),
    clearTimeout: replaced.clearTimeout ?? ((timer) => globalThis.clearTimeout(timer as number)),
    now: replaced.now ?? (() => Date.now()),
  };
}
