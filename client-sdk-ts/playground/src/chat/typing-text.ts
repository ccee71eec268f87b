// Who is typing, in one line.

import type { Typist } from "@roomtone/core/chat";
import { NAMELESS } from "../person.js";

/** Names that are said. More are "several people". */
const NAMES_COUNT_MAX = 2;

export function typingText(typists: readonly Typist[]): string {
  if (typists.length === 0) return "";
  if (typists.length > NAMES_COUNT_MAX) return "Several people are typing…";
  const names = typists.map(({ name }) => name || NAMELESS);
  return `${names.join(" and ")} ${names.length === 1 ? "is" : "are"} typing…`;
}
