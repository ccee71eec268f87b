// Defined once, also by two copies of the package, and whatever was there before.

import { expect, test, vi } from "vitest";
import { World } from "../../core/test/fakes.js";

test("what a page gave to the element before it was defined counts, and a second copy is no error", async () => {
  const room = new World().room({ connect: false, name: "early" });
  const early = document.createElement("roomtone-devtools");
  early.room = room;
  document.body.append(early);
  expect(early.shadowRoot).toBeNull();

  await import("../src/index.js");
  expect(early.shadowRoot?.querySelector("h1")?.textContent).toBe("early");
  expect(early.room).toBe(room);
  expect(Object.hasOwn(early, "room")).toBe(false);

  const first = customElements.get("roomtone-devtools");
  vi.resetModules();
  const { defineDevtools } = await import("../src/index.js");
  defineDevtools();
  expect(customElements.get("roomtone-devtools")).toBe(first);
  early.remove();
  room.destroy();
});
