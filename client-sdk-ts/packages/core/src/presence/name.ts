// Names of people, as somebody else's program wrote them: made fit to be shown.

/** Letters of a name. What is over is cut off. */
export const NAME_LENGTH_MAX = 40;

/** Control characters, invisible ones, and those that turn the direction of the text around them. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** A name on one line, without what cannot be seen; empty if there is none. Show it as text, never as markup. */
export function cleanName(name: unknown): string {
  if (typeof name !== "string") return "";
  const text = name
    .slice(0, NAME_LENGTH_MAX * 8)
    .replace(UNSEEN, " ")
    .replace(/\s+/g, " ")
    .trim();
  return [...text].slice(0, NAME_LENGTH_MAX).join("").trim();
}

/** One or two letters for an avatar. */
export function initialsOf(name: string): string {
  const words = name.split(" ").filter((word) => /[\p{L}\p{N}]/u.test(word));
  const letters = (words.length > 1 ? [words[0], words.at(-1)] : [words[0]]).map(
    (word) => [...(word ?? "")].find((letter) => /[\p{L}\p{N}]/u.test(letter)) ?? "",
  );
  return letters.join("").toUpperCase() || "?";
}
