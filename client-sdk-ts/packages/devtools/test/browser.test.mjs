// The built package in a real browser, on a room of a real server, under a policy that lets no style in but sheets of the
// site. Needs ROOMTONE_BIN (the server), Chromium (CHROMIUM, or where Debian puts it) and the built packages.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { extname } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "vite";
import { launchBrowser, Server, until, WAIT_MS_MAX } from "../../../testing/browser.mjs";

const PAGE = fileURLToPath(new URL("page", import.meta.url));
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src http: ws:; base-uri 'none'";
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css" };
const TABS = ["Connection", "Messages", "People", "Document", "State", "Latency"];

let browser;
let server;
let site;
let origin;

before(async () => {
  const { output } = await build({
    root: PAGE,
    configFile: false,
    logLevel: "error",
    resolve: { dedupe: ["yjs", "y-protocols", "lib0"] },
    build: { write: false, target: "es2022", modulePreload: { polyfill: false } },
  });
  const files = new Map(output.map((file) => [`/${file.fileName}`, file.code ?? file.source]));
  site = createServer(({ url }, response) => {
    const { pathname } = new URL(url, "http://site");
    const path = pathname === "/" ? "/index.html" : pathname;
    response.setHeader("content-security-policy", POLICY);
    response.setHeader("content-type", TYPES[extname(path)] ?? "application/octet-stream");
    if (files.has(path)) response.end(files.get(path));
    else response.writeHead(404).end();
  });
  await new Promise((resolve) => site.listen(0, "127.0.0.1", resolve));
  origin = `http://127.0.0.1:${site.address().port}`;
  server = await Server.create("--allow-origin", origin);
  await server.start();
  browser = await launchBrowser();
});

after(async () => {
  await browser?.close();
  await server?.remove();
  site?.closeAllConnections();
  site?.close();
});

async function open(t, query, options = {}) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(WAIT_MS_MAX);
  const page = await context.newPage();
  const problems = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => {
    // What a server of ours says to a plain request for its socket: over HTTP it is asked whether it is there.
    if (query.transport === "http" && message.text().includes("status of 426")) return;
    if (["error", "warning"].includes(message.type())) problems.push(message.text());
  });
  t.after(async () => {
    await context.close();
    // A style or an address that the policy kept out is told here as well.
    assert.deepEqual(problems, [], `the page had problems: ${problems.join("; ")}`);
  });
  await page.goto(`${origin}/?${new URLSearchParams({ server: server.url, ...query })}`);
  await page.waitForFunction(() => window.room.synced && window.room.saved.unsaved === 0);
  return page;
}

const tab = (page, name) => page.getByRole("tab", { name, exact: true });

/** Edits one after the other, each when the last one is saved. */
function edit(page, count) {
  return page.evaluate(async (edits) => {
    const text = window.room.doc.getText("words");
    for (let i = 0; i < edits; i += 1) {
      text.insert(text.length, `word ${i} `);
      await window.room.whenSaved();
    }
  }, count);
}

test("all tabs, under a strict policy and at 320 px", { timeout: 4 * WAIT_MS_MAX }, async (t) => {
  const room = "devtools";
  const page = await open(t, { room }, { viewport: { width: 320, height: 640 } });
  const other = await open(t, { room });
  await other.evaluate(() => {
    window.room.awareness.setLocalState({
      user: { name: "<b>Grace</b>", color: "url(https://elsewhere.example/)" },
    });
    window.room.doc.getMap("notes").set("first", { title: "a ".repeat(200) });
    window.room.doc.getArray("list").insert(
      0,
      Array.from({ length: 5_000 }, (_, i) => i),
    );
  });
  await edit(page, 5);

  await tab(page, "Connection").focus();
  for (const name of TABS) {
    assert.equal(await tab(page, name).getAttribute("aria-selected"), "true");
    const shown = page.getByRole("tabpanel", { name, exact: true });
    await shown.waitFor();
    for (const summary of await shown.locator("summary").all()) await summary.click();
    const wide = await page.evaluate(() => {
      const inside = document.querySelector("roomtone-devtools").shadowRoot;
      const boxes = [
        ...inside.querySelectorAll(".devtools > *, .head *, .tab, .panel, .panel button"),
      ];
      const isWide = (each) =>
        each.getBoundingClientRect().right > innerWidth || each.scrollWidth > each.clientWidth + 1;
      const names = boxes.filter((each) => each.tagName !== "H1" && isWide(each));
      return names.map((each) => `${each.tagName} ${each.className} ${each.textContent}`);
    });
    assert.deepEqual(wide, [], `${name} is wider than the page`);
    await tab(page, name).focus();
    await page.keyboard.press("ArrowRight");
  }

  await tab(page, "People").click();
  await page.getByText("<b>Grace</b>").waitFor();
  await tab(page, "Document").click();
  await page.getByText("5,000 items").waitFor();
  await tab(page, "Messages").click();
  await page.getByRole("row", { name: /edit/ }).last().click();
  await page.getByRole("region", { name: "Selected message" }).getByText("seq").waitFor();
});

test("looks as it is meant to: none of the page's styles, both themes, a focus that is seen", async (t) => {
  const page = await open(t, { room: "looks" }, { colorScheme: "dark" });
  const looks = () =>
    page.evaluate(() => {
      const panel = document.querySelector("roomtone-devtools");
      const { colorScheme } = getComputedStyle(panel);
      const { backgroundColor } = getComputedStyle(panel.shadowRoot.querySelector(".devtools"));
      const { color, fontSize } = getComputedStyle(panel.shadowRoot.querySelector("h1"));
      return { backgroundColor, color, colorScheme, fontSize };
    });
  const dark = await looks();
  assert.equal(dark.colorScheme, "dark");
  assert.equal(dark.fontSize, "13px");
  await page.locator("roomtone-devtools").evaluate((panel) => panel.setAttribute("theme", "light"));
  const light = await looks();
  assert.equal(light.colorScheme, "light");
  assert.notEqual(light.backgroundColor, dark.backgroundColor);
  await page.emulateMedia({ colorScheme: "light" });
  await page.locator("roomtone-devtools").evaluate((panel) => panel.setAttribute("theme", "dark"));
  assert.deepEqual(await looks(), dark);
  for (const { color } of [dark, light]) assert.notEqual(color, "rgb(255, 0, 0)");

  await tab(page, "Connection").focus();
  await page.keyboard.press("ArrowRight");
  const outline = await tab(page, "Messages").evaluate(
    (each) => getComputedStyle(each).outlineStyle,
  );
  assert.equal(outline, "solid");
});

test("latencies of a real server, over a socket and over HTTP", async (t) => {
  for (const transport of ["websocket", "http"]) {
    const page = await open(t, { room: `latency-${transport}`, transport });
    await edit(page, 10);
    const label = transport === "http" ? "HTTP" : "WebSocket";
    await page.getByText(label, { exact: true }).first().waitFor();
    await tab(page, "Latency").click();
    const saved = page.getByRole("row", { name: /^Saved/ });
    await until("ten edits are measured", async () => {
      const [, count, last] = (await saved.innerText()).split(/\t/);
      return Number(count) >= 10 && /\d ms|\d s/.test(last ?? "");
    });
    const ping = page.getByRole("button", { name: "Send a ping" });
    assert.equal(await ping.isDisabled(), transport === "http");
    if (transport === "http") continue;
    await ping.click();
    await page.getByRole("row", { name: /^Ping 1/ }).waitFor();
    assert.equal(await page.evaluate(() => window.room.status), "connected");
  }
});
