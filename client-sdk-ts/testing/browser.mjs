// What the tests in a real browser share: a server, Chromium, and patience.
// Needs ROOMTONE_BIN (the server) and Chromium (CHROMIUM, or where Debian puts it).

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const BIN = process.env.ROOMTONE_BIN;
const CHROMIUM = process.env.CHROMIUM ?? "/usr/bin/chromium";

/** The longest that anything may take. */
export const WAIT_MS_MAX = 30_000;

/** A server of the test's own, on a free port and in a private folder. */
export class Server {
  #child = null;
  #args;

  static async create(...args) {
    assert.ok(BIN, "Set ROOMTONE_BIN to the server's binary, for example target/debug/roomtone");
    assert.ok(existsSync(BIN), `There is no server at ROOMTONE_BIN=${BIN}`);
    const server = new Server();
    const port = await freePort();
    server.data = await mkdtemp(join(tmpdir(), "roomtone-browser-"));
    server.url = `http://127.0.0.1:${port}`;
    server.#args = ["--listen", `127.0.0.1:${port}`, "--data", server.data, "--open", ...args];
    return server;
  }

  async start() {
    if (this.#child !== null) return;
    const child = spawn(BIN, ["serve", ...this.#args], { stdio: ["ignore", "ignore", "inherit"] });
    const ended = new Promise((resolve) => child.once("exit", resolve));
    this.#child = { child, ended };
    await until("the server answers", async () => {
      assert.equal(child.exitCode, null, "the server ended");
      return fetch(this.url).then(
        (response) => response.ok,
        () => false,
      );
    });
  }

  /** As a power cut would. */
  async kill() {
    if (this.#child === null) return;
    const { child, ended } = this.#child;
    this.#child = null;
    child.kill("SIGKILL");
    await ended;
  }

  /** Kills it, and forgets what it stored. */
  async remove() {
    await this.kill();
    await rm(this.data, { recursive: true, force: true });
  }
}

export function launchBrowser() {
  assert.ok(existsSync(CHROMIUM), `There is no browser at CHROMIUM=${CHROMIUM}`);
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

/** Waits until the condition holds. `what` may be a function, for what is known only when it was in vain. */
export async function until(what, condition) {
  const deadline = Date.now() + WAIT_MS_MAX;
  for (;;) {
    if (await condition()) return;
    assert.ok(
      Date.now() < deadline,
      `waited too long: ${typeof what === "function" ? what() : what}`,
    );
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}
