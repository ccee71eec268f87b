// How the tests run that need no browser: in plain node, with no network and no real clock.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { environment: "node", include: ["test/**/*.test.ts"] },
});
