// What is stored with a key: who has not the key has nothing, and who has another is told so.

import { expect, test } from "vitest";
import * as Y from "yjs";
import type { OfflineError } from "../../src/offline/index.js";
import { Browser, rows, stored, text, type } from "./fakes.js";

function makeKey(
  usages: KeyUsage[] = ["encrypt", "decrypt"],
  name = "AES-GCM",
): Promise<CryptoKey> {
  return crypto.subtle.generateKey({ name, length: 256 }, false, usages);
}

/** Changes a row on the disk, as somebody could who has the disk and not the key. */
async function tamper(browser: Browser, change: (row: Record<string, unknown>) => object) {
  const [row] = await rows(browser);
  const request = browser.indexedDB.open("roomtone-offline");
  await new Promise((resolve) => request.addEventListener("success", resolve));
  const transaction = request.result.transaction("rows", "readwrite");
  transaction.objectStore("rows").put(change(row ?? {}));
  await new Promise((resolve) => transaction.addEventListener("complete", resolve));
  request.result.close();
}

async function encrypted(): Promise<{ browser: Browser; key: CryptoKey }> {
  const browser = new Browser();
  const key = await makeKey();
  const offline = await browser.tab().open({ key });
  type(offline.doc, "a secret");
  await offline.whenSaved();
  type(offline.doc, ", and another");
  await offline.destroy();
  return { browser, key };
}

test("with the key everything is there, and without it nothing is on the disk", async () => {
  const { browser, key } = await encrypted();
  expect(await stored(browser, { key })).toBe("a secret, and another");
  const found = await rows(browser);
  const ivs = found.map(({ iv }) => iv as Uint8Array);
  expect(ivs.map((iv) => iv.byteLength)).toEqual([12, 12]);
  expect(ivs[0]).not.toEqual(ivs[1]);
  for (const { bytes } of found) {
    expect(new TextDecoder().decode(bytes as Uint8Array)).not.toMatch(/secret|another/);
  }
});

test("another key is told as such, and writes nothing", async () => {
  const { browser, key } = await encrypted();
  const offline = await browser.tab().open({ key: await makeKey() });
  expect(offline.error?.code).toBe("key_wrong");
  expect(text(offline.doc)).toBe("");
  type(offline.doc, "garbage");
  await offline.destroy();
  expect(await stored(browser, { key })).toBe("a secret, and another");
});

test("a wrong key is told even where nothing was written yet", async () => {
  const browser = new Browser();
  await (await browser.tab().open({ key: await makeKey() })).destroy();
  const offline = await browser.tab().open({ key: await makeKey() });
  expect(offline.error?.code).toBe("key_wrong");
});

test("a key that is missing, and one that was not used, are told apart", async () => {
  const { browser } = await encrypted();
  expect((await browser.tab().open()).error?.code).toBe("key_missing");
  const plain = new Browser();
  await (await plain.tab().open()).destroy();
  const offline = await plain.tab().open({ key: await makeKey() });
  expect(offline.error?.code).toBe("not_encrypted");
});

test("who has lost the key can clear the document, and begin again", async () => {
  const { browser } = await encrypted();
  const offline = await browser.tab().open({ key: await makeKey() });
  await offline.clear();
  expect(await rows(browser)).toEqual([]);
  const key = await makeKey();
  const again = await browser.tab().open({ key });
  expect(again.state).toBe("open");
});

test("what was stored without a key can be stored with one", async () => {
  const browser = new Browser();
  const doc = new Y.Doc();
  const plain = await browser.tab().open({ doc });
  type(doc, "old work");
  await plain.setEpoch(3);
  await plain.clear();
  const key = await makeKey();
  const offline = await browser.tab().open({ doc, key });
  await offline.setEpoch(plain.epoch);
  await offline.whenSaved();
  await offline.destroy();
  expect((await rows(browser)).every(({ iv }) => iv !== null)).toBe(true);
  expect(await stored(browser, { key })).toBe("old work");
});

test("rows that were changed, put in without the key or moved elsewhere do not open", async () => {
  const changes: ((row: Record<string, unknown>) => object)[] = [
    (row) => ({ ...row, bytes: (row.bytes as Uint8Array).map((byte) => byte ^ 1) }),
    (row) => ({ ...row, kind: "snapshot" }),
    (row) => ({ ...row, iv: null, bytes: Y.encodeStateAsUpdate(new Y.Doc()) }),
  ];
  for (const change of changes) {
    const { browser, key } = await encrypted();
    await tamper(browser, change);
    const tab = browser.tab();
    const offline = await tab.open({ key });
    expect(tab.errors.map((error) => (error as OfflineError).code)).toEqual(["corrupt"]);
    expect(text(offline.doc)).not.toContain("a secret");
    expect(offline.state).toBe("open");
  }
});

test("what was sealed for one room does not open in another", async () => {
  const { browser, key } = await encrypted();
  const mine = await rows(browser);
  const other = await browser.tab().open({ key, name: "other" });
  type(other.doc, "x");
  await other.destroy();
  const target = (await rows(browser)).find(({ lineage }) => lineage !== mine[0]?.lineage);
  await tamper(browser, () => ({ ...mine[0], lineage: target?.lineage, number: 9 }));
  const tab = browser.tab();
  const offline = await tab.open({ key, name: "other" });
  expect(text(offline.doc)).toBe("x");
  expect(tab.errors.map((error) => (error as OfflineError).code)).toEqual(["corrupt"]);
});

test("a key for something else is a mistake in the call", async () => {
  const tab = new Browser().tab();
  for (const key of [
    await makeKey(["encrypt"]),
    await makeKey(["encrypt", "decrypt"], "AES-CBC"),
  ]) {
    await expect(tab.open({ key })).rejects.toMatchObject({ code: "options" });
  }
});

test("with a key and no WebCrypto nothing is stored at all", async () => {
  const browser = new Browser();
  const key = await makeKey();
  for (const crypto of [null, { subtle: undefined }]) {
    const offline = await browser.tab().open({ key, environment: { crypto: crypto as null } });
    expect(offline.error?.code).toBe("unsupported");
    type(offline.doc, "secret");
  }
  expect(await rows(browser)).toEqual([]);
});

test("stale copies are encrypted with the same key", async () => {
  const { browser, key } = await encrypted();
  const tab = browser.tab();
  const offline = await tab.open({ key });
  await offline.setEpoch(1);
  await offline.replace(2);
  const [copy] = await offline.staleCopies();
  const doc = await copy?.load();
  expect(doc && text(doc)).toBe("a secret, and another");
  await tamper(browser, (row) => ({ ...row, bytes: new Uint8Array(40) }));
  const rest = await copy?.load();
  expect(rest && text(rest)).toBe("");
  expect(tab.errors.map((error) => (error as OfflineError).code)).toEqual(["key_wrong"]);
  const stranger = await browser.tab().open({ key: await makeKey() });
  const [closed] = await stranger.staleCopies();
  await expect(closed?.load()).rejects.toMatchObject({ code: "key_wrong" });
});
