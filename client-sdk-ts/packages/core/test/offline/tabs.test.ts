// Several tabs of one room: one writes for all, and none depends on it.

import { expect, test } from "vitest";
import * as Y from "yjs";
import type { Locks } from "../../src/offline/environment.js";
import { DATABASE_NAME, type Offline, openOffline } from "../../src/offline/index.js";
import { HANDED_MS_MAX, REMOTE_DELAY_MS } from "../../src/offline/journal.js";
import type { TabMessage } from "../../src/offline/tabs.js";
import { settled } from "../fakes.js";
import {
  Browser,
  docWith,
  FakeChannel,
  rows,
  stored,
  type Tab,
  text,
  type,
  until,
} from "./fakes.js";

interface Both {
  readonly browser: Browser;
  readonly tabs: readonly [Tab, Tab];
  readonly leader: Offline;
  readonly follower: Offline;
  /** How often the follower began to write. */
  readonly writes: () => number;
}

async function two(): Promise<Both> {
  const browser = new Browser();
  const tabs = [browser.tab(), browser.tab()] as const;
  const leader = await tabs[0].open();
  type(leader.doc, "leader ");
  await leader.whenSaved();
  const follower = await tabs[1].open();
  let count = 0;
  tabs[1].onTransaction = ({ mode }) => {
    if (mode === "readwrite") count += 1;
  };
  return { browser, tabs, leader, follower, writes: () => count };
}

/** Makes a transaction take some turns of the event loop. */
function keepOpen(transaction: IDBTransaction, turns: number): void {
  const request = transaction.objectStore("rows").count();
  request.onsuccess = () => {
    if (turns > 0) keepOpen(transaction, turns - 1);
  };
}

test("tabs see what the others do, and only the leader writes", async () => {
  const { browser, leader, follower, writes } = await two();
  expect(text(follower.doc)).toBe("leader ");
  type(follower.doc, "follower ");
  expect(follower.saved).toMatchObject({ state: "saving", unsaved: 1 });
  await follower.whenSaved();
  expect(writes()).toBe(0);
  expect(text(leader.doc)).toBe("leader follower ");
  type(leader.doc, "again");
  await until(() => text(follower.doc) === "leader follower again");
  expect(follower.saved.state).toBe("saved");
  expect(await rows(browser)).toHaveLength(3);
  expect(await stored(browser)).toBe("leader follower again");
});

test("what a follower did is saved when the leader has written it, and not before", async () => {
  const { browser, tabs, follower } = await two();
  let complete = false;
  tabs[0].onTransaction = (transaction) =>
    transaction.addEventListener("complete", () => {
      complete = true;
    });
  follower.on("saved", ({ state }) => {
    if (state === "saved") expect(complete).toBe(true);
  });
  type(follower.doc, "a");
  await follower.whenSaved();
  expect(complete).toBe(true);
  expect(await stored(browser)).toBe("leader a");
});

test("when the leader closes, another takes over", async () => {
  const { browser, leader, follower, writes } = await two();
  await leader.destroy();
  type(follower.doc, "a");
  await follower.whenSaved();
  expect(writes()).toBe(1);
  expect(await stored(browser)).toBe("leader a");
});

test("a tab that stood in line and closed does not take over", async () => {
  const { browser, leader, follower } = await two();
  const third = await browser.tab().open();
  await follower.destroy();
  await leader.destroy();
  type(third.doc, "a");
  await third.whenSaved();
  expect(await stored(browser)).toBe("leader a");
});

test("a lock that is granted to a tab that has just closed is given back", async () => {
  const given: Promise<void>[] = [];
  let grant = () => {};
  let isWithdrawn = () => false;
  const request: Locks["request"] = async (_name, { signal }, held) => {
    isWithdrawn = () => signal.aborted;
    grant = () => given.push(held());
  };
  const offline = await new Browser().tab().open({ environment: { locks: { request } } });
  await offline.destroy();
  expect(isWithdrawn()).toBe(true);
  grant();
  await Promise.all(given);
  expect(given).toHaveLength(1);
});

test("when the leader crashes, what it was handed is handed again to the next, once", async () => {
  const browser = new Browser();
  const [first, second, third] = [browser.tab(), browser.tab(), browser.tab()];
  await first.open();
  const next = await second.open();
  const last = await third.open();
  await settled();
  // The leader dies at the moment it begins to write.
  first.onTransaction = () => first.crash();
  type(last.doc, "handed");
  await last.whenSaved();
  await until(() => text(next.doc) === "handed");
  expect(text(last.doc)).toBe("handed");
  expect(await stored(browser)).toBe("handed");
});

test("what the leader wrote and could not tell any more is found by the others", async () => {
  const browser = new Browser();
  const first = browser.tab();
  const leader = await first.open();
  const follower = await browser.tab().open();
  first.onTransaction = (transaction) => {
    // Its row arrives on the disk, its word does not arrive at all.
    transaction.addEventListener("complete", () => {
      first.frozen = true;
      setImmediate(() => first.crash());
    });
  };
  type(leader.doc, "untold");
  await until(() => text(follower.doc) === "untold");
  expect(await stored(browser)).toBe("untold");
});

test("a leader that is frozen holds nobody up", async () => {
  const { browser, tabs, leader, follower, writes } = await two();
  tabs[0].frozen = true;
  type(follower.doc, "a");
  await settled();
  browser.clock.advance(HANDED_MS_MAX - 1);
  await settled();
  expect(follower.saved.unsaved).toBe(1);
  browser.clock.advance(1);
  await follower.whenSaved();
  expect(writes()).toBe(1);
  type(follower.doc, "b");
  await follower.whenSaved();
  // Awake again, it finds what was written while it slept as soon as it writes itself.
  tabs[0].frozen = false;
  type(leader.doc, "c");
  await leader.whenSaved();
  await until(() => text(leader.doc).length === "leader abc".length);
  await until(() => text(follower.doc) === text(leader.doc));
  expect(await stored(browser)).toBe(text(leader.doc));
});

test("what is left when the leader is heard again goes to the leader", async () => {
  const { browser, tabs, follower, writes } = await two();
  const [row] = await rows(browser);
  const channel = new FakeChannel(browser.tab(), browser, `${DATABASE_NAME}/${row?.lineage}`);
  tabs[0].frozen = true;
  type(follower.doc, "a");
  await settled();
  const count = tabs[1].onTransaction;
  tabs[1].onTransaction = (transaction) => {
    count(transaction);
    // While the follower writes for itself, there is more to write, and the leader speaks again.
    if (!tabs[0].frozen) return;
    tabs[0].frozen = false;
    type(follower.doc, "b");
    channel.postMessage({ type: "receipts", receipts: [] });
    keepOpen(transaction, 50);
  };
  browser.clock.advance(HANDED_MS_MAX);
  await follower.whenSaved();
  expect(writes()).toBe(1);
  expect(await stored(browser)).toBe("leader ab");
});

test("what all tabs hear from the server is written once", async () => {
  const { browser, leader, follower } = await two();
  const update = Y.encodeStateAsUpdate(docWith("server"));
  Y.applyUpdate(follower.doc, update, "a room");
  Y.applyUpdate(leader.doc, update, "a room");
  await leader.whenSaved();
  await settled();
  browser.clock.advance(REMOTE_DELAY_MS);
  await follower.whenSaved();
  expect(await rows(browser)).toHaveLength(2);
});

test("what is handed and cannot be placed yet is on the disk before it counts as saved", async () => {
  const { browser, tabs } = await two();
  const source = docWith("ab");
  const first = Y.encodeStateAsUpdate(source);
  const before = Y.encodeStateVector(source);
  type(source, "cd");
  const second = Y.encodeStateAsUpdate(source, before);
  // A tab that handed the first to a leader that crashed, and did not hear of the next one yet.
  const [row] = await rows(browser);
  const channel = new FakeChannel(browser.tab(), browser, `${DATABASE_NAME}/${row?.lineage}`);
  const receipts: unknown[] = [];
  channel.onmessage = ({ data }) => {
    const message = data as TabMessage;
    if (message.type === "receipts") receipts.push(...message.receipts);
  };
  const hand = { type: "hand", tab: "x", epoch: 0 };
  channel.postMessage({ ...hand, first: 2, last: 2, update: second });
  await until(() => receipts.length === 1);
  expect(receipts).toEqual([{ tab: "x", first: 2, last: 2 }]);
  for (const tab of tabs) tab.crash();
  const offline = await browser.tab().open();
  expect(text(offline.doc)).toBe("leader ");
  Y.applyUpdate(offline.doc, first);
  expect(text(offline.doc)).toContain("abcd");
});

test("what completes an update that waited is stored together with it", async () => {
  const { browser, tabs, leader, follower } = await two();
  const source = docWith("ab");
  const first = Y.encodeStateAsUpdate(source);
  const before = Y.encodeStateVector(source);
  type(source, "cd");
  // The follower hears the second part from a server, and the first through the leader.
  Y.applyUpdate(follower.doc, Y.encodeStateAsUpdate(source, before), "a room");
  Y.applyUpdate(leader.doc, first, "a room");
  await until(() => text(follower.doc).includes("abcd"));
  await settled();
  browser.clock.advance(REMOTE_DELAY_MS);
  await follower.whenSaved();
  for (const tab of tabs) tab.crash();
  expect(await stored(browser)).toContain("abcd");
});

test("without locks each tab writes for itself, and still sees the others", async () => {
  const browser = new Browser();
  const environment = { locks: null };
  const [one, two] = [
    await browser.tab().open({ environment }),
    await browser.tab().open({ environment }),
  ];
  type(one.doc, "a");
  type(two.doc, "b");
  await Promise.all([one.whenSaved(), two.whenSaved()]);
  await until(() => text(one.doc).length === 2 && text(one.doc) === text(two.doc));
  expect(await rows(browser)).toHaveLength(2);
  expect(await stored(browser, { environment })).toBe(text(one.doc));
});

test("without channels each tab writes for itself, and finds the others on the disk", async () => {
  const browser = new Browser();
  const environment = { openChannel: null };
  const [one, two] = [
    await browser.tab().open({ environment }),
    await browser.tab().open({ environment }),
  ];
  type(one.doc, "a");
  await one.whenSaved();
  type(two.doc, "b");
  await two.whenSaved();
  await until(() => text(two.doc).length === 2);
  expect(await stored(browser, { environment })).toBe(text(two.doc));
});

test("locks and channels that refuse are as good as none", async () => {
  const browser = new Browser();
  const refuse = () => {
    throw new DOMException("sandboxed", "SecurityError");
  };
  const environments = [
    { openChannel: refuse },
    { locks: { request: refuse } },
    { locks: { request: async () => refuse() } },
  ];
  for (const environment of environments) {
    const offline = await browser.tab().open({ environment });
    type(offline.doc, "x");
    await offline.whenSaved();
    await offline.destroy();
  }
  expect(await stored(browser)).toBe("xxx");
});

test("a leader that cannot write any more makes way", async () => {
  const { browser, tabs, leader, follower } = await two();
  tabs[0].onTransaction = (transaction) => {
    if (transaction.mode === "readwrite") transaction.abort();
  };
  type(follower.doc, "a");
  await follower.whenSaved();
  expect(leader.state).toBe("unavailable");
  expect(await stored(browser)).toBe("leader a");
});

test("a tab that clears the document ends it in all of them", async () => {
  const { browser, leader, follower } = await two();
  await follower.clear();
  await until(() => leader.state === "unavailable");
  expect(leader.error?.code).toBe("cleared");
  type(leader.doc, "a");
  await settled();
  expect(await rows(browser)).toEqual([]);
});

test("a tab that was not told of the end finds out when it writes", async () => {
  const { browser, tabs, leader, follower } = await two();
  tabs[0].frozen = true;
  await follower.clear();
  const again = await browser.tab().open();
  type(again.doc, "fresh");
  type(leader.doc, "a");
  await until(() => leader.state === "unavailable");
  expect(leader.error?.code).toBe("cleared");
  await again.whenSaved();
  await again.destroy();
  expect(await stored(browser)).toBe("fresh");
});

test("with the channels that the runtime has, tabs see each other as well", async () => {
  const { indexedDB, IDBKeyRange } = new Browser().tab().environment;
  const database = "with the runtime's own channels";
  const open = () =>
    openOffline({ name: "room", database, environment: { indexedDB, IDBKeyRange } });
  const [one, two] = [await open(), await open()];
  type(one.doc, "a");
  await until(() => text(two.doc) === "a");
  type(two.doc, "b");
  await until(() => text(one.doc) === "ab");
  await Promise.all([one.whenSaved(), two.whenSaved()]);
  await Promise.all([one.destroy(), two.destroy()]);
});
