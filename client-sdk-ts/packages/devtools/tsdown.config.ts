// How the package is built: the panel, and the recording alone for pages that open the panel only when it is asked for.
import { defineConfig } from "tsdown";

export default defineConfig({
  entry: {
    index: "src/index.ts",
    inspector: "src/inspector/index.ts",
  },
  format: ["esm", "cjs"],
  dts: true,
  platform: "neutral",
  target: "es2022",
  // The other configuration takes the core from its sources, because the tests share its fakes.
  tsconfig: "tsconfig.build.json",
  clean: true,
});
