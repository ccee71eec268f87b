// The documentation shows what is compiled.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const read = (...path: string[]) => readFileSync(join(import.meta.dirname, ...path), "utf8");

test("the example in the documentation is the one in the file", () => {
  const [, body] = read("example.ts").split("// The rest stands in the documentation.\n\n");
  const page = read("..", "..", "docs", "chat.md");
  expect(page).toContain(`import { ChatError, chat } from "@roomtone/core/chat";\n\n${body}\`\`\``);
});
