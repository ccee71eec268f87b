// Who wrote a message, as it is shown: a name, and the colour that they have in the room.

import type { ChatMessage } from "@roomtone/core/chat";
import { cleanName } from "@roomtone/core/presence";
import { colorOf, NAMELESS } from "../person.js";
import type { Roster } from "../roster.js";

export interface Author {
  readonly name: string;
  readonly color: string;
}

export function authorOf({ user, name }: ChatMessage, roster: Roster): Author {
  const member = user === null ? undefined : memberOf(user, roster);
  return {
    name: cleanName(name) || member?.name || cleanName(user) || NAMELESS,
    color: member?.color ?? colorOf(hash(user ?? "")),
  };
}

/** The name of a user who may have gone. */
export function nameOf(user: string, roster: Roster): string {
  return memberOf(user, roster)?.name ?? (user.startsWith("guest:") ? "a guest" : cleanName(user));
}

/** The ids of those in the room whose names stand behind an `@` in the text. */
export function mentionsIn(text: string, roster: Roster): readonly string[] {
  const named = roster.members.filter(
    ({ name, userId }) => userId !== null && text.includes(`@${name}`),
  );
  return [...new Set(named.map(({ userId }) => userId as string))];
}

function memberOf(user: string, roster: Roster) {
  return roster.members.find(({ userId }) => userId === user);
}

function hash(text: string): number {
  let sum = 0;
  for (const char of text) sum = (sum * 31 + (char.codePointAt(0) ?? 0)) >>> 0;
  return sum;
}
