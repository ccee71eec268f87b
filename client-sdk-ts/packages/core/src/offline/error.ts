// Why work cannot be kept on this device, by a code that programs read and a hint that people do.

/** The reasons, for programs. Each has a hint for people: `OfflineError.hint`. */
export type OfflineErrorCode =
  | "options"
  | "unsupported"
  | "blocked"
  | "outdated"
  | "version_change"
  | "closed"
  | "cleared"
  | "quota"
  | "key_missing"
  | "key_wrong"
  | "not_encrypted"
  | "corrupt"
  | "failed";

const HINTS: { readonly [Code in OfflineErrorCode]: string } = {
  options: "This is a mistake in the call: see the message.",
  unsupported:
    "This page has no IndexedDB, or no WebCrypto for the key: private windows, sandboxed frames and pages without HTTPS may lack them.",
  blocked: "Another tab holds an older version of the database open: close or reload it.",
  outdated: "Another tab has brought the database to a newer version: reload this page.",
  version_change:
    "Another tab changes the version of the database or deletes it: reload this page.",
  closed: "The connection to the database is gone: open it again.",
  cleared: "The document was cleared from this device, maybe by another tab.",
  quota:
    "There is no space left for this site: discard stale copies or other data, then open it again with the same document.",
  key_missing: "What is stored is encrypted: pass the key it was stored with.",
  key_wrong: "What is stored was encrypted with another key: pass that one, or `clear()` it.",
  not_encrypted:
    "What is stored is not encrypted: open it without the key, `clear()` it, and open it with the key and the same document.",
  corrupt: "Bytes on this device are damaged. They are kept as they are, and the rest is used.",
  failed: "See the cause.",
};

/** Why work cannot be kept on this device. `code` is for programs and stays, `hint` is for people. */
export class OfflineError extends Error {
  override readonly name = "OfflineError";
  readonly code: OfflineErrorCode;
  /** What can be done about it. */
  readonly hint: string;

  constructor(code: OfflineErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.hint = HINTS[code];
  }
}

/** The names that IndexedDB gives to its errors. */
const CODES: Readonly<Record<string, OfflineErrorCode>> = {
  QuotaExceededError: "quota",
  VersionError: "outdated",
  SecurityError: "unsupported",
  InvalidStateError: "closed",
};

export function offlineError(cause: unknown, doing: string): OfflineError {
  if (cause instanceof OfflineError) return cause;
  const { name, message } = cause instanceof Error ? cause : { name: "", message: String(cause) };
  return new OfflineError(CODES[name] ?? "failed", `Could not ${doing}: ${message}`, cause);
}
