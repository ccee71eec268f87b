// Colours of people: the same for the same person everywhere, and different for those who are here together.

/**
 * Told apart from each other (the two nearest are 0.13 apart in OKLab), seen as thin lines on white and on nearly black
 * (contrast of 3 or more), and dark enough to carry white text (4.5 or more). Tests hold them to it.
 */
export const PALETTE = [
  "#2d46ff",
  "#eb0f00",
  "#008700",
  "#8700ff",
  "#966e00",
  "#e10091",
  "#0064af",
  "#aa3c55",
  "#1e6e5f",
  "#c800e6",
  "#7d6e8c",
  "#913caa",
] as const;

/** Who a colour is for: a user id, or the client id of somebody who has none. */
export type PersonId = string | number;

/** The colour of somebody who is alone. It depends on the id and on nothing else. */
export function colorOf(id: PersonId): string {
  return PALETTE[hash(String(id)) % PALETTE.length] as string;
}

/**
 * The colours of those who are here together. Each has their own as long as there are enough, and everybody who sees
 * the same people comes to the same answer. Of two who want the same colour the one with the lower id keeps it, so
 * somebody who joins moves at most the few whose colours are theirs by that rule.
 */
export function colorsOf(ids: Iterable<PersonId>): ReadonlyMap<PersonId, string> {
  const colors = new Map<PersonId, string>();
  const uses = new Array<number>(PALETTE.length).fill(0);
  // By code units, not by the language of the browser: all must sort alike.
  const sorted = [...new Set(ids)].sort((a, b) => compare(String(a), String(b)));
  for (const id of sorted) {
    const start = hash(String(id));
    // Both have no divisor in common with the length, so each colour is come by.
    const step = (start >>> 16) % 2 === 0 ? 1 : 5;
    let best = start % PALETTE.length;
    for (let i = 1; i < PALETTE.length; i += 1) {
      const next = (start + i * step) % PALETTE.length;
      if ((uses[next] as number) < (uses[best] as number)) best = next;
    }
    uses[best] = (uses[best] as number) + 1;
    colors.set(id, PALETTE[best] as string);
  }
  return colors;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** FNV-1a with a last stir: ids that differ in one letter land far apart. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x45d9f3b);
  return (h ^ (h >>> 16)) >>> 0;
}
