// What this package throws at the application, and how it hears what the application throws.

/**
 * `event_invalid`, `event_too_large`: what was given to `send` is no JSON, or too much. `client_destroyed`,
 * `room_destroyed`: it has ended. `server_broken`: the server said what cannot be understood.
 */
export type ErrorCode =
  | "event_invalid"
  | "event_too_large"
  | "client_destroyed"
  | "room_destroyed"
  | "server_broken";

/** `code` is for programs and stays; `message` is for people, and says what to do. */
export class RoomtoneError extends Error {
  override readonly name = "RoomtoneError";

  constructor(
    readonly code: ErrorCode,
    message: string,
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
  }
}

/** Is told of what went wrong in a callback, where nobody could catch it. */
export type Report = (error: unknown) => void;

/** Tells the application, or the console; what it throws at that is the end of it. */
export function reporter(onError: Report | undefined): Report {
  return (error) => {
    try {
      if (onError === undefined) console.error("[roomtone]", error);
      else onError(error);
    } catch {
      // There is nobody left to tell.
    }
  };
}

/** Runs what calls listeners of the application: nothing here breaks by what they throw. */
export function guard(report: Report, run: () => void): void {
  try {
    run();
  } catch (error) {
    report(error);
  }
}
