// The document as React sees it: what a component selects of a shared type, rendered again when that changes.

import { useMemo } from "react";
import * as Y from "yjs";
import { useDoc } from "./context.js";
import { type Store, useSelected } from "./store.js";

/** A shared type by its name in the document, or the type itself. */
export type Source<Type> = string | Type;

/** A new object after each change, because the type itself stays the same. */
interface Version<Type> {
  readonly type: Type;
}

/**
 * What `select` makes of the map, or all of it as plain JSON. Select plain values: a shared type inside stays the same
 * object when it changes.
 */
export function useMap<Value = unknown>(source: Source<Y.Map<Value>>): Record<string, Value>;
export function useMap<Value = unknown, Selected = unknown>(
  source: Source<Y.Map<Value>>,
  select: (map: Y.Map<Value>) => Selected,
): Selected;
export function useMap<Value>(
  source: Source<Y.Map<Value>>,
  select: (map: Y.Map<Value>) => unknown = jsonOf,
): unknown {
  const doc = useDoc();
  return useType(typeof source === "string" ? doc.getMap<Value>(source) : source, Y.Map, select);
}

/** What `select` makes of the text, or all of it as a string without its formats. */
export function useText(source: Source<Y.Text>): string;
export function useText<Selected>(
  source: Source<Y.Text>,
  select: (text: Y.Text) => Selected,
): Selected;
export function useText(
  source: Source<Y.Text>,
  select: (text: Y.Text) => unknown = stringOf,
): unknown {
  const doc = useDoc();
  return useType(typeof source === "string" ? doc.getText(source) : source, Y.Text, select);
}

/** What `select` makes of the list, or all of it as plain JSON. */
export function useArray<Item = unknown>(source: Source<Y.Array<Item>>): Item[];
export function useArray<Item = unknown, Selected = unknown>(
  source: Source<Y.Array<Item>>,
  select: (list: Y.Array<Item>) => Selected,
): Selected;
export function useArray<Item>(
  source: Source<Y.Array<Item>>,
  select: (list: Y.Array<Item>) => unknown = jsonOf,
): unknown {
  const doc = useDoc();
  const type = typeof source === "string" ? doc.getArray<Item>(source) : source;
  return useType(type, Y.Array<Item>, select);
}

const jsonOf = (type: { toJSON(): unknown }): unknown => type.toJSON();
const stringOf = (text: Y.Text): string => text.toString();

type Observed = Pick<Y.AbstractType<unknown>, "observeDeep" | "unobserveDeep">;

function useType<Type extends Observed>(
  type: Type,
  Empty: new () => Type,
  select: (type: Type) => unknown,
): unknown {
  const store = useMemo(() => storeOf(type, Empty), [type, Empty]);
  const selectVersion = useMemo(() => (version: Version<Type>) => select(version.type), [select]);
  return useSelected(store, selectVersion);
}

function storeOf<Type extends Observed>(type: Type, Empty: new () => Type): Store<Version<Type>> {
  let version: Version<Type> = { type };
  let server: Version<Type> | null = null;
  return {
    get: () => version,
    getServer: () => {
      server ??= { type: emptyOf(Empty) };
      return server;
    },
    subscribe: (listener) => {
      const observer = () => {
        version = { type };
        listener();
      };
      type.observeDeep(observer);
      // It may have changed between the rendering and now.
      version = { type };
      return () => type.unobserveDeep(observer);
    },
  };
}

/** A type is read only inside a document. */
function emptyOf<Type>(Empty: new () => Type): Type {
  return new Y.Doc().get("", Empty as never) as Type;
}
