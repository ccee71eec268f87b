// What the tests of the page share: visitors with windows of their own (../../testing has the server and the browser).
// ROOMTONE_SCREENSHOTS names a folder for pictures of the page.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { launchBrowser, Server, until, WAIT_MS_MAX } from "../../testing/browser.mjs";

export const SCREENSHOTS = process.env.ROOMTONE_SCREENSHOTS;

export const DESKTOP = { viewport: { width: 1360, height: 860 } };
export const PHONE = {
  viewport: { width: 390, height: 844 },
  deviceScaleFactor: 2,
  isMobile: true,
  hasTouch: true,
};

/** Somebody with a browser window of their own. */
export class Visitor {
  /** What went wrong in the page, other than what the test expects. */
  problems = [];
  /** Where the page may ask for anything. */
  origins = new Set([server.url]);
  /** Whether the server is meant to be away. */
  outage = false;

  static async create(options = DESKTOP) {
    const context = await browser.newContext({
      ...options,
      colorScheme: options.colorScheme ?? "light",
    });
    context.setDefaultTimeout(WAIT_MS_MAX);
    const visitor = new Visitor();
    await visitor.open(context);
    visitors.push(visitor);
    return visitor;
  }

  /** The same browser, in another tab: it shares what the device keeps. */
  async tab() {
    const visitor = new Visitor();
    await visitor.open(this.context);
    visitors.push(visitor);
    return visitor;
  }

  /** A new tab in the place of the one that was there. */
  async open(context = this.context) {
    this.context = context;
    const page = await context.newPage();
    this.page = page;
    page.on("pageerror", (error) => this.problems.push(String(error)));
    page.on("dialog", (dialog) => {
      this.problems.push(`dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on("console", (message) => {
      // A policy violation is an error on the console too.
      if (message.type() !== "error" && message.type() !== "warning") return;
      if (this.outage && /WebSocket connection|ERR_CONNECTION|status of 426/.test(message.text()))
        return;
      this.problems.push(message.text());
    });
    page.on("request", (request) => {
      const { protocol, origin } = new URL(request.url());
      if (protocol !== "data:" && !this.origins.has(origin))
        this.problems.push(`asked ${request.url()}`);
    });
  }

  /** `url`: where the page is, if not at the server itself. */
  async join(room, name, url = server.url) {
    this.origins.add(url);
    await this.page.goto(url);
    await this.get("join-room").fill(room);
    await this.get("join-name").fill(name);
    await this.get("join-button").click();
    await this.connected();
  }

  /** By the panel of the simulated network, which is closed again. */
  async switchOff() {
    await this.#switchNetwork();
    await this.state("connection", "disconnected");
  }

  async switchOn() {
    await this.#switchNetwork();
    await this.connected();
  }

  async #switchNetwork() {
    await this.get("network-button").click();
    await this.get("network-offline").click();
    await this.page.keyboard.press("Escape");
  }

  get(id) {
    return this.page.getByTestId(id);
  }

  connected() {
    return this.state("connection", "connected");
  }

  saved() {
    return this.state("saved", "saved");
  }

  state(id, state) {
    return this.page.locator(`[data-testid="${id}"][data-state="${state}"]`).waitFor();
  }

  /** Waits until the element's text contains this. */
  sees(id, text) {
    return until(`${id} shows ${text}`, async () =>
      (await this.get(id).allTextContents()).some((shown) => shown.includes(text)),
    );
  }

  async type(id, text) {
    await this.get(id).focus();
    await this.page.keyboard.press("Control+End");
    await this.page.keyboard.type(text);
  }

  /** The text of the document, without the names at the carets of others. */
  words() {
    return this.get("editor").evaluate((editor) => {
      const copy = editor.cloneNode(true);
      for (const caret of copy.querySelectorAll("[data-testid=caret]")) caret.remove();
      return copy.textContent.replaceAll("\u2060", "");
    });
  }

  async close() {
    await this.context.close();
    assert.deepEqual(this.problems, [], "the page had problems");
  }
}

export { until };

let browser;
export let server;
export let visitors = [];
let rooms = 0;

export function newRoom() {
  rooms += 1;
  return `test-room-${rooms}`;
}

before(async () => {
  server = await Server.create();
  await server.start();
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await server?.remove();
});

/** A test whose visitors go home at its end, and must have had no problems. */
export function visit(name, run, options = {}) {
  test(name, { timeout: 4 * WAIT_MS_MAX, ...options }, async () => {
    visitors = [];
    // A test before this one may have failed while the server was away.
    await server.start();
    await run();
    for (const visitor of visitors) await visitor.close();
  });
}

/** People in one room, each with a browser of their own. */
export async function together(room, ...names) {
  const people = [];
  for (const name of names) {
    const visitor = await Visitor.create();
    await visitor.join(room, name);
    people.push(visitor);
  }
  return people;
}

/** Takes a picture of the window, into the folder for them. */
export async function picture(visitor, name) {
  await mkdir(SCREENSHOTS, { recursive: true });
  await visitor.page.screenshot({
    path: join(SCREENSHOTS, `playground-${name}.png`),
    animations: "disabled",
  });
}

/** Nothing scrolls sideways, and what is meant for fingers is 40 px or more. */
export async function fits(page) {
  const { wide, small } = await page.evaluate(() => {
    const root = document.documentElement;
    const scrollers = [
      root,
      document.body,
      ...document.querySelectorAll(".scroll, .cm-scroller, .join"),
    ];
    return {
      wide: scrollers
        .filter((element) => element.scrollWidth > element.clientWidth)
        .map((element) => `${element.className}: ${element.scrollWidth} > ${element.clientWidth}`),
      small: [...document.querySelectorAll("button, input")]
        .filter((element) => element.checkVisibility())
        .filter((element) => {
          const { width, height } = element.getBoundingClientRect();
          return width < 40 || height < 40;
        })
        .map((element) => element.outerHTML.slice(0, 80)),
    };
  });
  assert.deepEqual(wide, [], "scrolls sideways");
  assert.deepEqual(small, [], "smaller than a finger");
}
