// How the tests run that need no browser: in plain node, with no network, and with the SDK's sources, so that nothing has
// to be built before.
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const core = (file: string) =>
  fileURLToPath(new URL(`../packages/core/src/${file}`, import.meta.url));

export default defineConfig({
  resolve: {
    alias: [
      { find: /^@roomtone\/core\/(\w+)$/, replacement: core("$1/index.ts") },
      { find: /^@roomtone\/core$/, replacement: core("index.ts") },
    ],
    dedupe: ["yjs", "y-protocols", "lib0"],
  },
  test: { environment: "node", include: ["test/**/*.test.ts"] },
});
