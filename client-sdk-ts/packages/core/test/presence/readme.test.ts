// The README shows what is compiled.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const read = (...path: string[]) => readFileSync(join(import.meta.dirname, ...path), "utf8");

test("the example in the README is the one in the file", () => {
  const readme = read("..", "..", "README.md");
  const [head = "", body] = read("example.ts").split("// The rest stands in the README.\n\n");
  const imports = /^import \{[^}]*\} from "@roomtone\/core\/presence";$/m.exec(head)?.[0];
  expect(readme).toContain(`\`\`\`ts\n${imports}\n\n${body}\`\`\``);
});
