// What can go wrong in a chat, for programs and for people.

/**
 * `bad_request`, `too_long`, `not_found`, `forbidden`: it is not allowed, and will not be when it is tried again.
 * `too_fast`, `away`: it is tried again by itself, and only seen in `chat.error`. `ended`: the chat is over.
 * `server_broken`: the server said what cannot be understood.
 */
export type ChatErrorCode =
  | "bad_request"
  | "too_long"
  | "not_found"
  | "forbidden"
  | "too_fast"
  | "away"
  | "ended"
  | "server_broken";

const CODES = new Set<unknown>([
  "bad_request",
  "too_long",
  "not_found",
  "forbidden",
  "too_fast",
  "away",
]);

/** What was asked of the chat and did not happen. */
export class ChatError extends Error {
  override readonly name = "ChatError";

  /** `hint` says to people what to do. `retryMs`: how long to wait, where the server has said that. */
  constructor(
    readonly code: ChatErrorCode,
    readonly hint: string,
    readonly retryMs: number | null = null,
  ) {
    super(hint);
  }
}

/** What the server says went wrong. A code that is not known forbids as well: to try again might do harm. */
export function parseError(error: unknown): ChatError {
  if (typeof error !== "object" || error === null) {
    return new ChatError("server_broken", "The server answered with an error without a code");
  }
  const { code, hint, retryMs } = error as { code?: unknown; hint?: unknown; retryMs?: unknown };
  return new ChatError(
    CODES.has(code) ? (code as ChatErrorCode) : "forbidden",
    typeof hint === "string" ? hint : String(code),
    typeof retryMs === "number" && retryMs >= 0 ? retryMs : null,
  );
}
