// What the package weighs in a page: minified and gzipped, beside yjs and lib0, which the page has anyway. Fails over
// the bar.

import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "vite";

const GZIP_BYTES_MAX = 14_000;

const [output] = await build({
  configFile: false,
  logLevel: "error",
  root: fileURLToPath(new URL("..", import.meta.url)),
  build: {
    lib: { entry: "src/index.ts", formats: ["es"] },
    target: "es2022",
    // A library keeps its white space, for others to minify. Here is what they make of it.
    minify: true,
    write: false,
    rolldownOptions: {
      external: /^(yjs|lib0)(\/|$)/,
      output: { minify: true },
    },
  },
});

const code = output.output.map((chunk) => chunk.code ?? "").join("");
const gzipBytes = gzipSync(code, { level: 9 }).length;
console.log(
  `core: ${code.length} bytes minified, ${gzipBytes} gzipped; the bar is ${GZIP_BYTES_MAX}`,
);
if (gzipBytes > GZIP_BYTES_MAX) {
  console.error("The package has outgrown its bar.");
  process.exitCode = 1;
}
