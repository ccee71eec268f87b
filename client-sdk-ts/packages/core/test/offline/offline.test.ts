// One tab: what is stored, when it counts as saved, and what happens where it cannot be.

import { expect, test, vi } from "vitest";
import * as Y from "yjs";
import { OPEN_MS_MAX } from "../../src/offline/database.js";
import type { OfflineError } from "../../src/offline/index.js";
import { TAIL_BYTES_MAX, TAIL_ROWS_MAX } from "../../src/offline/store.js";
import { settled } from "../fakes.js";
import { abort, Browser, docWith, rows, stored, text, type, until } from "./fakes.js";

test("what was saved is there when the document is opened again", async () => {
  const browser = new Browser();
  const offline = await browser.tab().open();
  expect(offline.state).toBe("open");
  type(offline.doc, "hello");
  await offline.whenSaved();
  expect(await stored(browser)).toBe("hello");
});

test("rooms and databases are apart", async () => {
  const browser = new Browser();
  const offline = await browser.tab().open();
  type(offline.doc, "mine");
  await offline.whenSaved();
  expect(await stored(browser, { name: "another" })).toBe("");
  expect(await stored(browser, { database: "of another account" })).toBe("");
});

test("updates from elsewhere are stored as well", async () => {
  const browser = new Browser();
  const offline = await browser.tab().open();
  Y.applyUpdate(offline.doc, Y.encodeStateAsUpdate(docWith("from afar")), "a room");
  await offline.whenSaved();
  expect(await stored(browser)).toBe("from afar");
});

test("what one task does is one row, and rows keep their order", async () => {
  const browser = new Browser();
  const offline = await browser.tab().open();
  for (const letter of "abcdef") type(offline.doc, letter);
  expect(offline.saved).toMatchObject({ state: "saving", unsaved: 6 });
  await offline.whenSaved();
  type(offline.doc, "g");
  await offline.whenSaved();
  expect((await rows(browser)).map(({ number, kind }) => [number, kind])).toEqual([
    [1, "update"],
    [2, "update"],
  ]);
  expect(await stored(browser)).toBe("abcdefg");
});

test("nothing is saved before the transaction is complete", async () => {
  const browser = new Browser();
  const tab = browser.tab();
  const offline = await tab.open();
  const told: number[] = [];
  offline.on("saved", ({ unsaved }) => told.push(unsaved));
  let unsavedAtEnd = -1;
  tab.onTransaction = (transaction) => {
    expect(transaction.durability).toBe("strict");
    transaction.addEventListener("complete", () => {
      if (transaction.mode === "readwrite") unsavedAtEnd = offline.saved.unsaved;
    });
  };
  expect(offline.saved).toEqual({ state: "saved", unsaved: 0, lastSavedAt: null });
  type(offline.doc, "a");
  await offline.whenSaved();
  expect(unsavedAtEnd).toBe(1);
  expect(told).toEqual([1, 0]);
  expect(offline.saved).toEqual({
    state: "saved",
    unsaved: 0,
    lastSavedAt: browser.clock.nowMs,
  });
});

test("a transaction that is aborted saved nothing, and the application goes on in memory", async () => {
  const browser = new Browser();
  const tab = browser.tab();
  const offline = await tab.open();
  const states: string[] = [];
  offline.on("state", (state) => states.push(state));
  tab.onTransaction = abort;
  type(offline.doc, "a");
  await expect(offline.whenSaved()).rejects.toMatchObject({ name: "OfflineError" });
  type(offline.doc, "b");
  expect(text(offline.doc)).toBe("ab");
  expect(offline.saved).toMatchObject({ state: "unavailable", unsaved: 2 });
  expect(states).toEqual(["unavailable"]);
  expect(await stored(browser)).toBe("");
});

test("after a failure the same document can be opened again, and all of it is stored", async () => {
  const browser = new Browser();
  const tab = browser.tab();
  const doc = new Y.Doc();
  const offline = await tab.open({ doc });
  tab.onTransaction = abort;
  type(doc, "a");
  await until(() => offline.state === "unavailable");
  tab.onTransaction = () => {};
  await offline.destroy();
  type(doc, "b");
  const again = await tab.open({ doc });
  expect(again.saved.unsaved).toBe(1);
  await again.whenSaved();
  expect(await stored(browser)).toBe("ab");
});

test("a full disk has a code of its own, and a hint", async () => {
  const browser = new Browser();
  const tab = browser.tab();
  const offline = await tab.open();
  tab.onTransaction = (transaction) => {
    const objectStore = transaction.objectStore.bind(transaction);
    transaction.objectStore = (name) => {
      const table = objectStore(name);
      table.put = () => {
        throw new DOMException("no space", "QuotaExceededError");
      };
      return table;
    };
  };
  type(offline.doc, "a");
  await until(() => offline.state === "unavailable");
  expect(offline.error).toMatchObject({ code: "quota", hint: expect.stringContaining("space") });
});

test("a long tail of rows becomes one snapshot", async () => {
  const browser = new Browser();
  const offline = await browser.tab().open();
  await settled();
  for (let i = 0; i <= TAIL_ROWS_MAX + 1; i++) {
    type(offline.doc, "x");
    await offline.whenSaved();
  }
  expect((await rows(browser)).map(({ kind }) => kind)).toEqual(["snapshot"]);
  type(offline.doc, "y");
  await offline.whenSaved();
  expect((await rows(browser)).map(({ kind }) => kind)).toEqual(["snapshot", "update"]);
  expect(await stored(browser)).toBe(`${"x".repeat(TAIL_ROWS_MAX + 2)}y`);
});

test("a heavy tail becomes one snapshot, and a large snapshot is not written for little", async () => {
  const browser = new Browser();
  const offline = await browser.tab().open();
  for (const letter of "abc") {
    type(offline.doc, letter.repeat(TAIL_BYTES_MAX));
    await offline.whenSaved();
  }
  expect((await rows(browser)).map(({ kind }) => kind)).toEqual(["snapshot", "update"]);
  type(offline.doc, "d");
  await offline.whenSaved();
  expect(await rows(browser)).toHaveLength(3);
});

test("a document that brings content along is stored with it, together with what was there", async () => {
  const browser = new Browser();
  const first = await browser.tab().open();
  type(first.doc, "stored ");
  await first.destroy();
  const doc = docWith("brought");
  const offline = await browser.tab().open({ doc });
  expect(text(doc)).toHaveLength("stored brought".length);
  await offline.whenSaved();
  await offline.destroy();
  expect(await stored(browser)).toBe(text(doc));
});

test("what is written while the document loads is neither lost nor overwritten", async () => {
  const browser = new Browser();
  const first = await browser.tab().open();
  type(first.doc, "old");
  await first.destroy();
  const doc = new Y.Doc();
  const opening = browser.tab().open({ doc });
  type(doc, "new");
  const offline = await opening;
  await offline.whenSaved();
  expect(text(doc)).toContain("old");
  expect(text(doc)).toContain("new");
  await offline.destroy();
  expect(await stored(browser)).toBe(text(doc));
});

test("observers and listeners that throw go to onError, and break nothing", async () => {
  const browser = new Browser();
  const first = await browser.tab().open();
  type(first.doc, "stored");
  await first.destroy();
  const tab = browser.tab();
  const doc = new Y.Doc();
  const thrown = new Error("of the application");
  doc.getText("text").observe(() => {
    throw thrown;
  });
  const offline = await tab.open({ doc });
  expect(text(doc)).toBe("stored");
  expect(tab.errors).toEqual([thrown]);
  offline.on("saved", () => {
    throw thrown;
  });
  expect(() => type(doc, "!")).toThrow(thrown);
  await offline.whenSaved();
  expect(offline.state).toBe("open");
  expect(await stored(browser)).toBe("stored!");
});

test("where onError is not given or throws itself, nothing breaks", async () => {
  const console = vi.spyOn(globalThis.console, "error").mockImplementation(() => {
    throw new Error("even that");
  });
  const offline = await new Browser().tab().open({ onError: undefined as never });
  offline.on("saved", () => {
    throw new Error("of the application");
  });
  type(offline.doc, "a");
  await offline.whenSaved();
  expect(console).toHaveBeenCalled();
  console.mockRestore();
});

test("without IndexedDB the document works in memory", async () => {
  const offline = await new Browser().tab().open({ environment: { indexedDB: null } });
  expect(offline.state).toBe("unavailable");
  expect(offline.error?.code).toBe("unsupported");
  type(offline.doc, "a");
  expect(offline.saved).toMatchObject({ state: "unavailable", unsaved: 1 });
  await expect(offline.staleCopies()).rejects.toMatchObject({ code: "unsupported" });
  await expect(offline.clear()).rejects.toMatchObject({ code: "unsupported" });
  await offline.destroy();
  expect(offline.state).toBe("closed");
});

test("private windows, whose IndexedDB refuses, are told as such", async () => {
  for (const name of ["SecurityError", "InvalidStateError"]) {
    const indexedDB = {
      open: () => {
        throw new DOMException("not here", name);
      },
    };
    const offline = await new Browser().tab().open({ environment: { indexedDB } });
    expect(offline.error?.code).toBe("unsupported");
  }
});

test("a database that does not open in time is given up, and closed when it opens at last", async () => {
  const browser = new Browser();
  const tab = browser.tab();
  let arrive: (() => void) | undefined;
  const request = { result: { close: vi.fn() } } as unknown as IDBOpenDBRequest;
  const indexedDB = {
    open: () => {
      arrive = () => request.onsuccess?.(new Event("success"));
      return request;
    },
  };
  const opening = tab.open({ environment: { indexedDB } });
  await settled();
  browser.clock.advance(OPEN_MS_MAX);
  const offline = await opening;
  expect(offline.error?.code).toBe("blocked");
  arrive?.();
  expect(request.result.close).toHaveBeenCalled();
});

test("a tab that needs a newer database is not held up", async () => {
  const browser = new Browser();
  const offline = await browser.tab().open();
  const newer = browser.indexedDB.open("roomtone-offline", 2);
  await new Promise((resolve) => newer.addEventListener("success", resolve));
  expect(offline.state).toBe("unavailable");
  expect(offline.error?.code).toBe("version_change");
  const late = await browser.tab().open();
  expect(late.error?.code).toBe("outdated");
});

test("a database that the browser takes away is told, and the document goes on in memory", async () => {
  const tab = new Browser().tab();
  const offline = await tab.open();
  const [database] = tab.databases;
  database?.onclose?.(new Event("close"));
  expect(offline.state).toBe("unavailable");
  expect(offline.error?.code).toBe("closed");
  type(offline.doc, "a");
  expect(offline.saved).toMatchObject({ state: "unavailable", unsaved: 1 });
});

test("destroy writes what is left, and gives everything back", async () => {
  const browser = new Browser();
  const tab = browser.tab();
  const offline = await tab.open();
  let destroyed = false;
  offline.doc.on("destroy", () => {
    destroyed = true;
  });
  type(offline.doc, "a");
  await offline.destroy();
  expect(offline.state).toBe("closed");
  expect(offline.saved.state).toBe("unavailable");
  expect(destroyed).toBe(true);
  expect(tab.channels.size).toBe(0);
  expect(browser.clock.timers.size).toBe(0);
  await expect(offline.whenSaved()).rejects.toMatchObject({ code: "closed" });
  await offline.destroy();
  expect(await stored(browser)).toBe("a");
});

test("destroy leaves a document that was given as it is, and follows it no longer", async () => {
  const browser = new Browser();
  const doc = new Y.Doc();
  const offline = await browser.tab().open({ doc });
  type(doc, "a");
  await offline.destroy();
  type(doc, "b");
  expect(doc.isDestroyed).toBe(false);
  expect(await stored(browser)).toBe("a");
});

test("a document that is destroyed takes its keeper along", async () => {
  const browser = new Browser();
  const offline = await browser.tab().open();
  type(offline.doc, "a");
  offline.doc.destroy();
  await until(() => offline.state === "closed");
  expect(await stored(browser)).toBe("a");
});

test("clear forgets the document, and writes nothing more of it", async () => {
  const browser = new Browser();
  const offline = await browser.tab().open();
  type(offline.doc, "secret");
  await offline.whenSaved();
  await offline.clear();
  type(offline.doc, "more");
  expect(offline.state).toBe("closed");
  expect(offline.saved.state).toBe("unavailable");
  expect(await rows(browser)).toEqual([]);
  expect(await stored(browser)).toBe("");
});

test("damaged rows are reported and kept, and the rest is used", async () => {
  const browser = new Browser();
  const first = await browser.tab().open();
  const other = docWith("first ");
  Y.applyUpdate(first.doc, Y.encodeStateAsUpdate(other));
  await first.whenSaved();
  Y.applyUpdate(first.doc, Y.encodeStateAsUpdate(docWith("second")));
  await first.destroy();
  const [damaged] = await rows(browser);
  const request = browser.indexedDB.open("roomtone-offline");
  await new Promise((resolve) => request.addEventListener("success", resolve));
  const transaction = request.result.transaction("rows", "readwrite");
  transaction.objectStore("rows").put({ ...damaged, bytes: new Uint8Array([9, 9, 9]) });
  await new Promise((resolve) => transaction.addEventListener("complete", resolve));
  request.result.close();

  const tab = browser.tab();
  const offline = await tab.open();
  expect(text(offline.doc)).toBe("second");
  expect((tab.errors[0] as OfflineError).code).toBe("corrupt");
  for (let i = 0; i < TAIL_ROWS_MAX; i++) {
    type(offline.doc, "x");
    await offline.whenSaved();
  }
  expect((await rows(browser)).map(({ number, kind }) => [number, kind])).toEqual([
    [1, "update"],
    [expect.any(Number), "snapshot"],
  ]);
});

test("options that are wrong are told at once", async () => {
  const tab = new Browser().tab();
  await expect(tab.open({ name: "" })).rejects.toMatchObject({ code: "options" });
  const offline = await tab.open();
  for (const epoch of [0, -1, 1.5, Number.NaN]) {
    await expect(offline.setEpoch(epoch)).rejects.toMatchObject({ code: "options" });
  }
});
