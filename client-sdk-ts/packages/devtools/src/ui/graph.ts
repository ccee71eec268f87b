// Graphs on a field of 100 by 100 that is stretched to its place; lines and dots keep their width all the same.

import { svg } from "./element.js";

export interface Series {
  /** Its class, which gives it a colour. */
  readonly name: string;
  /** Null where this series has nothing. */
  readonly values: readonly (number | null)[];
}

/** A line across, such as a percentile. */
export interface Level {
  readonly name: string;
  readonly value: number;
}

const STEPS = [1, 2, 5, 10];

/** The next round number: an axis that ends with it does not jump at each value. */
function decimalAbove(value: number): number {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const step = STEPS.find((each) => each * power >= value) ?? 10;
  return step * power;
}

/** For bytes. */
function binaryAbove(value: number): number {
  return 2 ** Math.ceil(Math.log2(Math.max(value, 16)));
}

/** Dots joined by a line, in their order. Returns what stands at the upper end. */
export function drawLines(
  field: SVGSVGElement,
  series: readonly Series[],
  levels: readonly Level[],
): number {
  const values = series.flatMap((each) => each.values).filter((value) => value !== null);
  const top = decimalAbove(Math.max(...values, ...levels.map(({ value }) => value), 0));
  const y = (value: number) => round(100 - (value / top) * 100);
  const shapes = series.flatMap(({ name, values: all }) => {
    const count = Math.max(all.length - 1, 1);
    const points = all.flatMap((value, index) =>
      value === null ? [] : [`${round(1 + (index / count) * 98)} ${y(value)}`],
    );
    return [
      path(
        `line ${name}`,
        points.map((point, index) => `${index === 0 ? "M" : "L"}${point}`).join(""),
      ),
      // A line of no length with a round end is a dot that stays round when the field is stretched.
      path(`dots ${name}`, points.map((point) => `M${point}h0`).join("")),
    ];
  });
  const across = levels.map(({ name, value }) => path(`level ${name}`, `M0 ${y(value)}H100`));
  field.replaceChildren(...grid(), ...across, ...shapes);
  return top;
}

/** Bytes as bars from the middle: the first series up, the second down. Returns what stands at either end. */
export function drawBars(field: SVGSVGElement, up: Series, down: Series): number {
  const top = binaryAbove(Math.max(...[...up.values, ...down.values].map((value) => value ?? 0)));
  const bars = [
    { ...up, sign: -1 },
    { ...down, sign: 1 },
  ].map(({ name, values, sign }) => {
    const width = 100 / Math.max(values.length, 1);
    const shape = values.flatMap((value, index) => {
      if (value === null || value === 0) return [];
      const left = round(index * width + width * 0.15);
      // The smallest is seen too.
      const height = round(sign * Math.max((value / top) * 50, 1));
      return [`M${left} 50v${height}h${round(width * 0.7)}v${-height}z`];
    });
    return path(`bars ${name}`, shape.join(""));
  });
  field.replaceChildren(path("grid", "M0 50H100"), ...bars);
  return top;
}

export function field(): SVGSVGElement {
  return svg("svg", {
    class: "graph",
    viewBox: "0 0 100 100",
    preserveAspectRatio: "none",
    role: "img",
  });
}

function grid(): SVGPathElement[] {
  return [path("grid", "M0 0H100M0 25H100M0 50H100M0 75H100M0 100H100")];
}

function path(name: string, d: string): SVGPathElement {
  return svg("path", { class: name, d, "vector-effect": "non-scaling-stroke" });
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
