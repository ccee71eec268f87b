// Tokens: plain, or made when they are needed.

/** A token, or what makes one. It is called before each attempt to connect, and when a token is about to end. */
export type TokenSource = string | (() => string | null | Promise<string | null>);

/** Empty where there is none. Rejects with what the maker throws. */
export async function askToken(source: TokenSource | undefined): Promise<string> {
  return (typeof source === "function" ? await source() : source) ?? "";
}

/**
 * What a guest of an open server, one that asks for no tokens, gives instead of one, so that the chat can tell people apart.
 * Nobody checks it. `id`: up to 64 letters, digits, `-` and `_`; the user is called `guest:` and this.
 */
export function guestToken(id: string, name: string): string {
  return JSON.stringify({ guest: id, name });
}
