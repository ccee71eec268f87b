// How the tests run: in a page without a browser, with no network and no real clock. The core is taken from its sources,
// so that it need not be built first.
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const core = (file: string) => fileURLToPath(new URL(`../core/src/${file}`, import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      { find: /^@roomtone\/core\/wire$/, replacement: core("wire-entry.ts") },
      { find: /^@roomtone\/core$/, replacement: core("index.ts") },
    ],
    dedupe: ["yjs", "y-protocols", "lib0"],
  },
  test: {
    environment: "jsdom",
    include: ["test/**/*.test.ts"],
  },
});
