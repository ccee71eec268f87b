// A message in all its fields, as a tree.

import * as Y from "yjs";
import { bytesText, countText, numberText, redacted, visible } from "../format.js";
import { jsonNode } from "../tree/json.js";
import { childrenOf, note, type TreeNode } from "../tree/node.js";
import { awarenessEntries } from "./awareness.js";
import type { Content, Message } from "./message.js";
import { updateFacts } from "./update.js";

/** Fields that hold JSON as text. */
const JSON_FIELDS: ReadonlySet<string> = new Set(["payload", "request", "answer", "change"]);
/** Bytes of a broken frame that are shown. */
const HEX_BYTES_MAX = 64;

export function fieldsOf(message: Message): TreeNode[] {
  const { content, problem, isCut, frame } = message;
  const problems = problem === null ? [] : [note("problem", "problem", visible(problem))];
  if (isCut)
    problems.push(note("cut", "kept", `${bytesText(frame.body?.length ?? 0)} of the frame`));
  if (content === null) return [...problems, ...hexOf(message)];
  const { type: _type, channel: _channel, ...fields } = content;
  return [
    ...problems,
    ...Object.entries(fields).map(([name, value]) => field(content.type, name, value, isCut)),
  ];
}

function field(type: Content["type"], name: string, value: unknown, isCut: boolean): TreeNode {
  if (name === "token") return note(name, name, redacted(String(value)));
  if (typeof value === "string" && JSON_FIELDS.has(name))
    return jsonNode(name, name, parsed(value));
  if (!(value instanceof Uint8Array)) return jsonNode(name, name, value);
  if (isCut) return note(name, name, `${bytesText(value.length)}, and more that is not kept`);
  try {
    if (name === "stateVector") return stateVectorNode(name, value);
    if (name === "update") {
      return type === "awareness" ? awarenessNode(name, value) : updateNode(name, value);
    }
  } catch {
    return note(name, name, `${bytesText(value.length)} that cannot be read`);
  }
  return jsonNode(name, name, value);
}

/** Throws on what is no update. */
export function updateNode(name: string, update: Uint8Array): TreeNode {
  const { structsCount, clients, contents, deletionsCount, deletedClocksCount } =
    updateFacts(update);
  const nodes = [
    ...clients.map(({ client, structsCount: count, fromClock, toClock }) =>
      note(
        `client ${client}`,
        `client ${client}`,
        `${countText(count, "struct")}, clock ${numberText(fromClock)} to ${numberText(toClock)}`,
      ),
    ),
    ...[...contents].map(([content, count]) =>
      note(`content ${content}`, content, countText(count, "struct")),
    ),
    note(
      "deletions",
      "deletions",
      deletionsCount === 0
        ? "none"
        : `${countText(deletionsCount, "run")}, ${countText(deletedClocksCount, "clock")}`,
    ),
  ];
  const size = `${countText(structsCount, "struct")} of ${countText(clients.length, "client")}`;
  const value = `${size}, ${bytesText(update.length)}`;
  return { key: name, label: name, value, tone: "note", children: childrenOf(nodes) };
}

function awarenessNode(name: string, update: Uint8Array): TreeNode {
  const nodes = awarenessEntries(update).map(({ client, clock, state }) => ({
    ...jsonNode(String(client), `client ${client}`, state),
    kind: state === null ? `clock ${clock}, gone` : `clock ${clock}`,
  }));
  const value = countText(nodes.length, "client");
  return { key: name, label: name, value, tone: "note", children: childrenOf(nodes) };
}

function stateVectorNode(name: string, stateVector: Uint8Array): TreeNode {
  const nodes = [...Y.decodeStateVector(stateVector)].map(([client, clock]) =>
    note(String(client), `client ${client}`, `clock ${numberText(clock)}`),
  );
  const value = countText(nodes.length, "client");
  return { key: name, label: name, value, tone: "note", children: childrenOf(nodes) };
}

/** Only what the server sent: in what was sent to it there might be a token. */
function hexOf({ frame, start, bytes }: Message): TreeNode[] {
  if (frame.direction === "up" || frame.body === null) return [];
  const shown = frame.body.subarray(start, start + Math.min(bytes, HEX_BYTES_MAX));
  if (shown.length === 0) return [];
  const hex = [...shown].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return [note("hex", "bytes", shown.length < bytes ? `${hex} …` : hex)];
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
