// A tree on the page. What is closed is not made, what is open shows a bounded part of its children.

import { countText, numberText } from "../format.js";
import type { ChildrenOf, TreeNode } from "../tree/node.js";
import { h, setText } from "./element.js";
import { type Entry, KeyedList } from "./keyed-list.js";

/** Children that are shown at first, and that one press adds. */
export const PAGE_COUNT = 100;

export class Tree {
  readonly element: HTMLElement;
  readonly #list: KeyedList<TreeNode>;
  readonly #more: HTMLButtonElement;
  readonly #empty: HTMLElement;
  #countMax = PAGE_COUNT;
  #childrenOf: ChildrenOf | null = null;

  constructor(emptyText = "empty") {
    const list = h("ul", { class: "nodes" });
    this.#more = h("button", { type: "button", class: "more", click: () => this.#showMore() });
    this.#empty = h("p", { class: "empty" }, emptyText);
    this.element = h("div", { class: "tree" }, list, this.#more, this.#empty);
    this.#list = new KeyedList<TreeNode>(list, {
      // What gets children, or has none any more, is another element.
      keyOf: ({ key, children }) => `${children === undefined ? "leaf" : "branch"} ${key}`,
      make: ({ children }) => (children === undefined ? leaf() : new Branch()),
    });
  }

  update(childrenOf: ChildrenOf): void {
    this.#childrenOf = childrenOf;
    const { nodes, count } = childrenOf(this.#countMax);
    this.#list.update(nodes);
    const left = count - nodes.length;
    this.#more.hidden = left <= 0;
    setText(this.#more, `… ${numberText(left)} more`);
    this.#more.title = `Show ${countText(Math.min(left, PAGE_COUNT), "more", "more")}`;
    this.#empty.hidden = count > 0;
  }

  #showMore(): void {
    this.#countMax += PAGE_COUNT;
    if (this.#childrenOf !== null) this.update(this.#childrenOf);
  }
}

class Branch implements Entry<TreeNode> {
  readonly element: HTMLElement;
  readonly #row = row("summary");
  readonly #details: HTMLDetailsElement;
  #childrenOf: ChildrenOf | undefined;
  #tree: Tree | null = null;

  constructor() {
    this.#details = h("details", { toggle: () => this.#showChildren() }, this.#row.element);
    this.element = h("li", {}, this.#details);
  }

  update(node: TreeNode): void {
    this.#row.show(node);
    this.#childrenOf = node.children;
    this.#showChildren();
  }

  #showChildren(): void {
    if (!this.#details.open) {
      this.#tree?.element.remove();
      this.#tree = null;
    } else if (this.#childrenOf !== undefined) {
      if (this.#tree === null) {
        this.#tree = new Tree();
        this.#details.append(this.#tree.element);
      }
      this.#tree.update(this.#childrenOf);
    }
  }
}

function leaf(): Entry<TreeNode> {
  const { element, show } = row("div");
  return { element: h("li", {}, element), update: show };
}

function row(tag: "summary" | "div") {
  const label = h("span", { class: "label" });
  const kind = h("span", { class: "kind" });
  const value = h("span", { class: "value" });
  return {
    element: h(tag, { class: "node" }, label, kind, value),
    show(node: TreeNode) {
      setText(label, node.label);
      setText(kind, node.kind ?? "");
      setText(value, node.value ?? "");
      value.dataset.tone = node.tone ?? "";
    },
  };
}
