// What goes over the wire, message by message.

import { bytesText, clockText, countText, numberText, visible } from "../format.js";
import type { Frame } from "../inspector/frame.js";
import { ALL, AREAS, areaFilter, type Filter, passes } from "../messages/filter.js";
import { BROKEN, type Message, messagesOf } from "../messages/message.js";
import { summaryOf } from "../messages/summary.js";
import { h, setText } from "../ui/element.js";
import { KeyedList } from "../ui/keyed-list.js";
import { messageDetail } from "./message-detail.js";
import { hint, NO_INSPECTOR, type Scene, type View } from "./view.js";

/** Rows at a time: the newest. */
const ROWS_COUNT_MAX = 200;
/** So near to the end it counts as the end, and what comes is followed. */
const END_PIXELS = 24;

const STEPS: Readonly<Record<string, number>> = {
  ArrowDown: 1,
  ArrowUp: -1,
  Home: Number.NEGATIVE_INFINITY,
  End: Number.POSITIVE_INFINITY,
};

type Row =
  | { readonly message: Message }
  | { readonly missingCount: number; readonly after: number };

export function messagesView(): View {
  let filter: Filter = ALL;
  let isPaused = false;
  /** The frames of the moment when it was paused. */
  let held: readonly Frame[] = [];
  let heldLast = 0;
  let rows: readonly Row[] = [];
  let selected: Message | null = null;
  let scene: Scene | null = null;

  const select = h(
    "select",
    { "aria-label": "Show messages of type", change: onFilter },
    ...options(),
  );
  const pause = h(
    "button",
    { type: "button", class: "button", "aria-pressed": "false", click: onPause },
    "Pause",
  );
  const clear = h("button", { type: "button", class: "button", click: onClear }, "Clear");
  const count = h("p", { class: "count" });
  const body = h("tbody", { click: onClick, keydown: (event) => onKey(event as KeyboardEvent) });
  const table = h(
    "table",
    { class: "messages", role: "grid", "aria-label": "Messages" },
    head(),
    body,
  );
  const scroller = h("div", { class: "scroller" }, table);
  const missing = hint(NO_INSPECTOR);
  const nothing = hint("No messages yet.");
  const detail = messageDetail(() => choose(null));
  const toolbar = h("div", { class: "toolbar" }, select, pause, clear, count);
  const list = new KeyedList<Row>(body, { keyOf: rowKey, make: rowEntry });

  function draw(next: Scene) {
    scene = next;
    const { inspector } = next;
    missing.hidden = inspector !== null;
    toolbar.hidden = inspector === null;
    scroller.hidden = inspector === null;
    nothing.hidden = true;
    if (inspector === null) return;
    const frames = isPaused ? held : inspector.frames;
    const isAtEnd =
      scroller.scrollTop + scroller.clientHeight >= scroller.scrollHeight - END_PIXELS;
    rows = rowsOf(frames, filter);
    list.update(rows);
    paintSelection();
    nothing.hidden = rows.length > 0;
    setText(count, countOf(inspector.lastFrame));
    if (isAtEnd && !isPaused) scroller.scrollTop = scroller.scrollHeight;
    detail.show(selected, selected === null ? null : roomOf(selected));
  }
  function redraw() {
    if (scene !== null) draw(scene);
  }
  function countOf(lastFrame: number): string {
    if (isPaused) return `${numberText(lastFrame - heldLast)} since`;
    return countText(lastFrame, "frame");
  }
  function onFilter() {
    filter = select.value;
    redraw();
  }
  function onPause() {
    isPaused = !isPaused;
    held = isPaused ? (scene?.inspector?.frames ?? []) : [];
    heldLast = scene?.inspector?.lastFrame ?? 0;
    pause.setAttribute("aria-pressed", String(isPaused));
    redraw();
  }
  function onClear() {
    held = [];
    selected = null;
    scene?.inspector?.clear();
    redraw();
  }
  function choose(message: Message | null) {
    const last = selected;
    selected = message;
    redraw();
    if (message === null && last !== null) elementOf(last)?.focus();
  }
  function onClick({ target }: Event) {
    const row = target instanceof Element ? target.closest("tr") : null;
    const message = messages().find((each) => elementOf(each) === row);
    if (message !== undefined) choose(message);
  }
  function onKey(event: KeyboardEvent) {
    const step = STEPS[event.key];
    const all = messages();
    if (event.key === "Escape" && selected !== null) {
      event.stopPropagation();
      choose(null);
    } else if (step !== undefined && all.length > 0) {
      event.preventDefault();
      const focused = all.findIndex((each) => elementOf(each) === event.target);
      const to = all[Math.min(Math.max(focused + step, 0), all.length - 1)];
      if (to === undefined) return;
      choose(to);
      elementOf(to)?.focus();
    } else if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      onClick(event);
    }
  }
  function messages(): Message[] {
    return rows.flatMap((row) => ("message" in row ? [row.message] : []));
  }
  function elementOf(message: Message): HTMLElement | null {
    const element = list.entry(rowKey({ message }))?.element;
    return element instanceof HTMLElement ? element : null;
  }
  /** One row can be reached with the Tab key: the selected one, or the newest. */
  function paintSelection() {
    const all = messages();
    const reached = selected !== null && all.includes(selected) ? selected : all.at(-1);
    for (const message of all) {
      const element = elementOf(message);
      element?.setAttribute("aria-selected", String(message === selected));
      if (element !== null) element.tabIndex = message === reached ? 0 : -1;
    }
  }
  function roomOf({ frame, channel }: Message): string | null {
    return channel === null ? null : (scene?.digest?.roomName(frame.connection, channel) ?? null);
  }
  function rowEntry(row: Row) {
    const element = "message" in row ? messageRow(row.message, roomOf(row.message)) : gapRow(row);
    // What was said does not change.
    return { element, update: () => {} };
  }

  return {
    element: h(
      "div",
      { class: "messages-view" },
      missing,
      toolbar,
      h("div", { class: "split" }, scroller, detail.element),
      nothing,
    ),
    draw,
  };
}

function options(): HTMLElement[] {
  const areas = Object.entries(AREAS).map(([area, types]) =>
    h(
      "optgroup",
      { label: area },
      h("option", { value: areaFilter(area) }, `All of ${area.toLowerCase()}`),
      ...types.map((type) => h("option", { value: type }, type)),
    ),
  );
  return [h("option", { value: ALL }, "All messages"), ...areas];
}

function head(): HTMLElement {
  const columns = ["Time", "Direction", "Channel", "Type", "Size", "Summary"];
  const cells = columns.map((name) =>
    h("th", { scope: "col", class: name.toLowerCase() }, name === "Direction" ? "" : name),
  );
  cells[1]?.setAttribute("aria-label", "Direction");
  return h("thead", {}, h("tr", {}, ...cells));
}

/** The newest that pass, oldest first, and where some between them are not kept. */
function rowsOf(frames: readonly Frame[], filter: Filter): Row[] {
  const rows: Row[] = [];
  let next: number | null = null;
  for (const frame of [...frames].reverse()) {
    if (rows.length >= ROWS_COUNT_MAX) break;
    const missingCount = next === null ? 0 : next - frame.number - 1;
    if (missingCount > 0 && rows.length > 0) rows.push({ missingCount, after: frame.number });
    next = frame.number;
    const passing = messagesOf(frame).filter((message) => passes(filter, message));
    for (const message of passing.slice(rows.length - ROWS_COUNT_MAX).reverse()) {
      rows.push({ message });
    }
  }
  return rows.reverse();
}

function rowKey(row: Row): string {
  if ("message" in row) return `${row.message.frame.number}.${row.message.index}`;
  // What is missing grows as more is not kept.
  return `after ${row.after}, ${row.missingCount}`;
}

function messageRow(message: Message, roomName: string | null): HTMLTableRowElement {
  const { frame, channel, type, bytes } = message;
  const arrow = frame.direction === "up" ? "↑" : "↓";
  const direction = h("td", { class: "direction" }, h("span", { "aria-hidden": "true" }, arrow));
  direction.append(h("span", { class: "spoken" }, frame.direction));
  const place = h("td", { class: "channel" }, channel === null ? "" : String(channel));
  if (roomName !== null) place.title = visible(roomName);
  const row = h(
    "tr",
    { "aria-selected": "false" },
    h("td", { class: "time" }, clockText(frame.atMs)),
    direction,
    place,
    h("td", { class: "type" }, type),
    h("td", { class: "size" }, bytesText(bytes)),
    h("td", { class: "summary" }, summaryOf(message)),
  );
  row.dataset.direction = frame.direction;
  if (type === BROKEN || message.problem !== null) row.dataset.mood = "bad";
  return row;
}

function gapRow({ missingCount }: { readonly missingCount: number }): HTMLTableRowElement {
  const text = `… ${countText(missingCount, "frame")} not kept`;
  return h("tr", { class: "gap" }, h("td", { colspan: "6" }, text));
}
