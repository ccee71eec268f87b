// What a message may hold: what the server would refuse is refused here, before anybody sees it (CH4).

import { ChatError } from "./error.js";

/** Characters of a message, without the white space around it. */
export const TEXT_LENGTH_MAX = 4_096;
/** Different people that one message may mention. */
export const MENTIONS_COUNT_MAX = 16;
/** Of one emoji, in UTF-8. */
export const EMOJI_BYTES_MAX = 32;

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;

/** The text as the server will store it. Control characters that come with pasted text are left out. */
export function checkText(text: string): string {
  const clean = text.replace(/\r\n?/g, "\n").replace(CONTROL, "").trim();
  const { length } = [...clean];
  if (length === 0) throw new ChatError("bad_request", "Write something: a message is not empty");
  if (length > TEXT_LENGTH_MAX) {
    const hint = `A message has at most ${TEXT_LENGTH_MAX} characters, and this one ${length}`;
    throw new ChatError("too_long", hint);
  }
  return clean;
}

export function checkMentions(mentions: readonly string[]): readonly string[] {
  const distinct = [...new Set(mentions)];
  if (distinct.length > MENTIONS_COUNT_MAX) {
    throw new ChatError("too_long", `A message mentions at most ${MENTIONS_COUNT_MAX} people`);
  }
  return distinct;
}

export function checkEmoji(emoji: string): string {
  const { length } = new TextEncoder().encode(emoji);
  if (length === 0 || length > EMOJI_BYTES_MAX) {
    throw new ChatError("bad_request", `An emoji has 1 to ${EMOJI_BYTES_MAX} bytes`);
  }
  return emoji;
}
