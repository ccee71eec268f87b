// How the package is built: one entry, both module systems, types beside each.
import { defineConfig } from "tsdown";

export default defineConfig({
  entry: ["src/index.ts"],
  format: ["esm", "cjs"],
  dts: true,
  platform: "neutral",
  target: "es2022",
  // The other configuration takes the core from its sources, because the tests share its fakes.
  tsconfig: "tsconfig.build.json",
  clean: true,
  // Frameworks that render on a server take everything here for the browser's side.
  banner: { js: '"use client";' },
});
