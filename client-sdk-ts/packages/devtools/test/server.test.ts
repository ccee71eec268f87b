// On a server that renders pages there are no elements: importing it is no error, and an inspector works.
// @vitest-environment node

import { expect, test } from "vitest";
import { World } from "../../core/test/fakes.js";

test("importing needs no page", async () => {
  expect(typeof HTMLElement).toBe("undefined");
  const { Inspector, defineDevtools } = await import("../src/index.js");
  defineDevtools();
  const world = new World();
  const inspector = new Inspector();
  const room = world.room({ environment: inspector.environment(world.environment) });
  await world.open();
  expect(room.status).toBe("connected");
  expect(inspector.lastFrame).toBe(3);
  room.destroy();
});
