// The README shows what is compiled.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const read = (...path: string[]) => readFileSync(join(import.meta.dirname, "..", ...path), "utf8");

test("the example in the README is the one that is compiled", () => {
  const [, ...code] = read("test", "example.ts").split("\n\n");
  expect(read("README.md")).toContain(`\`\`\`ts\n${code.join("\n\n")}\`\`\``);
});
