// Tokens: plain, or made when they are needed.

/** A token, or what makes one. It is called before each attempt to connect, and when a token is about to end. */
export type TokenSource = string | (() => string | null | Promise<string | null>);

/** Empty where there is none. Rejects with what the maker throws. */
export async function askToken(source: TokenSource | undefined): Promise<string> {
  return (typeof source === "function" ? await source() : source) ?? "";
}
