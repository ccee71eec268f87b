// What a tree is made of: a label, a value, and children that are made when somebody opens it.

/** How a value is coloured. */
export type Tone = "string" | "number" | "literal" | "note";

export interface TreeNode {
  /** Unlike that of its siblings, and the same as long as it is the same thing. */
  readonly key: string;
  readonly label: string;
  /** `Map`, `Text`, `object`: what it is, where the value does not say it. */
  readonly kind?: string;
  readonly value?: string;
  readonly tone?: Tone;
  readonly children?: ChildrenOf;
}

/** At most so many of the children, and how many there are. */
export type ChildrenOf = (countMax: number) => Children;

export interface Children {
  readonly nodes: readonly TreeNode[];
  readonly count: number;
}

/** Children that are there already. */
export function childrenOf(nodes: readonly TreeNode[]): ChildrenOf {
  return (countMax) => ({ nodes: nodes.slice(0, countMax), count: nodes.length });
}

/** A line of text. */
export function note(key: string, label: string, value: string): TreeNode {
  return { key, label, value, tone: "note" };
}
