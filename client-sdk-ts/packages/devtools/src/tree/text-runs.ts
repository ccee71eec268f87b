// The words of a shared text: its beginning, and its pieces of one formatting each.

import * as Y from "yjs";

/** What all shared types have, whatever their events are. */
export type SharedType = Pick<
  Y.AbstractType<unknown>,
  "_start" | "_first" | "_map" | "_length" | "_item"
>;

export interface Run {
  /** Words, or what is embedded between them. */
  readonly content: string | { readonly embed: unknown };
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** The first so many letters. */
export function beginningOf(type: SharedType, lengthMax: number): string {
  let text = "";
  for (let item = type._start; item !== null && text.length < lengthMax; item = item.right) {
    if (!item.deleted && item.content instanceof Y.ContentString) text += item.content.str;
  }
  return text.slice(0, lengthMax);
}

/** At most so many pieces, and how many there are. */
export function runsOf(type: SharedType, countMax: number): { runs: Run[]; count: number } {
  const runs: Run[] = [];
  let count = 0;
  let attributes: Record<string, unknown> = {};
  let words = "";
  const push = (content: Run["content"]) => {
    count += 1;
    if (runs.length < countMax) runs.push({ content, attributes });
  };
  const flush = () => {
    if (words !== "") push(words);
    words = "";
  };
  for (let item = type._start; item !== null; item = item.right) {
    if (item.deleted) continue;
    const { content } = item;
    if (content instanceof Y.ContentString) {
      words += content.str;
    } else if (content instanceof Y.ContentFormat) {
      flush();
      const { [content.key]: _, ...rest } = attributes;
      attributes = content.value === null ? rest : { ...rest, [content.key]: content.value };
    } else if (item.countable) {
      flush();
      for (const embed of content.getContent()) push({ embed });
    }
  }
  flush();
  return { runs, count };
}
