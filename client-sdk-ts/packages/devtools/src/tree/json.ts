// Plain values as a tree: what is in awareness, in events and inside of shared types.

import { bytesText, countText, excerpt, numberText, visible } from "../format.js";
import type { TreeNode } from "./node.js";

/** What is shown of a text. */
export const TEXT_LENGTH_MAX = 120;
const LABEL_LENGTH_MAX = 60;
/** Names of members that stand for a closed object. */
const PREVIEW_NAMES_COUNT_MAX = 4;

export function jsonNode(key: string, name: string, value: unknown): TreeNode {
  const label = excerpt(name, LABEL_LENGTH_MAX);
  switch (typeof value) {
    case "string":
      return { key, label, value: `“${excerpt(value, TEXT_LENGTH_MAX)}”`, tone: "string" };
    case "number":
    case "bigint":
      return { key, label, value: String(value), tone: "number" };
    case "boolean":
    case "undefined":
      return { key, label, value: String(value), tone: "literal" };
    case "object":
      return value === null
        ? { key, label, value: "null", tone: "literal" }
        : objectNode(key, label, value);
    default:
      return { key, label, value: typeof value, tone: "note" };
  }
}

function objectNode(key: string, label: string, value: object): TreeNode {
  if (value instanceof Uint8Array) {
    return { key, label, kind: "bytes", value: bytesText(value.length), tone: "note" };
  }
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value;
    return {
      key,
      label,
      kind: "array",
      value: countText(items.length, "item"),
      tone: "note",
      children: (countMax) => ({
        nodes: items
          .slice(0, countMax)
          .map((item, index) => jsonNode(String(index), numberText(index), item)),
        count: items.length,
      }),
    };
  }
  const names = Object.keys(value);
  return {
    key,
    label,
    kind: "object",
    value: preview(names),
    tone: "note",
    children: (countMax) => ({
      nodes: names
        .slice(0, countMax)
        .map((name) => jsonNode(name, name, (value as Record<string, unknown>)[name])),
      count: names.length,
    }),
  };
}

function preview(names: readonly string[]): string {
  if (names.length === 0) return "{ }";
  const shown = names.slice(0, PREVIEW_NAMES_COUNT_MAX).map((name) => visible(name.slice(0, 24)));
  const more = names.length > shown.length ? ", …" : "";
  return `{ ${shown.join(", ")}${more} }`;
}
