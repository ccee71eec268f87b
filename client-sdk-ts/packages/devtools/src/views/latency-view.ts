// How fast the server answers, and how much goes each way.

import { bytesText, clockText, countText, durationText, numberText } from "../format.js";
import type { Inspector } from "../inspector/inspector.js";
import { type Second, TRAFFIC_SECONDS_COUNT } from "../inspector/traffic.js";
import { percentile, type Sample, type SampleKind } from "../latency.js";
import { h, setText } from "../ui/element.js";
import { drawBars, drawLines, field } from "../ui/graph.js";
import { hint, NO_INSPECTOR, type View } from "./view.js";

const KINDS: Readonly<Record<SampleKind, { readonly label: string; readonly about: string }>> = {
  saved: { label: "Saved", about: "From sending a change to the word that it is on the disk" },
  ping: { label: "Ping", about: "To the server and back" },
  hello: { label: "Hello", about: "From the first word on a connection to the welcome" },
};

const KIND_NAMES = Object.keys(KINDS) as SampleKind[];

export function latencyView(): View {
  const missing = hint(NO_INSPECTOR);
  const stats = statsTable();
  const ping = h("button", { type: "button", class: "button" }, "Send a ping");
  const count = h("p", { class: "count" });
  const times = figure("Latency");
  const nothing = hint("No change was saved yet, and no ping answered.");
  const rates = figure("Bytes a second");
  const totals = h("p", { class: "count" });
  let inspector: Inspector | null = null;
  ping.addEventListener("click", () => inspector?.ping());
  const content = h(
    "div",
    { class: "columns" },
    h(
      "section",
      {},
      h("h2", {}, "Latency"),
      times.element,
      nothing,
      stats.element,
      h("div", { class: "toolbar" }, ping, count),
    ),
    h("section", {}, h("h2", {}, "Traffic"), rates.element, totals),
  );

  return {
    element: h("div", {}, missing, content),
    draw(scene) {
      ({ inspector } = scene);
      missing.hidden = inspector !== null;
      content.hidden = inspector === null;
      if (inspector === null) return;
      const samples = scene.digest?.latency.samples ?? [];
      ping.disabled = !inspector.canPing;
      ping.title = inspector.canPing ? "" : "There is no open WebSocket";
      times.element.hidden = samples.length === 0;
      nothing.hidden = samples.length > 0;
      setText(count, samples.length === 0 ? "" : `the last ${countText(samples.length, "answer")}`);
      stats.show(samples);
      drawLatency(times, samples);
      drawTraffic(rates, inspector.traffic.seconds(inspector.tickMs));
      setText(totals, totalsText(inspector));
    },
  };
}

type Figure = ReturnType<typeof figure>;

function drawLatency(
  { graph, top, left, middle, right }: Figure,
  samples: readonly Sample[],
): void {
  const saved = valuesOf(samples, "saved");
  const levels = [
    { name: "p50", value: percentile(saved, 0.5) },
    { name: "p95", value: percentile(saved, 0.95) },
  ].flatMap(({ name, value }) => (value === null ? [] : [{ name, value }]));
  const series = KIND_NAMES.map((kind) => ({
    name: kind,
    values: samples.map((sample) => (sample.kind === kind ? sample.ms : null)),
  }));
  setText(top, durationText(drawLines(graph, series, levels)));
  const ends = [samples[0], samples.at(-1)].map((each) =>
    each === undefined ? "" : clockText(each.atMs).slice(0, 8),
  );
  setText(left, ends[0] ?? "");
  setText(right, ends[1] ?? "");
  const said = levels.map(({ name, value }) => `${name} ${durationText(value)}`).join(", ");
  setText(middle, said === "" ? "" : `┄ saved: ${said}`);
  graph.setAttribute("aria-label", `Time from a change to its save: ${said || "not known"}`);
}

function drawTraffic({ graph, top, left, right }: Figure, seconds: readonly Second[]): void {
  const up = seconds.map(({ upBytes }) => upBytes);
  const down = seconds.map(({ downBytes }) => downBytes);
  const end = drawBars(graph, { name: "up", values: up }, { name: "down", values: down });
  setText(top, `↑↓ ${bytesText(end)}/s`);
  setText(left, `−${TRAFFIC_SECONDS_COUNT} s`);
  setText(right, "now");
  const now = `${bytesText(up.at(-1) ?? 0)} up, ${bytesText(down.at(-1) ?? 0)} down`;
  graph.setAttribute("aria-label", `Bytes in the last second: ${now}`);
}

function totalsText({ traffic }: Inspector): string {
  const up = `↑ ${bytesText(traffic.bytes("up"))} in ${countText(traffic.framesCount("up"), "frame")}`;
  const down = `↓ ${bytesText(traffic.bytes("down"))} in ${countText(traffic.framesCount("down"), "frame")}`;
  return `${up} · ${down}`;
}

/** A graph with words above and below it. */
function figure(label: string) {
  const graph = field();
  graph.setAttribute("aria-label", label);
  const top = h("span", { class: "top" });
  const left = h("span", { class: "left" });
  const middle = h("span");
  const right = h("span", { class: "right" });
  const element = h("figure", {}, top, graph, h("figcaption", {}, left, middle, right));
  return { element, graph, top, left, middle, right };
}

function statsTable() {
  const rows = KIND_NAMES.map((kind) => {
    const { label, about } = KINDS[kind];
    const cells = ["count", "last", "p50", "p95", "max"].map(() => h("td", { class: "clock" }));
    const name = h("th", { scope: "row", title: about }, h("i", { class: `key ${kind}` }), label);
    return { kind, cells, row: h("tr", {}, name, ...cells) };
  });
  const heads = ["Count", "Last", "p50", "p95", "Max"].map((name) =>
    h("th", { scope: "col", class: "clock" }, name),
  );
  const first = h("th", { scope: "col" }, "Time to");
  const element = h(
    "table",
    { class: "clocks", "aria-label": "Latencies" },
    h("thead", {}, h("tr", {}, first, ...heads)),
    h("tbody", {}, ...rows.map(({ row }) => row)),
  );
  return {
    element,
    show(samples: readonly Sample[]) {
      for (const { kind, cells } of rows) {
        const values = valuesOf(samples, kind);
        const numbers = [
          values.at(-1) ?? null,
          percentile(values, 0.5),
          percentile(values, 0.95),
          percentile(values, 1),
        ].map((value) => (value === null ? "–" : durationText(value)));
        for (const [index, text] of [numberText(values.length), ...numbers].entries()) {
          const cell = cells[index];
          if (cell !== undefined) setText(cell, text);
        }
      }
    },
  };
}

function valuesOf(samples: readonly Sample[], kind: SampleKind): number[] {
  return samples.filter((sample) => sample.kind === kind).map(({ ms }) => ms);
}
