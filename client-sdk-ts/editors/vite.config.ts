// How the page is built: every editor a chunk of its own, of which one is loaded.
import { defineConfig } from "vite";

export default defineConfig({
  base: "./",
  resolve: {
    // Two copies of yjs would not know each other's types.
    dedupe: ["yjs", "y-protocols", "lib0"],
  },
  build: {
    target: "es2022",
    modulePreload: { polyfill: false },
  },
});
