// Where exceptions of the application go, so that they break nothing here.

export type ErrorListener = (error: unknown) => void;

/** Tells the application, or the console if nobody else wants to know. Never throws. */
export function reporter(onError: ErrorListener | undefined): ErrorListener {
  return (error) => {
    try {
      if (onError === undefined) console.error("[roomtone]", error);
      else onError(error);
    } catch {
      // There is nobody left to tell.
    }
  };
}
