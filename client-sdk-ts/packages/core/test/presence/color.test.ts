// Colours of people: readable, told apart, and agreed upon.

import { expect, test } from "vitest";
import { colorOf, colorsOf, PALETTE } from "../../src/presence/index.js";

/** The three parts of a colour as amounts of light. */
function light(hex: string): [number, number, number] {
  const part = (at: number) => {
    const value = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return [part(1), part(3), part(5)];
}

function luminance(hex: string): number {
  const [r, g, b] = light(hex);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** As WCAG 2 defines it. */
function contrast(a: string, b: string): number {
  const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x) as [number, number];
  return (high + 0.05) / (low + 0.05);
}

function oklab(hex: string): [number, number, number] {
  const [r, g, b] = light(hex);
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

test.each(PALETTE)("%s is seen on light and on dark, and carries white text", (color) => {
  expect(contrast(color, "#ffffff")).toBeGreaterThanOrEqual(4.5);
  expect(contrast(color, "#121212")).toBeGreaterThanOrEqual(3);
});

test("no two colours are alike", () => {
  for (const [index, a] of PALETTE.entries()) {
    for (const b of PALETTE.slice(index + 1)) {
      const [x, y] = [oklab(a), oklab(b)];
      expect(Math.hypot(x[0] - y[0], x[1] - y[1], x[2] - y[2])).toBeGreaterThan(0.13);
    }
  }
});

test("a colour belongs to its id, for ever", () => {
  // Written down, because it must not change with a version of this package either.
  expect(["ada", "bob", 1, 4_294_967_295].map(colorOf)).toMatchInlineSnapshot(`
    [
      "#aa3c55",
      "#913caa",
      "#2d46ff",
      "#0064af",
    ]
  `);
  expect(colorOf(17)).toBe(colorOf("17"));
});

test("ids that are alike are spread over all colours", () => {
  const counts = new Map<string, number>();
  for (let id = 0; id < 1_200; id += 1) {
    const color = colorOf(`user-${id}`);
    counts.set(color, (counts.get(color) ?? 0) + 1);
  }
  expect(counts.size).toBe(PALETTE.length);
  expect(Math.min(...counts.values())).toBeGreaterThan(60);
  expect(Math.max(...counts.values())).toBeLessThan(150);
});

test("as long as there are enough, each has their own; beyond that they are shared evenly", () => {
  for (let start = 0; start < 200; start += 1) {
    const ids = Array.from({ length: PALETTE.length }, (_, i) => start * 31 + i * 7);
    expect(new Set(colorsOf(ids).values()).size).toBe(PALETTE.length);
  }
  const counts = new Map<string, number>();
  for (const color of colorsOf(Array.from({ length: 30 }, (_, i) => i)).values()) {
    counts.set(color, (counts.get(color) ?? 0) + 1);
  }
  expect([...counts.values()].every((count) => count === 2 || count === 3)).toBe(true);
});

test("the order in which people came changes nothing, nor do doubles", () => {
  const ids = ["eve", "ada", "bob", "zoë", "10", "9"];
  const sorted = (colors: ReadonlyMap<unknown, string>) => [...colors].sort().join();
  expect(sorted(colorsOf([...ids].reverse()))).toBe(sorted(colorsOf(ids)));
  expect(sorted(colorsOf([...ids, ...ids]))).toBe(sorted(colorsOf(ids)));
});

test("who is alone has their colour, and somebody who joins moves few", () => {
  let moved = 0;
  for (let id = 0; id < 500; id += 1) {
    expect(colorsOf([id]).get(id)).toBe(colorOf(id));
    const before = colorsOf([id, id + 1_000, id + 2_000]);
    const after = colorsOf([id, id + 1_000, id + 2_000, id + 3_000]);
    moved += [...before].filter(([who, color]) => after.get(who) !== color).length;
  }
  // Of 1,500 people who were there.
  expect(moved).toBeLessThan(150);
});
