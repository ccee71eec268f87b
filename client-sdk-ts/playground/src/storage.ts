// What the browser remembers for us, where it is allowed to. Without it the page works the same and forgets.

export type Key = "name" | "color" | "guest" | "theme" | "room";

export function recall(key: Key, storage: () => Storage = () => localStorage): string | null {
  try {
    return storage().getItem(`roomtone.${key}`);
  } catch {
    return null;
  }
}

export function remember(
  key: Key,
  value: string,
  storage: () => Storage = () => localStorage,
): void {
  try {
    storage().setItem(`roomtone.${key}`, value);
  } catch {
    // Private windows and full disks: not worth a word.
  }
}

/** Of this tab only: it survives a reload, and is not shared. */
export const tab = () => sessionStorage;
