// The components that are ready to be styled: what they show, what they say, and how often they render.

import { act, screen, within } from "@testing-library/react";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { LAG_MS } from "../../core/src/presence/index.js";
import { ANNOUNCE_MS, AvatarStack, Cursors, type Person, SavedIndicator } from "../src/index.js";
import { Stage } from "./stage.js";

let stage: Stage;
let frames: Map<number, () => void>;

beforeEach(() => {
  stage = new Stage();
  frames = new Map();
  let next = 1;
  vi.stubGlobal("requestAnimationFrame", (run: () => void) => {
    frames.set(next, run);
    return next++;
  });
  vi.stubGlobal("cancelAnimationFrame", (frame: number) => frames.delete(frame));
});
afterEach(() => {
  vi.unstubAllGlobals();
  expect(stage.world.errors).toEqual([]);
});

/** Draws what waits for a frame. */
function draw(): void {
  const runs = [...frames.values()];
  frames.clear();
  for (const run of runs) run();
}

describe("<Cursors>", () => {
  const cursors = () => [...document.querySelectorAll<HTMLElement>("[data-client-id]")];
  const places = () => cursors().map(({ style }) => [style.visibility, style.transform]);

  test("are placed at once, glide, and go, while React renders only who is there", async () => {
    const rendered: string[] = [];
    const renderCursor = ({ name }: Person) => {
      rendered.push(name);
      return <b>{name}</b>;
    };
    stage.show(<Cursors className="layer" cursorClassName="cursor" renderCursor={renderCursor} />);
    await stage.join();
    await stage.meet(2, { name: "Ada", cursor: { x: 10, y: 20 } });
    expect(places()).toEqual([["visible", "translate(10px, 20px)"]]);
    expect(document.querySelector(".layer > .cursor > b")?.textContent).toBe("Ada");

    await stage.pass(1_000);
    await stage.meet(2, { name: "Ada", cursor: { x: 110, y: 20 } });
    await stage.pass(LAG_MS / 2);
    draw();
    expect(places()).toEqual([["visible", "translate(60px, 20px)"]]);
    await stage.pass(LAG_MS / 2);
    draw();
    expect(places()).toEqual([["visible", "translate(110px, 20px)"]]);
    draw();
    expect(frames.size).toBe(0);
    expect(rendered).toEqual(["Ada"]);

    await stage.meet(3, { name: "Bob", cursor: null });
    expect(cursors()).toHaveLength(1);
    await stage.meet(2, null);
    expect(cursors()).toEqual([]);
  });

  test("are hidden from screen readers and let clicks through", async () => {
    stage.show(<Cursors className="layer" />);
    await stage.join();
    await stage.meet(2, { user: { name: "Ada" }, cursor: { x: 1, y: 1 } });
    const layer = document.querySelector<HTMLElement>(".layer");
    expect(layer?.getAttribute("aria-hidden")).toBe("true");
    expect(layer?.style.pointerEvents).toBe("none");
    expect(layer?.textContent).toBe("Ada");
  });

  test("follow the ground when it moves under them", async () => {
    const at = (scroll: number) => (
      <Cursors project={({ x, y }) => ({ x: x * 2, y: y * 2 - scroll })} />
    );
    stage.show(at(0));
    await stage.join();
    await stage.meet(2, { cursor: { x: 10, y: 20 } });
    expect(places()).toEqual([["visible", "translate(20px, 40px)"]]);
    stage.show(at(30));
    expect(places()).toEqual([["visible", "translate(20px, 10px)"]]);
  });

  test("step instead of gliding for those who want less motion", async () => {
    vi.stubGlobal("matchMedia", (query: string) => ({ matches: query.includes("reduced-motion") }));
    stage.show(<Cursors />);
    await stage.join();
    await stage.meet(2, { cursor: { x: 0, y: 0 } });
    await stage.pass(1_000);
    await stage.meet(2, { cursor: { x: 100, y: 0 } });
    draw();
    expect(places()).toEqual([["visible", "translate(100px, 0px)"]]);
  });

  test("of nonsense and of markup make neither cursors nor elements", async () => {
    stage.show(<Cursors className="layer" />);
    await stage.join();
    await stage.meet(2, { cursor: { x: "1px) url(evil", y: 0 } });
    await stage.meet(3, { cursor: [1, 2] });
    expect(cursors()).toEqual([]);
    await stage.meet(4, { name: "<img src=x>\u202E", cursor: { x: 1, y: 1 } });
    expect(document.querySelector("img")).toBeNull();
    expect(document.querySelector(".layer")?.textContent).toBe("<img src=x>");
  });

  test("survive callbacks that throw over what a stranger shows, and tell it once", async () => {
    const trap = (key: string) => (shown: object) => {
      const value = (shown as Record<string, unknown>)[key];
      if (value === "trap") throw new Error(key);
      return value as never;
    };
    stage.show(
      <>
        <Cursors className="layer" cursorOf={trap("at")} nameOf={trap("name")} />
        <AvatarStack nameOf={trap("nick")} />
      </>,
    );
    await stage.join();
    for (const z of [1, 2, 3]) {
      await stage.meet(2, { at: "trap", name: "Ada", nick: "trap", z });
      await stage.meet(3, { at: { x: z, y: 0 }, name: "trap", nick: "Bob", z });
    }
    expect(cursors().map(({ textContent }) => textContent)).toEqual(["Someone"]);
    expect(screen.getByRole("img", { name: "Someone" })).toBeDefined();
    const told = stage.world.errors.splice(0).map((error) => (error as Error).message);
    expect(told.sort()).toEqual(["at", "name", "nick"]);
  });

  test("leave no frame waiting when they go", async () => {
    stage.show(<Cursors />);
    await stage.join();
    await stage.meet(2, { cursor: { x: 0, y: 0 } });
    expect(frames.size).toBe(1);
    stage.show(null);
    expect(frames.size).toBe(0);
  });
});

describe("<AvatarStack>", () => {
  const names = () => screen.queryAllByRole("img").map((each) => each.getAttribute("aria-label"));

  test("is a list with a name, of people with names", async () => {
    stage.show(<AvatarStack className="stack" avatarClassName="face" />);
    await stage.join();
    await stage.meet(2, { name: "Ada Lovelace" });
    const list = screen.getByRole("list", { name: "1 person here" });
    const ada = within(list).getByRole("img", { name: "Ada Lovelace" });
    expect(ada.textContent).toBe("AL");
    expect(ada.className).toBe("face");
    expect(ada.closest("li")?.style.getPropertyValue("--roomtone-color")).toMatch(/^#[0-9a-f]{6}$/);
    await stage.meet(3, {});
    expect(screen.getByRole("list").getAttribute("aria-label")).toBe("2 people here");
    expect(names()).toEqual(["Ada Lovelace", "Someone"]);
  });

  test("shows a user once, and this user only when asked to", async () => {
    const initial = { user: { id: "me", name: "Me" } };
    stage.show(<AvatarStack />, { presence: { initial } });
    await stage.join();
    await stage.meet(2, { user: { id: "ada", name: "Ada" } });
    await stage.meet(3, { user: { id: "ada", name: "Ada" } });
    await stage.meet(4, { user: { id: "me", name: "Me" } });
    expect(names()).toEqual(["Ada"]);
    stage.show(<AvatarStack includeMe />, { presence: { initial } });
    expect(names()).toEqual(["Me", "Ada"]);
    expect(document.querySelectorAll("[data-myself]")).toHaveLength(1);
  });

  test("counts those who are over, and says so", async () => {
    stage.show(<AvatarStack max={2} />);
    await stage.join();
    for (const id of [2, 3, 4]) await stage.meet(id, { name: `P${id}` });
    // The number would take as much room as the face.
    expect(names()).toEqual(["P2", "P3", "P4"]);
    await stage.meet(5, { name: "P5" });
    expect(names()).toEqual(["P2", "P3", "2 more"]);
    expect(screen.getByRole("list").getAttribute("aria-label")).toBe("4 people here");
  });

  test("takes the application's words, names and faces, and does not render for cursors", async () => {
    const rendered: string[] = [];
    stage.show(
      <AvatarStack
        nameOf={(shown) => (shown as { nick?: unknown }).nick}
        renderAvatar={({ name }) => {
          rendered.push(name);
          return <em>{name}!</em>;
        }}
        labelOf={(count) => `${count} Leute`}
      />,
    );
    await stage.join();
    await stage.meet(2, { nick: "Ada" });
    for (let x = 0; x < 10; x += 1) await stage.meet(2, { nick: "Ada", cursor: { x, y: 0 } });
    expect(screen.getByRole("list", { name: "1 Leute" }).textContent).toBe("Ada!");
    expect(rendered).toEqual(["Ada"]);
  });
});

describe("<SavedIndicator>", () => {
  const seen = () => document.querySelector<HTMLElement>("[data-state]");
  const heard = () => screen.getByRole("status").textContent;
  const write = () => act(async () => stage.room.doc.getText("t").insert(0, "x"));

  test("shows the truth of the moment, and is silent while all goes well", async () => {
    stage.show(<SavedIndicator className="saved" />);
    await stage.join();
    expect(seen()?.textContent).toBe("Saved");
    await write();
    expect(seen()?.textContent).toBe("Saving…");
    expect([seen()?.dataset.state, seen()?.dataset.unsaved]).toEqual(["saving", "1"]);
    await stage.pass(ANNOUNCE_MS * 2);
    await stage.commit();
    await stage.pass(ANNOUNCE_MS * 2);
    expect(seen()?.textContent).toBe("Saved");
    expect(seen()?.dataset.unsaved).toBe("0");
    expect(heard()).toBe("");
  });

  test("says that work waits once it has waited, and that it is saved in the end", async () => {
    stage.show(<SavedIndicator labels={{ saved: "All safe" }} />);
    await stage.join();
    await stage.drop();
    await write();
    expect(seen()?.dataset.state).toBe("offline");
    expect(heard()).toBe("");
    await stage.pass(ANNOUNCE_MS);
    expect(heard()).toBe("Not saved: no connection");
    await act(async () => stage.room.connect());
    await stage.join();
    expect(seen()?.dataset.state).toBe("saving");
    expect(heard()).toBe("Not saved: no connection");
    await stage.commit();
    await stage.pass(0);
    expect(heard()).toBe("All safe");
  });

  test("a short loss is not spoken of", async () => {
    stage.show(<SavedIndicator />);
    await stage.join();
    await stage.drop();
    await write();
    await stage.pass(ANNOUNCE_MS - 1);
    await act(async () => stage.room.connect());
    await stage.join();
    await stage.commit();
    await stage.pass(ANNOUNCE_MS);
    expect(heard()).toBe("");
  });

  test("shows what the application makes of it, and announces words", async () => {
    stage.show(<SavedIndicator>{({ unsaved }) => <i>{unsaved} left</i>}</SavedIndicator>);
    await write();
    await stage.pass(ANNOUNCE_MS);
    expect(document.querySelector("i")?.textContent).toBe("1 left");
    expect(seen()?.textContent).not.toContain("Saved");
    expect(heard()).toBe("Not saved: no connection");
  });
});
