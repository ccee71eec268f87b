// A document that the server replaced: what is stored of the old one is kept beside the new one, and never merged.

import { expect, test } from "vitest";
import * as Y from "yjs";
import { Emitter } from "../../src/emitter.js";
import {
  attachOffline,
  DATABASE_NAME,
  type Offline,
  type RoomLike,
  savedWhere,
} from "../../src/offline/index.js";
import { settled } from "../fakes.js";
import { Browser, docWith, FakeChannel, rows, stored, text, type, until } from "./fakes.js";

/** A server with one document, which it can replace. */
class Server {
  epoch = 1;
  doc = new Y.Doc();

  /** Makes the document anew with the same text: other items, which a merge would put beside the old ones. */
  reseed(): void {
    this.epoch += 1;
    this.doc = docWith(text(this.doc));
  }
}

/** A room as far as it matters here: it joins with the epoch that it knows, and merges only what it may. */
class FakeRoom implements RoomLike {
  readonly doc: Y.Doc;
  epoch: number;
  saved = { unsaved: 0 };
  readonly #emitter = new Emitter<{ replaced: { epoch: number }; sync: boolean }>(() => {});
  readonly #server: Server;

  constructor(server: Server, doc: Y.Doc, epoch: number) {
    this.#server = server;
    this.doc = doc;
    this.epoch = epoch;
  }

  on(name: "replaced" | "sync", listener: (payload: never) => void): () => void {
    return this.#emitter.on(name, listener as never);
  }

  /** With `quiet`, it is not said yet that the document holds what the server holds. */
  join(quiet = false): boolean {
    const server = this.#server;
    if (this.epoch !== 0 && this.epoch !== server.epoch) {
      this.#emitter.emit("replaced", { epoch: server.epoch });
      return false;
    }
    this.epoch = server.epoch;
    Y.applyUpdate(server.doc, Y.encodeStateAsUpdate(this.doc));
    Y.applyUpdate(this.doc, Y.encodeStateAsUpdate(server.doc), this);
    if (!quiet) this.#emitter.emit("sync", true);
    return true;
  }
}

async function enter(browser: Browser, server: Server) {
  const tab = browser.tab();
  const offline = await tab.open();
  const room = new FakeRoom(server, offline.doc, offline.epoch);
  const detach = attachOffline(room, offline);
  return { tab, offline, room, detach };
}

async function texts(offline: Offline): Promise<string[]> {
  const copies = await offline.staleCopies();
  return Promise.all(copies.map(async (copy) => text(await copy.load())));
}

test("the epoch is stored, and known in all tabs", async () => {
  const browser = new Browser();
  const one = await browser.tab().open();
  const two = await browser.tab().open();
  const told: number[] = [];
  two.on("epoch", (epoch) => told.push(epoch));
  expect(one.epoch).toBe(0);
  await one.setEpoch(7);
  await one.setEpoch(7);
  expect(one.epoch).toBe(7);
  await until(() => two.epoch === 7);
  expect(told).toEqual([7]);
  await one.destroy();
  await two.destroy();
  const again = await browser.tab().open();
  expect(again.epoch).toBe(7);
});

test("what comes from the server is never stored without its epoch", async () => {
  for (let turns = 0; turns < 12; turns++) {
    const browser = new Browser();
    const server = new Server();
    type(server.doc, "from the server");
    const { tab, room } = await enter(browser, server);
    for (let turn = 0; turn < 5; turn++) await settled();
    room.join(true);
    for (let turn = 0; turn < turns; turn++) await settled();
    tab.crash();
    const offline = await browser.tab().open();
    if (text(offline.doc) !== "") expect(offline.epoch).toBe(1);
    else expect(turns).toBeLessThan(11);
  }
});

test("edits made before the server was met belong to the epoch that is met first", async () => {
  const browser = new Browser();
  const server = new Server();
  const { offline, room } = await enter(browser, server);
  type(offline.doc, "offline first");
  await offline.whenSaved();
  expect(offline.epoch).toBe(0);
  expect(room.join()).toBe(true);
  expect(offline.epoch).toBe(1);
  expect(text(server.doc)).toBe("offline first");
});

test("two clients that worked offline for long merge when they return", async () => {
  const server = new Server();
  const browsers = [new Browser(), new Browser()];
  for (const browser of browsers) {
    const { offline, room } = await enter(browser, server);
    room.join();
    await offline.destroy();
  }
  for (const [index, browser] of browsers.entries()) {
    for (let visit = 0; visit < 3; visit++) {
      const { tab, offline } = await enter(browser, server);
      type(offline.doc, `<${index}${visit}>`);
      await offline.whenSaved();
      tab.crash();
    }
  }
  for (const browser of [...browsers, ...browsers]) {
    const { offline, room } = await enter(browser, server);
    room.join();
    await offline.destroy();
  }
  expect(text(server.doc).split(/(?=<)/).sort()).toEqual([
    "<00>",
    "<01>",
    "<02>",
    "<10>",
    "<11>",
    "<12>",
  ]);
  for (const browser of browsers) expect(await stored(browser)).toBe(text(server.doc));
});

test("a document of another epoch is moved aside, and its text is not there twice", async () => {
  const browser = new Browser();
  const server = new Server();
  type(server.doc, "shared");
  const first = await enter(browser, server);
  first.room.join();
  await first.offline.destroy();

  // Offline: an edit that nobody has seen. Meanwhile the server begins anew with the same text.
  const second = await enter(browser, server);
  type(second.offline.doc, " and mine");
  await second.offline.whenSaved();
  server.reseed();
  const replaced: unknown[] = [];
  second.offline.on("replaced", (event) => replaced.push(event));
  expect(second.room.join()).toBe(false);
  await until(() => second.offline.state === "replaced");
  expect(replaced).toEqual([{ epoch: 2 }]);
  await second.offline.destroy();

  const third = await enter(browser, server);
  expect(text(third.offline.doc)).toBe("");
  expect(third.offline.epoch).toBe(2);
  expect(third.room.join()).toBe(true);
  await third.offline.whenSaved();
  expect(text(third.offline.doc)).toBe("shared");
  expect(text(server.doc)).toBe("shared");
  const copies = await third.offline.staleCopies();
  expect(copies).toMatchObject([{ epoch: 1, replacedAt: browser.clock.nowMs }]);
  expect(copies[0]?.bytes).toBeGreaterThan(0);
  expect(await texts(third.offline)).toEqual(["shared and mine"]);
  await third.offline.destroy();
  expect(await stored(browser)).toBe("shared");
});

test("what is still done in the old document goes to the stale copy", async () => {
  const browser = new Browser();
  const offline = await browser.tab().open();
  type(offline.doc, "old");
  await offline.setEpoch(1);
  const told: unknown[] = [];
  offline.on("replaced", (event) => told.push(event));
  await offline.replace(2);
  type(offline.doc, ", and late");
  expect(offline.saved.state).toBe("saving");
  await offline.whenSaved();
  expect(told).toEqual([{ epoch: 2 }]);
  const next = await browser.tab().open();
  expect(text(next.doc)).toBe("");
  expect(await texts(next)).toEqual(["old, and late"]);
});

test("other tabs go aside with it, and none of them writes into the new one", async () => {
  const browser = new Browser();
  const [one, two] = [await browser.tab().open(), await browser.tab().open()];
  type(one.doc, "old ");
  await one.setEpoch(1);
  await until(() => two.epoch === 1 && text(two.doc) === "old ");
  type(two.doc, "unsaved");
  const told: unknown[] = [];
  two.on("replaced", (event) => told.push(event));
  await one.replace(2);
  await until(() => two.state === "replaced");
  expect(told).toEqual([{ epoch: 2 }]);
  const next = await browser.tab().open();
  type(next.doc, "new");
  await Promise.all([one, two, next].map((offline) => offline.whenSaved()));
  expect(await texts(next)).toEqual(["old unsaved"]);
  expect(await stored(browser)).toBe("new");
});

test("a tab that was not told finds out when it writes, and writes beside the new one", async () => {
  const browser = new Browser();
  const tab = browser.tab();
  const [one, two] = [await browser.tab().open(), await tab.open({ environment: { locks: null } })];
  type(one.doc, "old ");
  await one.setEpoch(1);
  await until(() => text(two.doc) === "old ");
  tab.frozen = true;
  await one.replace(2);
  type(two.doc, "late");
  await two.whenSaved();
  await until(() => two.state === "replaced");
  expect(await texts(two)).toEqual(["old late"]);
  expect(await stored(browser)).toBe("");
});

test("a tab that is told late does not move the new one aside", async () => {
  const browser = new Browser();
  const tab = browser.tab();
  const [one, two] = [await browser.tab().open(), await tab.open()];
  type(one.doc, "old");
  await one.setEpoch(1);
  await until(() => two.epoch === 1);
  tab.frozen = true;
  await one.replace(2);
  const next = await browser.tab().open();
  type(next.doc, "new");
  await next.whenSaved();
  await two.replace(2);
  expect(two.state).toBe("replaced");
  expect(next.state).toBe("open");
  expect(await texts(next)).toEqual(["old"]);
  expect(await stored(browser)).toBe("new");
});

test("a leader takes nothing of another epoch from a follower", async () => {
  const browser = new Browser();
  const offline = await browser.tab().open();
  type(offline.doc, "mine");
  await offline.setEpoch(1);
  await offline.whenSaved();
  const [row] = await rows(browser);
  const channel = new FakeChannel(browser.tab(), browser, `${DATABASE_NAME}/${row?.lineage}`);
  const update = Y.encodeStateAsUpdate(docWith("theirs"));
  channel.postMessage({ type: "hand", tab: "x", first: 1, last: 1, update, epoch: 2 });
  for (let turn = 0; turn < 50; turn++) await settled();
  expect(text(offline.doc)).toBe("mine");
  expect(offline.state).toBe("open");
});

test("several copies are kept apart, the oldest first, until they are discarded", async () => {
  const browser = new Browser();
  for (const epoch of [1, 2, 3]) {
    browser.clock.advance(1_000);
    const offline = await browser.tab().open();
    await offline.setEpoch(epoch);
    type(offline.doc, `of ${epoch}`);
    await offline.replace(epoch + 1);
    await offline.destroy();
  }
  const offline = await browser.tab().open();
  expect(await texts(offline)).toEqual(["of 1", "of 2", "of 3"]);
  const copies = await offline.staleCopies();
  expect(copies.map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
  await copies[1]?.discard();
  expect(await texts(offline)).toEqual(["of 1", "of 3"]);
  const gone = await copies[1]?.load();
  expect(gone && text(gone)).toBe("");
  await offline.clear();
  expect(await rows(browser)).toEqual([]);
});

test("a copy that is discarded while somebody works in it comes back whole", async () => {
  const browser = new Browser();
  const old = await browser.tab().open();
  type(old.doc, "old");
  await old.setEpoch(1);
  await old.replace(2);
  await old.whenSaved();
  const next = await browser.tab().open();
  await (await next.staleCopies())[0]?.discard();
  expect(await texts(next)).toEqual([]);
  type(old.doc, " and late");
  await old.whenSaved();
  expect(await texts(next)).toEqual(["old and late"]);
  expect(await next.staleCopies()).toMatchObject([{ epoch: 1 }]);
});

test("an empty document leaves no copy", async () => {
  const browser = new Browser();
  const offline = await browser.tab().open();
  await offline.setEpoch(1);
  await offline.setEpoch(2);
  expect(offline.state).toBe("replaced");
  const next = await browser.tab().open();
  expect(next.epoch).toBe(2);
  expect(await next.staleCopies()).toEqual([]);
});

test("tabs that learned of different epochs at once are not merged", async () => {
  const browser = new Browser();
  const environment = { locks: null, openChannel: null };
  const [one, two] = [
    await browser.tab().open({ environment }),
    await browser.tab().open({ environment }),
  ];
  type(one.doc, "one");
  await one.setEpoch(1);
  type(two.doc, "two");
  await two.setEpoch(2);
  await until(() => two.state === "replaced");
  const next = await browser.tab().open();
  expect(next.epoch).toBe(2);
  expect(text(next.doc)).toBe("");
  expect(await next.staleCopies()).toMatchObject([{ epoch: 1 }]);
});

test("without a database a document that was replaced is told as well", async () => {
  const offline = await new Browser().tab().open({ environment: { indexedDB: null } });
  const told: unknown[] = [];
  offline.on("replaced", (event) => told.push(event));
  await offline.setEpoch(1);
  expect(offline.epoch).toBe(1);
  await offline.setEpoch(2);
  expect(told).toEqual([{ epoch: 2 }]);
  expect(offline.state).toBe("unavailable");
});

test("a room with another document is refused, and one that is detached is not followed", async () => {
  const browser = new Browser();
  const server = new Server();
  type(server.doc, "x");
  const { offline, room, detach } = await enter(browser, server);
  expect(() => attachOffline(new FakeRoom(server, new Y.Doc(), 0), offline)).toThrow(
    expect.objectContaining({ code: "options" }),
  );
  detach();
  room.join();
  expect(offline.epoch).toBe(0);
});

test("a room that does not know the stored epoch is refused: it would merge what must not be", async () => {
  const browser = new Browser();
  const offline = await browser.tab().open();
  await offline.setEpoch(1);
  const room = new FakeRoom(new Server(), offline.doc, 0);
  expect(() => attachOffline(room, offline)).toThrow(expect.objectContaining({ code: "options" }));
  attachOffline(new FakeRoom(new Server(), offline.doc, offline.epoch), offline);
});

test("a room that has not met the server yet learns of the epoch from another tab", async () => {
  const browser = new Browser();
  const server = new Server();
  type(server.doc, "shared");
  const [one, two] = [await enter(browser, server), await enter(browser, server)];
  const known: number[] = [];
  const detach = attachOffline(
    Object.assign(two.room, {
      setEpoch: (epoch: number) => {
        two.room.epoch = epoch;
        known.push(epoch);
      },
    }),
    two.offline,
  );
  one.room.join();
  await until(() => text(two.offline.doc) === "shared" && two.offline.epoch === 1);
  expect(known).toEqual([1]);
  server.reseed();
  expect(two.room.join()).toBe(false);
  expect(text(server.doc)).toBe("shared");
  detach();
});

test("a document that was deleted and has no successor is moved aside as well", async () => {
  const browser = new Browser();
  const offline = await browser.tab().open();
  type(offline.doc, "old");
  await offline.setEpoch(1);
  await offline.replace(0);
  expect(offline.state).toBe("replaced");
  const next = await browser.tab().open();
  expect(next.epoch).toBe(0);
  expect(text(next.doc)).toBe("");
  expect(await texts(next)).toEqual(["old"]);
});

test("a room of a server without epochs changes nothing", async () => {
  const browser = new Browser();
  const server = new Server();
  server.epoch = 0;
  type(server.doc, "x");
  const { offline, room } = await enter(browser, server);
  room.join();
  await offline.whenSaved();
  expect(offline.epoch).toBe(0);
  expect(await stored(browser)).toBe("x");
});

test("where the work is safe", () => {
  const saved = { state: "saved" } as const;
  expect(savedWhere({ unsaved: 0 }, { state: "unavailable" })).toBe("server");
  expect(savedWhere({ unsaved: 0 }, { state: "saving" })).toBe("server");
  expect(savedWhere({ unsaved: 1 }, saved)).toBe("device");
  expect(savedWhere({ unsaved: 1 }, { state: "saving" })).toBe("unsaved");
  expect(savedWhere({ unsaved: 1 }, { state: "unavailable" })).toBe("unsaved");
});
