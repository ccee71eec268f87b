// How the package is built: an entry for each thing one may leave out, both module systems, types beside each.
import { defineConfig } from "tsdown";

export default defineConfig({
  entry: {
    index: "src/index.ts",
    chat: "src/chat/index.ts",
    offline: "src/offline/index.ts",
    presence: "src/presence/index.ts",
    wire: "src/wire-entry.ts",
  },
  format: ["esm", "cjs"],
  dts: true,
  platform: "neutral",
  target: "es2022",
  clean: true,
});
