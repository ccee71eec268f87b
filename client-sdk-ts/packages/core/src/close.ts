// What the code of a close asks of the client: the same table as the server's.

/** Why the server will not have this client: it is not asked again until `connect()` is called. */
export interface Refusal {
  readonly code: number;
  readonly reason: string;
}

/** What follows a close: come back, come back with a new token, or stay away. */
export type Verdict = "again" | "renew" | "never";

export const CLOSE_NORMAL = 1000;
/** The connection is gone, and nobody has said why. */
export const CLOSE_LOST = 1006;
/** A message over its bound. */
export const CLOSE_TOO_LARGE = 1009;
/** The dialect was broken, or is another one. */
export const CLOSE_BROKEN = 4400;
export const CLOSE_UNAUTHORIZED = 4401;
/** The document was deleted or replaced by another one. */
export const CLOSE_REPLACED = 4409;

/** Codes of the permanent range that say something else. */
const EXCEPTIONS: Readonly<Record<number, Verdict>> = {
  // The token is missing, wrong or has expired. Whoever can make a new one may try it once.
  [CLOSE_UNAUTHORIZED]: "renew",
  // Nothing was authenticated in time: a slow network, not a refusal. Hocuspocus gave it this number.
  4408: "again",
};

/** 4400 to 4499 mean "do not come back with the same request"; every other code means "come back". */
export function verdict(code: number): Verdict {
  return EXCEPTIONS[code] ?? (code >= 4400 && code <= 4499 ? "never" : "again");
}
