// The page behind proxies that let no WebSocket pass: it goes over plain HTTP by itself, and says so.

import assert from "node:assert/strict";
import { createServer, request } from "node:http";
import { newRoom, server, until, Visitor, visit } from "./visitor.mjs";

/** What such proxies do with a request for an upgrade. */
const PROXIES = {
  "refuses it": (socket) => socket.end("HTTP/1.1 403 Forbidden\r\nconnection: close\r\n\r\n"),
  "never answers": () => {},
};

/** Marks that are timed, from the key to the other page. */
const MARKS_COUNT = 20;
const LATENCY_MS_MAX = 150;

async function proxyTo(origin, onUpgrade) {
  const proxy = createServer((incoming, outgoing) => {
    const { method, url, headers } = incoming;
    const passed = request(new URL(url, origin), { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    });
    passed.on("error", () => outgoing.destroy());
    outgoing.on("close", () => passed.destroy());
    incoming.pipe(passed);
  });
  proxy.on("upgrade", (_request, socket) => {
    socket.on("error", () => {});
    onUpgrade(socket);
  });
  await new Promise((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${proxy.address().port}`,
    close: () => {
      proxy.closeAllConnections();
      proxy.close();
    },
  };
}

for (const [what, onUpgrade] of Object.entries(PROXIES)) {
  visit(`behind a proxy that ${what}: edits, presence and chat over HTTP`, async () => {
    const proxy = await proxyTo(server.url, onUpgrade);
    try {
      const room = newRoom();
      const ada = await Visitor.create();
      // The browser reports each WebSocket that fails.
      ada.outage = true;
      await ada.join(room, "Ada", proxy.url);
      await ada.page.locator('[data-testid="connection"][data-transport="http"]').waitFor();
      const grace = await Visitor.create();
      await grace.join(room, "Grace");
      await ada.type("editor", "Through the wall.");
      await grace.sees("editor", "Through the wall.");
      await grace.sees("people", "Ada");
      await ada.sees("people", "Grace");
      await ada.saved();
      await ada.get("chat-button").click();
      await ada.get("chat-field").fill("Hello from behind");
      await ada.page.keyboard.press("Enter");
      await until("it is unread there", async () =>
        ((await grace.get("chat-button").getAttribute("aria-label")) ?? "").includes("1 unread"),
      );

      const tookMs = [];
      await grace.get("editor").focus();
      for (let n = 0; n < MARKS_COUNT; n += 1) {
        const arrives = ada.page.evaluate(
          (mark) =>
            new Promise((resolve) => {
              const editor = document.querySelector('[data-testid="editor"]');
              const look = () => {
                if (editor.textContent.includes(mark)) resolve(Date.now());
                else requestAnimationFrame(look);
              };
              look();
            }),
          `<${n}>`,
        );
        const sentMs = Date.now();
        await grace.page.keyboard.insertText(`<${n}>`);
        tookMs.push((await arrives) - sentMs);
      }
      tookMs.sort((a, b) => a - b);
      const p50 = tookMs[MARKS_COUNT / 2];
      console.log(`over HTTP, key to the other page: p50 ${p50} ms, max ${tookMs.at(-1)} ms`);
      assert.ok(p50 < LATENCY_MS_MAX, `${p50} ms`);
      for (const visitor of [ada, grace]) await visitor.close();
    } finally {
      proxy.close();
    }
  });
}
