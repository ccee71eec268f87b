// Type-checks the TypeScript in the documents: every fence marked `ts` or `tsx` is a module of its own.
//
// What the fences of a document take for granted, such as a room that was opened elsewhere, it declares once for all of
// them, in a comment that readers do not see:
//
//   <!-- assume
//   declare const room: import("@roomtone/core").Room;
//   -->
//
// A fence that declares the same name itself means its own.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const SDK = fileURLToPath(new URL("..", import.meta.url));
const ROOT = join(SDK, "..");

/** Every Markdown file of these folders is checked, and each of the files. */
const FOLDERS = [
  join(ROOT, "docs", "guides"),
  ...packages("docs").filter((folder) => existsSync(folder)),
];
const FILES = [join(ROOT, "README.md"), join(SDK, "README.md"), ...packages("README.md")];

const EXTENSIONS = { ts: ".ts", tsx: ".tsx" };
/** Other names for what could be written as TypeScript. */
const UNCHECKED = ["js", "jsx", "javascript", "mjs", "typescript"];

const options = readOptions();
/** What all documents share is parsed once. */
const parsed = new Map();

let fenceCount = 0;
let problemCount = 0;
const documents = [...FILES, ...FOLDERS.flatMap(markdownIn)];
for (const path of documents) check(path);
console.log(`${fenceCount} snippets in ${documents.length} documents, ${problemCount} problems`);
if (problemCount > 0) process.exitCode = 1;

function check(path) {
  const modules = modulesOf(path);
  if (modules.length === 0) return;
  fenceCount += modules.filter(({ isFence }) => isFence).length;
  const files = new Map(
    modules.map(({ line, extension, text }) => [join(SDK, `snippet-${line}${extension}`), text]),
  );
  const program = ts.createProgram([...files.keys()], options, hostWith(files));
  for (const name of files.keys()) {
    const file = program.getSourceFile(name);
    const problems = [
      ...program.getSyntacticDiagnostics(file),
      ...program.getSemanticDiagnostics(file),
    ].filter((problem) => !problem.reportsUnnecessary || isImport(file, problem.start));
    for (const { start, messageText } of problems) {
      const { line, character } = file.getLineAndCharacterOfPosition(start);
      const message = ts.flattenDiagnosticMessageText(messageText, "\n");
      report(path, `${line + 1}:${character + 1}`, message);
    }
  }
}

function report(path, place, message) {
  problemCount += 1;
  console.error(`${relative(ROOT, path)}:${place}: ${message}`);
}

/** A snippet may declare what it does not use, but not import it. */
function isImport(file, position) {
  const within = ({ pos, end }) => pos <= position && position < end;
  return file.statements.some((each) => ts.isImportDeclaration(each) && within(each));
}

/** The fences and assumptions of a document, each on the lines where it stands there, with empty ones before it. */
function modulesOf(path) {
  const modules = [];
  let open = null;
  for (const [index, text] of readFileSync(path, "utf8").split("\n").entries()) {
    const line = index + 1;
    if (open === null) {
      open = openingOf(text);
      if (open === null) continue;
      modules.push({ ...open, line, text: "\n".repeat(line) });
      if (UNCHECKED.includes(open.language)) report(path, line, "write `ts`: this is not checked");
    } else if (text.trim() === open.end) {
      // Without an import or export it would be no module, and what it declares everybody's.
      if (open.isFence) modules.at(-1).text += "export {};\n";
      open = null;
    } else {
      modules.at(-1).text += `${text}\n`;
    }
  }
  if (open !== null) report(path, modules.at(-1).line, "nothing closes this");
  return modules.filter(({ extension }) => extension !== undefined);
}

function openingOf(text) {
  if (text.trim() === "<!-- assume") return { isFence: false, extension: ".ts", end: "-->" };
  const fence = /^\s*```(\w*)/.exec(text);
  if (fence === null) return null;
  const [, language] = fence;
  return { isFence: true, language, extension: EXTENSIONS[language], end: "```" };
}

/** A compiler's view of the disk, with these files on it as well. */
function hostWith(files) {
  const host = ts.createCompilerHost(options);
  return {
    ...host,
    fileExists: (name) => files.has(name) || host.fileExists(name),
    readFile: (name) => files.get(name) ?? host.readFile(name),
    getSourceFile(name, ...rest) {
      const text = files.get(name);
      if (text !== undefined) return ts.createSourceFile(name, text, ...rest);
      if (!parsed.has(name)) parsed.set(name, host.getSourceFile(name, ...rest));
      return parsed.get(name);
    },
  };
}

function readOptions() {
  const path = join(SDK, "tsconfig.docs.json");
  const { config, error } = ts.readConfigFile(path, ts.sys.readFile);
  if (error !== undefined)
    throw new Error(ts.flattenDiagnosticMessageText(error.messageText, "\n"));
  return ts.parseJsonConfigFileContent(config, ts.sys, SDK, {}, path).options;
}

/** A path in every package. */
function packages(path) {
  const folder = join(SDK, "packages");
  return readdirSync(folder).map((name) => join(folder, name, path));
}

function markdownIn(folder) {
  const names = readdirSync(folder).filter((name) => name.endsWith(".md"));
  return names.sort().map((name) => join(folder, name));
}
