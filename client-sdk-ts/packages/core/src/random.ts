// Names that nobody can guess.

import type { Environment } from "./environment.js";

/** 144 bits. */
const NAME_LENGTH = 24;
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

export function randomName({ randomBytes }: Pick<Environment, "randomBytes">): string {
  return Array.from(randomBytes(NAME_LENGTH), (byte) => ALPHABET[byte & 63]).join("");
}
