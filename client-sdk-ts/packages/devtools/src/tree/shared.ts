// Shared types as a tree. It looks and never touches: to ask a document for a root by its name would give it a type.

import * as Y from "yjs";
import { countText, excerpt, numberText } from "../format.js";
import { jsonNode, TEXT_LENGTH_MAX } from "./json.js";
import type { Children, TreeNode } from "./node.js";
import { beginningOf, type Run, runsOf, type SharedType } from "./text-runs.js";

const LABEL_LENGTH_MAX = 60;

/** The roots of a document. */
export function rootsOf(doc: Y.Doc, countMax: number): Children {
  const nodes = [...take(doc.share, countMax)].map(([name, type]) => sharedNode(name, name, type));
  return { nodes, count: doc.share.size };
}

export function sharedNode(key: string, name: string, type: SharedType): TreeNode {
  const label = excerpt(name, LABEL_LENGTH_MAX) || "(no name)";
  const common = { key, label, tone: "note" } as const;
  if (type instanceof Y.XmlElement) {
    const value = countText(type.length, "child", "children");
    return { ...common, kind: `<${excerpt(type.nodeName, 30)}>`, value, children: elementOf(type) };
  }
  if (type instanceof Y.Text) {
    const kind = type instanceof Y.XmlText ? "XmlText" : "Text";
    return { ...common, ...textOf(type), kind };
  }
  if (type instanceof Y.Map) {
    const kind = type instanceof Y.XmlHook ? "XmlHook" : "Map";
    const value = countText(membersCount(type), "entry", "entries");
    return { ...common, kind, value, children: (countMax) => membersOf(type, countMax) };
  }
  if (type instanceof Y.Array || type instanceof Y.XmlFragment) {
    const isArray = type instanceof Y.Array;
    const value = isArray
      ? countText(type.length, "item")
      : countText(type.length, "child", "children");
    const kind = isArray ? "Array" : "XmlFragment";
    return { ...common, kind, value, children: (countMax) => itemsOf(type, countMax) };
  }
  return { ...common, ...untypedOf(type), kind: "not opened yet" };
}

/** Nobody on this page has said what it is. What is in it tells. */
function untypedOf(type: SharedType): Pick<TreeNode, "value" | "children"> {
  const content = type._first?.content;
  if (content instanceof Y.ContentString || content instanceof Y.ContentFormat) return textOf(type);
  if (type._start === null) {
    const value = countText(membersCount(type), "entry", "entries");
    return { value, children: (countMax) => membersOf(type, countMax) };
  }
  return { value: countText(type._length, "item"), children: (max) => itemsOf(type, max) };
}

function textOf(type: SharedType): Pick<TreeNode, "value" | "children"> {
  const length = type._length;
  const beginning = excerpt(beginningOf(type, TEXT_LENGTH_MAX / 2), TEXT_LENGTH_MAX);
  const value = `${numberText(length)} · “${beginning}${length > TEXT_LENGTH_MAX / 2 ? "…" : ""}”`;
  return {
    value,
    children: (countMax) => {
      const { runs, count } = runsOf(type, countMax);
      return { nodes: runs.map((run, index) => runNode(run, index)), count };
    },
  };
}

function runNode({ content, attributes }: Run, index: number): TreeNode {
  const key = String(index);
  const names = Object.keys(attributes);
  const node =
    typeof content === "string"
      ? jsonNode(key, numberText(index), content)
      : valueNode(key, numberText(index), content.embed);
  if (names.length === 0 || node.children !== undefined) return node;
  return {
    ...node,
    kind: excerpt(names.join(", "), LABEL_LENGTH_MAX),
    children: (countMax) => ({
      nodes: names.slice(0, countMax).map((name) => jsonNode(name, name, attributes[name])),
      count: names.length,
    }),
  };
}

/** The attributes in front of the children, if there are any. */
function elementOf(type: Y.XmlElement): (countMax: number) => Children {
  return (countMax) => {
    const { nodes, count } = itemsOf(type, countMax);
    const attributesCount = membersCount(type);
    if (attributesCount === 0) return { nodes, count };
    const attributes: TreeNode = {
      key: "attributes",
      label: "attributes",
      kind: "object",
      value: countText(attributesCount, "attribute"),
      tone: "note",
      children: (max) => membersOf(type, max),
    };
    return { nodes: [attributes, ...nodes], count: count + 1 };
  };
}

function membersCount(type: SharedType): number {
  let count = 0;
  for (const item of type._map.values()) if (!item.deleted) count += 1;
  return count;
}

function membersOf(type: SharedType, countMax: number): Children {
  const nodes: TreeNode[] = [];
  let count = 0;
  for (const [name, item] of type._map) {
    if (item.deleted) continue;
    count += 1;
    if (nodes.length < countMax)
      nodes.push(valueNode(name, name, item.content.getContent().at(-1)));
  }
  return { nodes, count };
}

function itemsOf(type: SharedType, countMax: number): Children {
  const nodes: TreeNode[] = [];
  for (let item = type._start; item !== null && nodes.length < countMax; item = item.right) {
    if (item.deleted || !item.countable) continue;
    for (const value of item.content.getContent()) {
      if (nodes.length === countMax) break;
      nodes.push(valueNode(keyOf(value, nodes.length), numberText(nodes.length), value));
    }
  }
  return { nodes, count: type._length };
}

/** A shared type stays what it is when something is put in front of it, and open if it was. */
function keyOf(value: unknown, index: number): string {
  const id = value instanceof Y.AbstractType ? value._item?.id : undefined;
  return id === undefined ? String(index) : `${id.client}.${id.clock}`;
}

function valueNode(key: string, name: string, value: unknown): TreeNode {
  if (value instanceof Y.AbstractType) return sharedNode(key, name, value);
  if (value instanceof Y.Doc) {
    const label = excerpt(name, LABEL_LENGTH_MAX);
    return { key, label, kind: "Doc", value: excerpt(value.guid, 40), tone: "note" };
  }
  return jsonNode(key, name, value);
}

function* take<Item>(items: Iterable<Item>, count: number): Generator<Item> {
  let left = count;
  for (const item of items) {
    if (left === 0) return;
    left -= 1;
    yield item;
  }
}
