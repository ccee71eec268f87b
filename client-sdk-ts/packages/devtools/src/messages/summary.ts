// A message in one line.

import * as Y from "yjs";
import { bytesText, countText, durationText, excerpt, redacted, visible } from "../format.js";
import { awarenessEntries } from "./awareness.js";
import type { Content, Message } from "./message.js";
import { updateFacts } from "./update.js";

/** What is larger is taken apart only for who selects it. */
const SUMMARY_BYTES_MAX = 4 * 1024;
const TEXT_LENGTH_MAX = 100;

export function summaryOf({ content, problem, bytes, isCut }: Message): string {
  if (content === null) return problem ?? "";
  try {
    return saying(content, isCut || bytes > SUMMARY_BYTES_MAX);
  } catch {
    return "what is inside cannot be read";
  }
}

function saying(content: Content, isLarge: boolean): string {
  switch (content.type) {
    case "hello":
      return `${visible(content.client)}, version ${content.version}, token ${redacted(content.token)}`;
    case "welcome":
      return `session ${visible(content.session)}, frames up to ${bytesText(content.frameBytesMax)}`;
    case "token":
      return redacted(content.token);
    case "renew":
      return `the token ends in ${durationText(content.leftMs)}`;
    case "ping":
    case "pong":
      return "";
    case "goAway":
      return `a close follows, come back after ${durationText(content.delayMs)}: ${visible(content.reason)}`;
    case "closed":
    case "left":
      return `${content.code} ${visible(content.reason)}`;
    case "join":
      return `${visible(content.name)}, epoch ${content.epoch}, token ${redacted(content.token)}`;
    case "joined":
      return `${visible(content.role)}, ${visible(content.user) || "anonymous"}, epoch ${content.epoch}`;
    case "leave":
      return "";
    case "role":
      return visible(content.role);
    case "stateVector":
      return isLarge ? "" : countText(Y.decodeStateVector(content.stateVector).size, "client");
    case "diff":
    case "edit":
    case "update": {
      const number = "seq" in content ? `no. ${content.seq}` : "";
      const facts = isLarge ? "" : updateText(content.update);
      return [number, facts].filter((text) => text !== "").join(": ");
    }
    case "saved":
      return `up to no. ${content.seq}`;
    case "refused":
      return visible(content.reason);
    case "deflatedDiff":
      return `${bytesText(content.deflated.length)} deflated`;
    case "awareness":
      return isLarge ? "" : awarenessText(content.update);
    case "event":
      return `${visible(content.name)} ${excerpt(content.payload, TEXT_LENGTH_MAX)}`;
    case "chatCall":
      return `no. ${content.call} ${excerpt(content.request, TEXT_LENGTH_MAX)}`;
    case "chatAnswer":
      return `no. ${content.call} ${excerpt(content.answer, TEXT_LENGTH_MAX)}`;
    case "chatChange":
      return excerpt(content.change, TEXT_LENGTH_MAX);
  }
}

function updateText(update: Uint8Array): string {
  const { structsCount, deletionsCount } = updateFacts(update);
  const parts = [
    ...(structsCount > 0 ? [countText(structsCount, "struct")] : []),
    ...(deletionsCount > 0 ? [countText(deletionsCount, "deletion")] : []),
  ];
  return parts.join(", ") || "nothing new";
}

function awarenessText(update: Uint8Array): string {
  const entries = awarenessEntries(update);
  if (entries.length === 0) return "nobody";
  const gone = entries.filter(({ state }) => state === null).length;
  const here = entries.length - gone;
  const parts = [
    ...(here > 0 ? [here === 1 ? `client ${entries[0]?.client}` : countText(here, "client")] : []),
    ...(gone > 0 ? [`${gone} gone`] : []),
  ];
  return parts.join(", ");
}
