// Every editor in a real browser, on a room of a real server: two people write, see each other's carets, undo, and meet
// again after the server's death. Needs ROOMTONE_BIN (the server), Chromium (CHROMIUM, or where Debian puts it) and the
// built page.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { launchBrowser, Server, until, WAIT_MS_MAX } from "../../testing/browser.mjs";

const DIST = fileURLToPath(new URL("../dist", import.meta.url));

/** Each with what it shows where somebody else's caret is, and beside or inside of that the name. */
const EDITORS = {
  tiptap: { caret: ".collaboration-carets__caret", name: ".collaboration-carets__label" },
  codemirror: { caret: ".cm-ySelectionCaret", name: ".cm-ySelectionInfo" },
  lexical: { caret: ".caret", name: ".caret-name" },
  quill: { caret: ".ql-cursor-caret", name: ".ql-cursor-name" },
};

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };

/** The page's own origin, as an application has it: another one than the server's. */
class Site {
  static async create() {
    const site = new Site();
    site.http = createServer(async ({ url }, response) => {
      const { pathname } = new URL(url, "http://site");
      const path = join(DIST, pathname === "/" ? "index.html" : pathname);
      try {
        response.setHeader("content-type", TYPES[extname(path)] ?? "application/octet-stream");
        response.end(await readFile(path));
      } catch {
        response.writeHead(404).end();
      }
    });
    await new Promise((resolve) => site.http.listen(0, "127.0.0.1", resolve));
    site.origin = `http://127.0.0.1:${site.http.address().port}`;
    return site;
  }

  close() {
    this.http.closeAllConnections();
    this.http.close();
  }
}

/** Somebody with a browser window of their own. */
class Writer {
  /** What went wrong in the page, other than what the test expects. */
  problems = [];
  /** Whether the server is meant to be away. */
  outage = false;

  static async create(editor, room, name) {
    const writer = new Writer();
    writer.editor = editor;
    writer.context = await browser.newContext();
    writer.context.setDefaultTimeout(WAIT_MS_MAX);
    writer.page = await writer.context.newPage();
    writer.page.on("pageerror", (error) => writer.problems.push(String(error)));
    writer.page.on("console", (message) => {
      if (message.type() !== "error" && message.type() !== "warning") return;
      // The client asks by plain HTTP why there was no socket. A server that is back by then answers 426.
      const expected = /WebSocket connection|net::ERR_|status of 426/;
      if (writer.outage && expected.test(message.text())) return;
      writer.problems.push(message.text());
    });
    writers.push(writer);
    const query = new URLSearchParams({ editor, room, name, server: server.url });
    await writer.page.goto(`${site.origin}/?${query}`);
    await writer.synced();
    return writer;
  }

  synced() {
    return this.page.getByTestId("connection").getByText("synced", { exact: true }).waitFor();
  }

  saved() {
    return this.page.getByTestId("saved").getByText("saved", { exact: true }).waitFor();
  }

  /** Puts the caret behind this many letters. */
  async goTo(letters) {
    await this.page.getByTestId("editor").focus();
    await this.page.keyboard.press("Control+Home");
    for (let i = 0; i < letters; i += 1) await this.page.keyboard.press("ArrowRight");
  }

  async typeAt(letters, text) {
    await this.goTo(letters);
    await this.page.keyboard.type(text);
  }

  /** The text, without the names at the carets of others. */
  text() {
    return this.page.getByTestId("editor").evaluate((element, caret) => {
      const copy = element.cloneNode(true);
      for (const shown of copy.querySelectorAll(caret)) shown.remove();
      // Tiptap and CodeMirror put unseen letters beside a caret.
      return copy.textContent.replaceAll("\u2060", "");
    }, EDITORS[this.editor].caret);
  }

  /** Waits until this is the text, and the whole of it. */
  async shows(text) {
    let last;
    await until(
      () => `${this.editor} shows ${JSON.stringify(text)}, not ${JSON.stringify(last)}`,
      async () => {
        last = await this.text();
        return last === text;
      },
    );
  }

  /** Waits until the caret of this one is shown, with the name, in front of the letter with this number. */
  async seesCaret(name, letter) {
    const { caret, name: label } = EDITORS[this.editor];
    let last;
    await until(
      () => `${this.editor} shows ${name}'s caret at ${letter}: ${JSON.stringify(last)}`,
      async () => {
        last = await this.page.evaluate(placesOfCarets, { caret, label, letter });
        const [shown, more] = last.carets;
        return more === undefined && shown?.name === name && Math.abs(shown.left - last.left) < 4;
      },
    );
  }

  /** Presses until this is the text: how much one undo takes back depends on how fast was typed. */
  async pressUntil(keys, text) {
    await this.page.getByTestId("editor").focus();
    let last;
    await until(
      () => `${keys} in ${this.editor} makes ${JSON.stringify(text)}, not ${JSON.stringify(last)}`,
      async () => {
        last = await this.text();
        if (last === text) return true;
        await this.page.keyboard.press(keys);
        return false;
      },
    );
  }

  async close() {
    await this.context.close();
    assert.deepEqual(this.problems, [], `the page had problems: ${this.problems.join("; ")}`);
  }
}

let browser;
let server;
let site;
let writers = [];

before(async () => {
  assert.ok(existsSync(DIST), "The page is not built: npm run build -w @roomtone/editors");
  site = await Site.create();
  server = await Server.create("--allow-origin", site.origin);
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await server?.remove();
  site?.close();
});

for (const editor of Object.keys(EDITORS)) {
  test(`${editor} on a room as it is`, { timeout: 4 * WAIT_MS_MAX }, async () => {
    writers = [];
    // A test before this one may have failed while the server was away.
    await server.start();
    const room = `editors-${editor}`;
    const ada = await Writer.create(editor, room, "Ada");
    const grace = await Writer.create(editor, room, "Grace");

    // No letter is typed beside its like: bindings that compare texts could not tell which of the two is whose.
    await grace.typeAt(0, "Hello world");
    await ada.shows("Hello world");
    await ada.typeAt(6, "big round ");
    await grace.shows("Hello big round world");
    for (const letter of [16, 10]) {
      await ada.goTo(letter);
      await grace.seesCaret("Ada", letter);
    }
    await grace.typeAt(10, "old ");
    await ada.shows("Hello big old round world");

    // Undo takes back Ada's words and leaves those of Grace around and between them.
    await ada.pressUntil("Control+KeyZ", "Hello old world");
    await grace.shows("Hello old world");
    // There is no more to take back.
    for (let i = 0; i < 3; i += 1) await ada.page.keyboard.press("Control+KeyZ");
    await ada.shows("Hello old world");
    await ada.pressUntil("Control+Shift+KeyZ", "Hello big old round world");
    await grace.shows("Hello big old round world");
    for (const writer of [ada, grace]) await writer.saved();

    // Both write while the server is away, and are together again when it is back.
    for (const writer of [ada, grace]) writer.outage = true;
    await server.kill();
    await ada.typeAt(0, "A: ");
    await grace.typeAt(25, "!");
    await server.start();
    for (const writer of [ada, grace]) {
      await writer.synced();
      await writer.shows("A: Hello big old round world!");
      await writer.saved();
      writer.outage = false;
    }
    await ada.typeAt(3, "x");
    await grace.shows("A: xHello big old round world!");
    await ada.saved();

    // What was shown as saved is there for somebody who comes after the next restart.
    for (const writer of writers) await writer.close();
    await server.kill();
    await server.start();
    writers = [];
    const late = await Writer.create(editor, room, "Late");
    await late.shows("A: xHello big old round world!");
    await late.close();
  });
}

/** In the page: the left edges of that letter and of every caret, in pixels, with the names at the carets. */
function placesOfCarets({ caret, label, letter }) {
  const editor = document.querySelector("[data-testid=editor]");
  const walker = document.createTreeWalker(editor, NodeFilter.SHOW_TEXT);
  let left;
  let before = 0;
  for (
    let node = walker.nextNode();
    node !== null && left === undefined;
    node = walker.nextNode()
  ) {
    if (node.parentElement.closest(caret) !== null || node.data === "\u2060") continue;
    if (letter < before + node.length) {
      const range = document.createRange();
      range.setStart(node, letter - before);
      range.setEnd(node, letter - before + 1);
      left = range.getBoundingClientRect().left;
    }
    before += node.length;
  }
  const names = [...document.querySelectorAll(label)].map((element) => element.textContent);
  const carets = [...document.querySelectorAll(caret)].map((element, index) => ({
    left: element.getBoundingClientRect().left,
    name: names[index],
  }));
  return { left, carets };
}
