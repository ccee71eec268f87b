// The panel: how it is used, what it makes of foreign text, and that it leaves nothing behind.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import * as Y from "yjs";
import { holdTime, Stage, TAB_NAMES } from "./stage.js";

beforeEach(() => holdTime());
afterEach(() => {
  document.body.replaceChildren();
  vi.useRealTimers();
});

test("the tabs are used with the keyboard", () => {
  const stage = new Stage();
  stage.show("Connection");
  expect(stage.all('[role="tab"]').map((tab) => tab.textContent)).toEqual(TAB_NAMES);
  const reached = () =>
    stage.all('[role="tab"]').map((tab) => [tab.tabIndex, tab.getAttribute("aria-selected")]);
  const walk: [key: string, to: string][] = [
    ["ArrowRight", "Messages"],
    ["End", "Latency"],
    ["ArrowRight", "Connection"],
    ["ArrowLeft", "Latency"],
    ["Home", "Connection"],
  ];
  stage.tab("Connection").focus();
  for (const [key, to] of walk) {
    stage.press(stage.root.activeElement ?? stage.panel, key);
    expect(stage.root.activeElement).toBe(stage.tab(to));
    expect(stage.shown.getAttribute("aria-labelledby")).toBe(stage.tab(to).id);
    expect(stage.tab(to).getAttribute("aria-controls")).toBe(stage.shown.id);
    expect(reached().filter(([index]) => index === 0)).toEqual([[0, "true"]]);
  }
  stage.close();
});

test("text that is markup stays text, wherever it comes from, and nothing brings a style along", async () => {
  const markup = '<img src="x" onerror="alert(1)"><style>* { color: red }</style>';
  const stage = new Stage({ name: markup, token: markup });
  const socket = await stage.join();
  const { doc } = stage.room;
  doc.getMap(markup).set(markup, { [markup]: markup });
  doc.getText("text").insert(0, markup);
  doc.getXmlFragment("xml").insert(0, [new Y.XmlElement(markup)]);
  stage.meet(1, { name: markup, color: "url(https://elsewhere)", user: { [markup]: markup } });
  stage.room.awareness.setLocalState({ user: { name: markup, color: "red; display: none" } });
  const say = { channel: 1, user: markup, name: markup, payload: JSON.stringify(markup) };
  socket.say({ ...say, type: "event" }, { channel: 1, type: "role", role: markup });
  socket.say({ channel: 0, type: "goAway", delayMs: 1, reason: markup });
  socket.say({ channel: 1, type: "left", code: 4403, reason: markup, epoch: 0 });
  const isStyled = (element: Element) => (element.getAttribute("style") ?? "") !== "";

  for (const name of TAB_NAMES) {
    stage.show(name);
    stage.pass();
    for (const row of stage.all(".messages tbody tr")) row.click();
    for (let depth = 0; depth < 4; depth += 1) {
      for (const summary of stage.all("details:not([open]) > summary")) summary.click();
      await vi.advanceTimersByTimeAsync(300);
    }
    expect(stage.all("img, style, script, link"), name).toEqual([]);
    expect(stage.all("*").filter(isStyled), name).toEqual([]);
    if (name !== "Latency" && name !== "State") expect(stage.shown.textContent).toContain("<img");
  }
  expect(stage.named("h1", markup)).toBeTruthy();
  stage.close();
});

test("what cannot be seen is spelled out, and turns nothing around", async () => {
  const stage = new Stage();
  await stage.join();
  stage.meet(1, { name: "eve\u202ecod.exe\u200b\u{e0041}", family: "👩‍👩‍👧" });
  stage.show("People");
  await stage.open("eve\\u202ecod.exe\\u200b\\u{e0041}");
  expect(stage.shown.textContent).toContain("“👩‍👩‍👧”");
  stage.close();
});

test("removed, it neither listens nor draws, and inserted again it shows what is now", async () => {
  const listeners = { added: 0, removed: 0 };
  const { document } = globalThis;
  const add = vi.spyOn(document, "addEventListener");
  const remove = vi.spyOn(document, "removeEventListener");
  const stage = new Stage();
  await stage.join();
  const { doc, awareness } = stage.room;
  const observers = () =>
    [doc, awareness]
      .flatMap(({ _observers }) => [..._observers.values()])
      .reduce((sum, set) => sum + set.size, 0);
  const before = { observers: observers(), timers: vi.getTimerCount() };

  for (const name of TAB_NAMES) {
    stage.show(name);
    stage.pass();
    doc.getMap("m").set(name, true);
    expect(observers()).toBeGreaterThan(before.observers);
    stage.panel.remove();
    expect({ observers: observers(), timers: vi.getTimerCount() }).toEqual(before);
  }
  listeners.added = add.mock.calls.filter(([type]) => type === "visibilitychange").length;
  listeners.removed = remove.mock.calls.filter(([type]) => type === "visibilitychange").length;
  expect(listeners).toEqual({ added: TAB_NAMES.length, removed: TAB_NAMES.length });

  stage.show("Document");
  await stage.open("m");
  stage.panel.remove();
  doc.getMap("m").set("meanwhile", 1);
  vi.advanceTimersByTime(5_000);
  expect(stage.root.textContent).not.toContain("meanwhile");
  // A press on a tab of what is nowhere shown starts nothing.
  stage.tab("People").click();
  expect(vi.getTimerCount()).toBe(before.timers);
  stage.show("Document");
  expect(stage.shown.textContent).toContain("meanwhile1");

  // Another room, while it is shown.
  const other = new Stage();
  await other.join();
  other.room.doc.getMap("other");
  stage.panel.room = other.room;
  stage.panel.inspector = other.inspector;
  expect(stage.shown.textContent).toContain("other");
  expect(observers()).toBe(before.observers);
  stage.panel.room = null;
  stage.panel.inspector = null;
  for (const name of TAB_NAMES) stage.show(name);
  stage.close();
  other.close();
});

test("while the page is hidden nothing is drawn, and all of it when it is seen again", async () => {
  const stage = new Stage();
  await stage.join();
  stage.show("Document");
  const visibility = vi.spyOn(document, "visibilityState", "get").mockReturnValue("hidden");
  stage.room.doc.getMap("later");
  stage.pass(2_500);
  expect(stage.shown.textContent).not.toContain("later");
  visibility.mockRestore();
  document.dispatchEvent(new Event("visibilitychange"));
  stage.pass();
  expect(stage.shown.textContent).toContain("later");
  stage.close();
});

test("closing is the page's to do", () => {
  const stage = new Stage();
  stage.show("Connection");
  const closed = vi.fn();
  stage.panel.addEventListener("close", closed);
  stage.all(".close")[0]?.click();
  expect(closed).toHaveBeenCalledOnce();
  expect(stage.panel.isConnected).toBe(true);
  stage.close();
});
