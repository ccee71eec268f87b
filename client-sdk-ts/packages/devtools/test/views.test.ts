// What each tab shows of a room.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import * as Y from "yjs";
import { DRAW_INTERVAL_MS } from "../src/panel.js";
import { holdTime, Stage } from "./stage.js";

beforeEach(() => holdTime());
afterEach(() => {
  document.body.replaceChildren();
  vi.useRealTimers();
});

test("the connection: its facts, and the log of what happened to it", async () => {
  const stage = new Stage();
  stage.show("Connection");
  const socket = await stage.join();
  stage.pass();
  expect(stage.fact("Status")).toBe("connected");
  expect(stage.fact("Transport")).toBe("WebSocket");
  expect(stage.fact("Role")).toBe("editor");
  expect(stage.fact("User")).toBe("anonymous");
  expect(stage.fact("Epoch")).toBe("1");
  expect(stage.fact("Session")).toBe("s-1");
  expect(stage.fact("Next attempt")).toBeNull();

  stage.server.leave(socket);
  socket.end(1013, "come back later");
  stage.pass(0);
  vi.advanceTimersByTime(DRAW_INTERVAL_MS);
  expect(stage.fact("Status")).toBe("connecting");
  expect(stage.fact("Next attempt")).toMatch(/^in /);
  stage.world.retry(stage.room);
  const again = await stage.world.dial();
  again.end(4401, "the token has expired");
  stage.pass();
  expect(stage.fact("Status")).toBe("refused");
  expect(stage.fact("Refused")).toContain("4401");

  const lines = stage.all(".log li").map((line) => line.textContent ?? "");
  const at = (text: string) => lines.findIndex((line) => line.includes(text));
  const story = [
    "the token has expired",
    "come back later",
    "joined as editor",
    "connection 1open",
    "connection 1connecting to ws://server/v1/connect",
  ].map(at);
  // Newest first.
  expect(story).not.toContain(-1);
  expect(story).toEqual([...story].sort((a, b) => a - b));
  stage.close();
});

test("messages: filtered, paused, chosen with the keyboard, and their fields", async () => {
  const stage = new Stage();
  await stage.join();
  stage.show("Messages");
  const text = stage.room.doc.getText("t");
  text.insert(0, "hello");
  text.delete(1, 2);
  stage.commit();
  stage.pass();
  expect(stage.rows.slice(-3)).toEqual([
    { direction: "up", type: "edit", summary: "no. 2: 1 struct" },
    { direction: "up", type: "edit", summary: "no. 3: 1 deletion" },
    { direction: "down", type: "saved", summary: "up to no. 3" },
  ]);

  const select = stage.all("select")[0] as HTMLSelectElement;
  select.value = "edit";
  select.dispatchEvent(new Event("change"));
  expect(stage.rows.map(({ type }) => type)).toEqual(["edit", "edit"]);

  const [first, second] = stage.all(".messages tbody tr");
  if (first === undefined || second === undefined) throw new Error("there are no rows");
  expect([first.tabIndex, second.tabIndex]).toEqual([-1, 0]);
  second.focus();
  stage.press(second, "ArrowUp");
  expect(stage.root.activeElement).toBe(first);
  expect(first.getAttribute("aria-selected")).toBe("true");
  const detail = stage.all(".detail")[0] as HTMLElement;
  expect(detail.hidden).toBe(false);
  await stage.open("update", detail);
  expect(detail.textContent).toContain(`client ${stage.room.doc.clientID}1 struct, clock 0 to 5`);
  expect(detail.textContent).toContain("text1 struct");
  stage.press(first, "Escape");
  expect(detail.hidden).toBe(true);
  expect(stage.root.activeElement).toBe(first);

  const pause = stage.named("button", "Pause");
  pause.click();
  expect(pause.getAttribute("aria-pressed")).toBe("true");
  text.insert(0, "more");
  stage.pass();
  expect(stage.rows).toHaveLength(2);
  expect(stage.shown.textContent).toContain("1 since");
  pause.click();
  expect(stage.rows).toHaveLength(3);
  stage.named("button", "Clear").click();
  expect(stage.rows).toHaveLength(0);
  stage.close();
});

test("awareness messages show whose states they carry", async () => {
  const stage = new Stage();
  await stage.join();
  stage.room.awareness.setLocalState({ name: "Ada", cursor: { x: 3 } });
  stage.show("Messages");
  stage.pass();
  const row = stage.all(".messages tbody tr").at(-1);
  expect(row?.textContent).toContain(`client ${stage.room.doc.clientID}`);
  row?.click();
  const detail = stage.all(".detail")[0] as HTMLElement;
  await stage.open("update", detail);
  await stage.open(`client ${stage.room.doc.clientID}`, detail);
  expect(detail.textContent).toContain("name“Ada”");
  stage.close();
});

test("people: their states, clocks and ages, as they change", async () => {
  const stage = new Stage();
  await stage.join();
  stage.room.awareness.setLocalState({ name: "Ada", color: "#0f766e" });
  stage.meet(7, { user: { name: "Grace", color: "#b91c1c" }, cursor: { x: 1 } });
  stage.show("People");
  stage.pass(4_100);
  const rows = stage.all(".people > li").map((row) => row.textContent);
  expect(rows[0]).toContain("Ada");
  expect(rows[0]).toContain("this client");
  expect(rows[1]).toMatch(/Grace.*7clock 73 s ago/);
  expect(stage.all(".swatch")[1]?.style.backgroundColor).toBe("rgb(185, 28, 28)");

  const grace = await stage.open("Grace");
  await stage.open("cursor", grace);
  expect(grace.textContent).toContain("x1");
  // What is open stays open while it changes.
  const row = stage.all(".people > li")[1];
  stage.room.awareness.states.set(7, { user: { name: "Grace" }, cursor: { x: 2 } });
  stage.pass();
  expect(stage.all(".people > li")[1]).toBe(row);
  expect(grace.textContent).toContain("x2");
  stage.close();
});

test("the document: what is open is bounded, current, and drawn four times a second at most", async () => {
  const stage = new Stage();
  await stage.join();
  const { doc } = stage.room;
  const items = doc.getArray<number>("items");
  items.insert(
    0,
    Array.from({ length: 100_000 }, (_, index) => index),
  );
  const notes = doc.getMap<unknown>("notes");
  doc.transact(() => {
    for (let i = 0; i < 1_234; i += 1) notes.set(`note ${i}`, i);
  });
  const text = doc.getText("text");
  text.insert(0, "plain and ");
  text.insert(10, "bold", { bold: true });
  notes.delete("note 1233");
  stage.show("Document");
  // What is closed is not made.
  expect(stage.all(".node")).toHaveLength(3);
  expect(stage.shown.textContent).toContain("itemsArray100,000 items");

  const open = await stage.open("notes");
  expect(open.querySelectorAll(".node")).toHaveLength(1 + 100);
  const more = open.querySelector<HTMLElement>(".more");
  expect(more?.textContent).toBe("… 1,133 more");
  more?.click();
  expect(open.querySelectorAll(".node")).toHaveLength(1 + 200);
  await stage.open("items");
  expect(stage.shown.textContent).toContain("… 99,900 more");
  const words = await stage.open("text");
  expect(words.textContent).toContain("“plain and ”");
  expect(words.textContent).toContain("1bold“bold”");

  vi.advanceTimersByTime(DRAW_INTERVAL_MS);
  const value = () =>
    stage.all(".label").find((each) => each.textContent === "note 0")?.parentElement;
  let draws = 0;
  for (let ms = 0; ms < 1_000; ms += 10) {
    const before = value()?.textContent;
    notes.set("note 0", `version ${ms}`);
    vi.advanceTimersByTime(10);
    if (value()?.textContent !== before) draws += 1;
  }
  expect(draws).toBeGreaterThan(2);
  expect(draws).toBeLessThanOrEqual(5);
  vi.advanceTimersByTime(DRAW_INTERVAL_MS);
  expect(value()?.textContent).toBe("note 0“version 990”");
  expect(open.open).toBe(true);
  stage.close();
});

test("a root that the page has not opened yet is shown, and stays what the page makes of it", async () => {
  const stage = new Stage();
  await stage.join();
  const other = new Y.Doc();
  other.getText("words").insert(0, "from elsewhere");
  other.getMap("facts").set("answer", 42);
  other.getArray("nested").insert(0, [new Y.Map([["deep", new Y.XmlElement("p")]])]);
  Y.applyUpdate(stage.room.doc, Y.encodeStateAsUpdate(other), stage.room);
  stage.show("Document");
  expect(stage.shown.textContent).toContain("wordsnot opened yet14 · “from elsewhere”");
  await stage.open("facts");
  expect(stage.shown.textContent).toContain("answer42");
  await stage.open("nested");
  await stage.open("0");
  expect(stage.shown.textContent).toContain("deep<p>0 children");
  expect(stage.room.doc.getText("words").toString()).toBe("from elsewhere");
  expect(stage.room.doc.getMap("facts").get("answer")).toBe(42);
  stage.pass();
  expect(stage.shown.textContent).toContain("wordsText");
  stage.close();
});

test("state: what is unsaved, what each side has, and what the document weighs", async () => {
  const stage = new Stage();
  const socket = await stage.join();
  const text = stage.room.doc.getText("t");
  text.insert(0, "hello");
  stage.show("State");
  expect(stage.fact("Saved")).toBe("on the way");
  expect(stage.fact("Unsaved")).toBe("1 change");
  expect(stage.fact("Unconfirmed")).toMatch(/^1 message, the oldest for /);
  expect(stage.fact("Size")).toBe("not measured");
  stage.commit();
  text.delete(0, 2);
  stage.commit();
  stage.pass();
  expect(stage.fact("Saved")).toBe("on the server’s disk");
  expect(stage.fact("Last saved")).toMatch(/^\d\d:\d\d:\d\d\.\d{3}, 1 s ago$/);
  const own = String(stage.room.doc.clientID);
  const clocks = () =>
    stage.all(".clocks tbody tr").map((row) => [...row.children].map((cell) => cell.textContent));
  // The server had nothing when it was asked.
  expect(clocks()[0]).toEqual([`${own}this client`, "5", "0", "+5"]);

  stage.named("button", "Measure").click();
  const bytes = Y.encodeStateAsUpdate(stage.room.doc).length;
  expect(stage.fact("Size")).toBe(`${bytes} B`);
  expect(stage.fact("Deleted")).toBe("1 item");

  stage.server.leave(socket);
  socket.end(1006);
  text.insert(0, "offline");
  stage.world.retry(stage.room);
  await stage.join();
  stage.pass();
  expect(clocks()[0]).toEqual([`${own}this client`, "12", "5", "+7"]);
  stage.close();
});
