/**
 * Write `docs/protocol.md` out of `docs/protocol.template.md` and the headers of the source: `npm run docs`.
 *
 * The byte tables live in the files that encode them. The template holds only the prose between them, and names each table
 * on a line of its own:
 *
 * | line | becomes |
 * |---|---|
 * | `{{src/entry/codec.ts}}` | the first docstring of that file, with its path |
 * | `{{server/src/push.ts#pushCommits}}` | the docstring of that export |
 * | `{{code src/entry/entry.ts#entryLimits}}` | the declaration itself: a table of constants |
 */
import { readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { fromRoot } from "../build/paths.mjs";

export const templatePath = "docs/protocol.template.md";
export const protocolPath = "docs/protocol.md";

const directive = /^\{\{(code )?([\w./-]+)(?:#(\w+))?\}\}$/;

/**
 * Put the source's own tables into a template.
 *
 * @param {string} template
 * @param {(path: string) => string} read gives a file of the repository
 * @returns {string}
 * @throws when the template names a file, a docstring or a constant that is not there
 */
export function renderProtocol(template, read) {
  const lines = template.split("\n").map((line) => {
    const [, code, path, name] = directive.exec(line) ?? [];
    if (path === undefined) {
      if (line.startsWith("{{")) throw new Error(`The template has a line that says nothing: ${line}`);
      return line;
    }
    const source = read(path);
    const origin = `*From [\`${path}\`](../${path}):*`;
    if (code === undefined) return `${origin}\n\n${docstringOf(source, path, name)}`;
    if (name === undefined) throw new Error(`The template wants code of ${path} and does not say which`);
    return `${origin}\n\n\`\`\`ts\n${declarationOf(source, path, name)}\n\`\`\``;
  });
  return lines.join("\n");
}

/**
 * The text of a docstring: the first one of a file, or the one above an export.
 *
 * @param {string} source
 * @param {string} path
 * @param {string | undefined} name
 */
function docstringOf(source, path, name) {
  const end = name === undefined ? source.length : exportAt(source, path, name);
  const before = source.slice(0, end);
  const start = name === undefined ? before.indexOf("/**") : before.lastIndexOf("/**");
  const close = source.indexOf("*/", start);
  const isAbove = name === undefined || source.slice(close + 2, end).trim() === "";
  if (start < 0 || close < 0 || !isAbove) throw new Error(`${path} has no docstring for ${name ?? "itself"}`);
  return toMarkdown(source.slice(start + 3, close));
}

/**
 * @param {string} source
 * @param {string} path
 * @param {string} name
 */
function exportAt(source, path, name) {
  const found = new RegExp(`^export (?:async )?(?:function\\*?|const|interface|type|class) ${name}\\b`, "m");
  const at = source.search(found);
  if (at < 0) throw new Error(`${path} does not export ${name}`);
  return at;
}

/**
 * @param {string} source
 * @param {string} path
 * @param {string} name
 */
function declarationOf(source, path, name) {
  const text = source.slice(exportAt(source, path, name));
  const end = /^[}\]].*$/m.exec(text);
  if (end === null) throw new Error(`${path}: the declaration of ${name} has no end`);
  return text.slice(0, end.index + end[0].length).replace(/^export /, "");
}

/**
 * Take the stars off, and turn the tags of a docstring into plain words.
 *
 * @param {string} comment
 */
function toMarkdown(comment) {
  return comment
    .split("\n")
    .map((line) => line.replace(/^\s*\* ?/, "").trimEnd())
    .join("\n")
    .replaceAll(/\{@link ([\w.]+)\}/g, "`$1`")
    .replaceAll(/^@param [^\n]*(?:\n(?!@|\n).+)*\n?/gm, "")
    .replaceAll(/^@see /gm, "See ")
    .replaceAll(/\n+@(returns|throws) /g, (_tag, word) => `\n\n${word === "returns" ? "Returns" : "Throws"} `)
    .trim();
}

/** Render the protocol's page from the files as they are. */
export function currentProtocol() {
  return renderProtocol(readText(templatePath), readText);
}

/** @param {string} path */
function readText(path) {
  return readFileSync(fromRoot(path), "utf8");
}

const [, command] = process.argv;
if (command !== undefined && import.meta.url === pathToFileURL(command).href) {
  writeFileSync(fromRoot(protocolPath), currentProtocol());
  console.log(`${protocolPath} was written.`);
}
