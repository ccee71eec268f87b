// A document on this device and its room, on a server: what is saved where, and what a replacement does.

import { expect, test } from "vitest";
import type { Room } from "../../src/index.js";
import { attachOffline, type Offline, savedWhere } from "../../src/offline/index.js";
import { World } from "../fakes.js";
import { FakeServer } from "../server.js";
import { Browser, stored, text, type, until } from "./fakes.js";

const world = () => ({ world: new World(), server: new FakeServer(), browser: new Browser() });

interface Entered {
  readonly offline: Offline;
  readonly room: Room;
  readonly detach: () => void;
}

async function enter({ world, browser }: { world: World; browser: Browser }): Promise<Entered> {
  const offline = await browser.tab().open();
  const { doc, epoch } = offline;
  const room = world.room({ doc, epoch });
  return { offline, room, detach: attachOffline(room, offline) };
}

async function leave({ offline, room, detach }: Entered): Promise<void> {
  detach();
  room.destroy();
  await offline.destroy();
}

test("work is in memory, then on the device, then on the server", async () => {
  const { world: net, server, browser } = world();
  const { offline, room } = await enter({ world: net, browser });
  const where = () => savedWhere(room.saved, offline.saved);
  type(offline.doc, "a");
  expect(where()).toBe("unsaved");
  await offline.whenSaved();
  expect(where()).toBe("device");
  server.accept(await net.dial());
  server.read();
  server.read();
  server.commit();
  expect(where()).toBe("server");
  expect(offline.epoch).toBe(room.epoch);
});

test("offline work of one visit is sent at the next, and a replaced document is not mixed with it", async () => {
  const { world: net, server, browser } = world();
  const answer = async () => {
    server.accept(await net.dial());
    server.read();
    server.read();
    server.commit();
  };
  const first = await enter({ world: net, browser });
  type(first.offline.doc, "one ");
  await first.offline.whenSaved();
  await leave(first);

  const second = await enter({ world: net, browser });
  await answer();
  expect(server.disk().getText("text").toString()).toBe("one ");
  expect(second.offline.epoch).toBe(1);
  server.leave(net.socket);
  net.socket.end(1006);
  type(second.offline.doc, "two");
  await second.offline.whenSaved();
  await leave(second);

  server.replace("room", "theirs");
  const third = await enter({ world: net, browser });
  expect(text(third.offline.doc)).toBe("one two");
  await answer();
  await until(() => third.offline.state === "replaced");
  await leave(third);

  const fourth = await enter({ world: net, browser });
  expect(text(fourth.offline.doc)).toBe("");
  await answer();
  expect(fourth.room.epoch).toBe(2);
  expect(fourth.offline.doc.getText("t").toString()).toBe("theirs");
  const [copy] = await fourth.offline.staleCopies();
  const stale = await copy?.load();
  expect(stale && text(stale)).toBe("one two");
  await leave(fourth);
  expect(server.disk().getText("text").toString()).toBe("");
  expect(await stored(browser)).toBe("");
});
