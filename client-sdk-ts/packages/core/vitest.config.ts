// How the tests run: in plain node, with no network and no real clock.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    environment: "node",
    include: ["test/**/*.test.ts"],
    // The test of leaks measures the heap after a collection.
    execArgv: ["--expose-gc"],
  },
});
