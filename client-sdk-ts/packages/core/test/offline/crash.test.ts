// Tabs that edit, come, go and crash in any order: what was reported saved is there, once, whatever happened.

import { expect, test, vi } from "vitest";
import type { Offline, OfflineOptions } from "../../src/offline/index.js";
import { HANDED_MS_MAX } from "../../src/offline/journal.js";
import { settled } from "../fakes.js";
import { Browser, seeded, type Tab, text, until } from "./fakes.js";

// Snapshots are made all the time, or these tests would never meet one.
vi.mock("../../src/offline/store.js", async (original) => ({
  ...(await original<typeof import("../../src/offline/store.js")>()),
  isLong: ({ tailRows }: { tailRows: number }) => tailRows > 4,
}));

const ROUNDS = 60;
const STEPS = 40;
const TABS_MAX = 3;

interface Open {
  readonly tab: Tab;
  readonly offline: Offline;
  /** What was deleted in this tab. */
  readonly removed: Set<string>;
}

/** What must be on the disk, by what tabs have reported. */
class Promised {
  readonly #written: Set<string>;
  readonly #deleted: Set<string>;
  /** Deleted by anybody, whether that was reported saved or not. */
  readonly #touched: Set<string>;

  constructor(
    written: Iterable<string> = [],
    deleted: Iterable<string> = [],
    touched = new Set<string>(),
  ) {
    this.#written = new Set(written);
    this.#deleted = new Set(deleted);
    this.#touched = touched;
  }

  /**
   * What is promised now. A tab that opens owes no more: while it deciphers what it has read, others write and say so, and
   * it hears of that a little later.
   */
  soFar(): Promised {
    return new Promised(this.#written, this.#deleted, this.#touched);
  }

  /** A tab that says "saved" vouches for all that it shows, and for all that it deleted. */
  record({ offline, removed }: Open): void {
    for (const word of removed) this.#touched.add(word);
    if (offline.saved.state !== "saved") return;
    for (const word of words(offline)) this.#written.add(word);
    for (const word of removed) this.#deleted.add(word);
  }

  check(found: string[]): void {
    expect(new Set(found).size).toBe(found.length);
    const missing = [...this.#written].filter((word) => !found.includes(word));
    expect(missing.filter((word) => !this.#touched.has(word))).toEqual([]);
    expect(found.filter((word) => this.#deleted.has(word))).toEqual([]);
  }
}

function words(offline: Offline): string[] {
  return text(offline.doc)
    .split(/(?=<)/)
    .filter((word) => word !== "");
}

function pick<Item>(items: readonly Item[], random: () => number): Item | undefined {
  return items[Math.floor(random() * items.length)];
}

async function round(seed: number, options: Partial<OfflineOptions>): Promise<void> {
  const random = seeded(seed);
  const browser = new Browser(random);
  const promised = new Promised();
  const open: Open[] = [];
  let count = 0;

  const enter = async () => {
    const tab = browser.tab();
    const owed = promised.soFar();
    const offline = await tab.open(options);
    expect(offline.error).toBe(null);
    owed.check(words(offline));
    const entered = { tab, offline, removed: new Set<string>() };
    offline.on("saved", () => promised.record(entered));
    open.push(entered);
  };
  const leave = (one: Open) => open.splice(open.indexOf(one), 1);

  for (let step = 0; step < STEPS; step++) {
    const one = pick(open, random);
    const dice = random();
    if (one === undefined || (dice < 0.1 && open.length < TABS_MAX)) {
      await enter();
    } else if (dice < 0.6) {
      const shared = one.offline.doc.getText("text");
      const shown = words(one.offline);
      const at = Math.floor(random() * (shown.length + 1));
      shared.insert(shown.slice(0, at).join("").length, `<${count++}>`);
    } else if (dice < 0.68) {
      const shown = words(one.offline);
      const at = Math.floor(random() * shown.length);
      const word = shown[at];
      if (word !== undefined) {
        one.removed.add(word);
        one.offline.doc.getText("text").delete(shown.slice(0, at).join("").length, word.length);
      }
    } else if (dice < 0.76) {
      one.tab.crash();
      leave(one);
    } else if (dice < 0.82) {
      leave(one);
      await one.offline.destroy();
    } else if (dice < 0.86) {
      one.tab.frozen = !one.tab.frozen;
    } else if (dice < 0.9) {
      browser.clock.advance(HANDED_MS_MAX);
    } else {
      for (let turn = random() * 12; turn > 0; turn--) await settled();
    }
    for (let turn = random() * 6 - 3; turn > 0; turn--) await settled();
    for (const each of open) promised.record(each);
  }

  // Left in peace, all come to the same text, and all of it is saved. The second edit is for those who missed the word
  // of a tab that died: a number that is missing tells them.
  for (const { tab } of open) tab.frozen = false;
  if (open.length === 0) await enter();
  const areSaved = () => {
    browser.clock.advance(HANDED_MS_MAX / 10);
    return open.every(({ offline }) => offline.saved.state === "saved");
  };
  const areEqual = () =>
    new Set(open.map(({ offline }) => text(offline.doc))).size === 1 && areSaved();
  for (const isDone of [areSaved, areEqual]) {
    for (const { offline } of open) offline.doc.getText("text").insert(0, `<${count++}>`);
    for (let turn = 0; turn < 100; turn++) await settled();
    await until(isDone);
  }
  for (const one of open) promised.record(one);
  const [last] = open.map(({ offline }) => text(offline.doc));
  for (const { tab } of open) {
    expect(tab.errors).toEqual([]);
    tab.crash();
  }
  const offline = await browser.tab().open(options);
  promised.check(words(offline));
  expect(text(offline.doc)).toBe(last);
}

const VARIANTS: readonly (readonly [string, () => Promise<Partial<OfflineOptions>>])[] = [
  ["with a leader", async () => ({})],
  ["encrypted", async () => ({ key: await makeKey() })],
  ["without locks", async () => ({ environment: { locks: null } })],
];

for (const [name, makeOptions] of VARIANTS) {
  test(`${ROUNDS} rounds of edits, crashes and returns, ${name}`, { timeout: 60_000 }, async () => {
    const options = await makeOptions();
    for (let seed = 1; seed <= ROUNDS; seed++) {
      await round(seed, options).catch((error: unknown) => {
        throw new Error(`seed ${seed}: ${error}`, { cause: error });
      });
    }
  });
}

function makeKey(): Promise<CryptoKey> {
  return crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
}
