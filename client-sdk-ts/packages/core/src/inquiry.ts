// Why a socket did not open. A browser tells nobody the status of a refused upgrade, so it is asked for over HTTP.

import type { Refusal } from "./close.js";
import type { Environment, HttpResponse } from "./environment.js";

/** What a server of ours says to a plain request for its socket: it is there, and was asked for no upgrade. */
export const STATUS_UPGRADE_REQUIRED = 426;

/** The close codes that say the same as these statuses. Any other status is no refusal. */
const CLOSE_CODES: Readonly<Record<number, number>> = { 400: 4400, 401: 4401, 403: 4403 };

export interface Answer {
  readonly status: number;
  readonly refusal: Refusal | null;
}

/**
 * Whether the nth failure in a row is asked about: the first, the second, the fourth and so on. A server that is only
 * away must not be met by two requests an attempt.
 */
export function isAskedAbout(failure: number): boolean {
  return (failure & (failure - 1)) === 0;
}

/** Null when there is no answer: the server is away, or answers no page of this origin. */
export async function inquire(environment: Environment, address: string): Promise<Answer | null> {
  try {
    const response = await environment.fetch(address.replace(/^ws/, "http"));
    return { status: response.status, refusal: await refusalOf(response) };
  } catch {
    return null;
  }
}

/** What a status other than success refuses; null if it is no refusal. */
export async function refusalOf(response: HttpResponse): Promise<Refusal | null> {
  // An answer that is not read to its end keeps its connection busy.
  const reason = await response.text().then(detailOf, () => "");
  const code = CLOSE_CODES[response.status];
  return code === undefined ? null : { code, reason };
}

/** The sentence in a problem document (RFC 9457). */
function detailOf(body: string): string {
  try {
    const problem: unknown = JSON.parse(body);
    if (typeof problem === "object" && problem !== null && "detail" in problem) {
      return String(problem.detail);
    }
  } catch {
    // Some proxy's page: not for people.
  }
  return "";
}
