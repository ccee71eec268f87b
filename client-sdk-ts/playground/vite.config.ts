// How the page is built: relative addresses, because a server may mount it below any path, and every asset a file
// of its own, because the page's policy (CSP) lets nothing in but files and images.
import { defineConfig } from "vite";

export default defineConfig({
  base: "./",
  resolve: {
    // Two copies of yjs would not know each other's types.
    dedupe: ["yjs", "y-protocols", "lib0"],
  },
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    // One page and one bundle: the editors are needed at once.
    chunkSizeWarningLimit: 1500,
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: { "/v1": { target: "ws://127.0.0.1:4000", ws: true } },
  },
});
