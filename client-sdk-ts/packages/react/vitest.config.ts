// How the tests run: in a page without a browser, with no network and no real clock. The core is taken from its sources,
// so that it need not be built first.
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const core = (file: string) => fileURLToPath(new URL(`../core/src/${file}`, import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      { find: /^@roomtone\/core\/chat$/, replacement: core("chat/index.ts") },
      { find: /^@roomtone\/core\/presence$/, replacement: core("presence/index.ts") },
      { find: /^@roomtone\/core$/, replacement: core("index.ts") },
    ],
    dedupe: ["yjs", "y-protocols", "lib0", "react", "react-dom"],
  },
  test: {
    environment: "jsdom",
    include: ["test/**/*.test.{ts,tsx}"],
    setupFiles: ["test/setup.ts"],
  },
});
