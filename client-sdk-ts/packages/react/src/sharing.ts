// Values that come anew each time and are mostly the same: what is equal keeps its identity.

/**
 * `next`, with every part of it that equals the same part of `last` taken from there, and `last` itself if all of it is
 * equal. Looks into plain objects and arrays; everything else is equal only if it is the same.
 */
export function keepEqual<Value>(last: unknown, next: Value): Value {
  if (Object.is(last, next)) return next;
  if (Array.isArray(last) && Array.isArray(next)) return keepItems(last, next) as Value;
  if (isPlain(last) && isPlain(next)) return keepFields(last, next) as Value;
  return next;
}

function keepItems(last: readonly unknown[], next: readonly unknown[]): readonly unknown[] {
  const items = next.map((item, index) => keepEqual(last[index], item));
  const same = last.length === next.length && items.every((item, i) => Object.is(item, last[i]));
  return same ? last : items;
}

function keepFields(
  last: Record<string, unknown>,
  next: Record<string, unknown>,
): Record<string, unknown> {
  const keys = Object.keys(next);
  let same = keys.length === Object.keys(last).length;
  const fields = keys.map((key) => {
    const known = Object.hasOwn(last, key);
    const field = keepEqual(known ? last[key] : undefined, next[key]);
    same &&= known && Object.is(field, last[key]);
    return [key, field] as const;
  });
  // Not by assignment: a key may be `__proto__`.
  return same ? last : Object.fromEntries(fields);
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
