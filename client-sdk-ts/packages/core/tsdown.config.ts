// How the package is built: an entry for each part, both module systems, types beside each.
import { defineConfig } from "tsdown";

export default defineConfig({
  entry: { index: "src/index.ts", offline: "src/offline/index.ts" },
  format: ["esm", "cjs"],
  dts: true,
  platform: "neutral",
  target: "es2022",
  clean: true,
});
