/**
 * Keeps the guide's rules. Each rule is first shown to fail on sources made up here, then held against the repository.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, sep } from "node:path";
import { describe, expect, test } from "vitest";
import { fromRoot } from "../build/paths.mjs";
import {
  checkCycles,
  checkDocstrings,
  checkErrorCodes,
  checkGlobalGates,
  checkNames,
  checkPackageGates,
  checkReach,
  checkRows,
  checkSizes,
  checkWords,
  limits,
  parseSource,
  type Finding,
  type Source,
} from "../build/tidy/index.ts";
import { errorCodes } from "./std/error-codes.ts";

const folders = ["src", "worker", "sw", "server", "demo", "e2e", "bench", "build", "scripts"];
const codes: ReadonlySet<string> = new Set(errorCodes);

function filesBelow(folder: string): string[] {
  try {
    return readdirSync(fromRoot(folder), { recursive: true, encoding: "utf8" })
      .map((name) => join(folder, name).split(sep).join("/"))
      .filter((path) => !/(^|\/)(node_modules|dist|test-results)\//.test(path));
  } catch (error) {
    if ((error as { code?: unknown }).code === "ENOENT") return [];
    throw error;
  }
}

const paths = folders.flatMap(filesBelow);
const sources = paths
  .filter((path) => /\.(ts|tsx|mjs)$/.test(path))
  .map((path) => parseSource(path, readFileSync(fromRoot(path), "utf8")));

const textFiles = [
  ...paths.filter(
    (path) => /\.(tsx?|mjs|css|html|json|md|svg|sql)$/.test(path) && !path.endsWith(".vectors.json"),
  ),
  ...readdirSync(fromRoot(), { withFileTypes: true })
    .filter(
      (entry) => entry.isFile() && /\.(json|ts|md)$/.test(entry.name) && entry.name !== "package-lock.json",
    )
    .map(({ name }) => name),
  ...filesBelow("docs").filter((path) => path.endsWith(".md")),
].map((path) => ({ path, text: readFileSync(fromRoot(path), "utf8") }));

/** Made-up sources, by path. */
const made = (files: Readonly<Record<string, string>>): Source[] =>
  Object.entries(files).map(([path, text]) => parseSource(path, text));

const show = ({ rule, path, line, message }: Finding): string => `${path}:${line} ${rule}: ${message}`;
const holds = (findings: readonly Finding[]): void => expect(findings.map(show)).toEqual([]);
const fails = (findings: readonly Finding[], ...messages: readonly RegExp[]): void => {
  expect(findings.map(show)).toEqual(messages.map((message) => expect.stringMatching(message)));
};

describe("imports", () => {
  const index = "/** Room. */\nexport const x = 1;";

  test.each([
    ["a room of the same row", "src/keys/bag.ts", "../store/index.ts", /keys \(row 3\) may not import store/],
    ["a room of a lower row", "src/std/bytes.ts", "../entry/index.ts", /std \(row 0\) may not import entry/],
    ["another room's inner file", "src/entry/seal.ts", "../crypto/webcrypto.ts", /only its index\.ts/],
    ["a room without a row", "src/entry/seal.ts", "../misc/index.ts", /misc has no row/],
    ["a composition root", "src/tenant/open.ts", "../../worker/worker.ts", /may not import worker/],
    ["values beyond the page's own", "src/page/open.ts", "../tenant/index.ts", /page may not import tenant/],
    [
      "documents in the full text",
      "src/search/a.ts",
      "../doc/index.ts",
      /search \(row 4\) may not import doc/,
    ],
    ["entries in a view", "src/view/fold.ts", "../crypto/index.ts", /view may not import crypto/],
    [
      "the worker's values in the page",
      "src/page/open.ts",
      "../../worker/api.ts",
      /may not import worker\/api/,
    ],
    [
      "rooms below the public entry",
      "src/index.ts",
      "./tenant/index.ts",
      /src\/index\.ts may not import tenant/,
    ],
    ["a room's inner file in a root", "worker/worker.ts", "../src/doc/merge.ts", /only its index\.ts/],
    ["one root in another", "sw/sw.ts", "../worker/worker.ts", /sw may not import worker/],
    ["what only tests use", "src/entry/seal.ts", "./entry-fixtures.ts", /only tests may import/],
    ["the simulator", "src/page/open.ts", "../sim/index.ts", /only tests may import/],
    ["a room in the demo", "demo/main.tsx", "../src/std/index.ts", /only the public API/],
  ])("refuse %s", (_name, path, target, message) => {
    fails(checkRows(made({ [path]: `import { x } from "${target}";\nexport const y = x;` })), message);
  });

  test("allow rows above, types from anywhere in the page, and everything in tests and the simulator", () => {
    const files = made({
      "src/entry/seal.ts":
        'import { x } from "../crypto/index.ts"; import { z } from "./codec.ts"; export const y = x + z;',
      "src/page/open.ts":
        'import type { Api } from "../../worker/api.ts"; import type { Row } from "../view/index.ts"; export type T = Api | Row;',
      "src/std/bytes.test.ts": 'import { x } from "../sim/index.ts"; export const y = x;',
      "src/sim/world.ts": 'import { x } from "../../server/relay.ts"; export const y = x;',
      "demo/main.tsx": 'import { openCoffer } from "cofferdb"; export const y = openCoffer;',
    });
    holds(checkRows(files));
  });

  test("refuse what a root must never reach, through others too", () => {
    const files = made({
      "sw/sw.ts": 'import { x } from "../src/sync/index.ts"; export const y = x;',
      "src/sync/index.ts": 'export { x } from "./push.ts";',
      "src/sync/push.ts": 'import { x } from "../keys/index.ts"; export { x };',
      "src/keys/index.ts": index,
    });
    fails(
      checkReach(files),
      /sw must never reach src\/keys\/index\.ts: sw\/sw\.ts → src\/sync\/index\.ts → src\/sync\/push\.ts/,
    );
    const page = made({ "src/page/a.ts": 'export const load = () => import("dexie");' });
    fails(checkReach(page), /page must never reach dexie/);
    const server = made({ "server/relay.ts": 'export * from "@automerge/automerge/slim";' });
    fails(checkReach(server), /server must never reach @automerge/);
  });

  test("let a root know types of what it must never reach", () => {
    holds(
      checkReach(
        made({ "sw/sw.ts": 'import type { x } from "../src/keys/index.ts"; export type Y = typeof x;' }),
      ),
    );
  });

  test("refuse circles", () => {
    const files = made({
      "src/std/a.ts": 'import { b } from "./b.ts"; export const a = b;',
      "src/std/b.ts": 'import { a } from "./a.ts"; export const b = a;',
    });
    fails(checkCycles(files), /src\/std\/a\.ts → src\/std\/b\.ts → src\/std\/a\.ts/);
  });

  test("the repository keeps its rows", () => holds(checkRows(sources)));
  test("the repository's roots reach only what they may", () => holds(checkReach(sources)));
  test("the repository has no circles", () => holds(checkCycles(sources)));
});

describe("gates", () => {
  test.each([
    ["src/tenant/open.ts", "dexie", /dexie is for/],
    ["src/draft/replay.ts", "@automerge/automerge", /automerge is for/],
    ["src/crypto/password.ts", "hash-wasm", /hash-wasm is for/],
    ["src/entry/seal.ts", "@noble/hashes/sha2.js", /noble\/hashes\/sha2\.js is for/],
    ["src/std/bytes.ts", "node:buffer", /node:buffer is for/],
    ["src/sync/engine.ts", "ws", /ws is for/],
    ["src/std/bytes.ts", "left-pad", /left-pad has no gate/],
  ])("%s may not import %s", (path, name, message) => {
    fails(checkPackageGates(made({ [path]: `import * as it from "${name}"; export { it };` })), message);
  });

  test.each([
    ["const now = Date.now();", /Date\.now/],
    ["const now = new Date();", /new Date\(\)/],
    ["const now = performance.now();", /performance\.now/],
    ["const chance = Math.random();", /Math\.random/],
    ["const bytes = globalThis.crypto.getRandomValues(new Uint8Array(1));", /crypto\.getRandomValues/],
    ["const id = crypto?.randomUUID();", /crypto\.randomUUID/],
    ["setTimeout(() => undefined, 1);", /setTimeout/],
    ["const signal = AbortSignal.timeout(1);", /AbortSignal\.timeout/],
    ["const subtle = crypto['subtle'];", /crypto\.subtle/],
    ["const answer = await fetch('/');", /fetch/],
    ["const answer = await self.fetch('/');", /fetch/],
    ["const io = { fetch };", /fetch/],
    ["const socket = new WebSocket('ws://x');", /WebSocket/],
    ["const request = indexedDB.open('x');", /indexedDB/],
    ["const channel = new BroadcastChannel('x');", /BroadcastChannel/],
    ["localStorage.clear();", /localStorage/],
  ])("a room may not say %s", (statement, message) => {
    fails(checkGlobalGates(made({ "src/sync/engine.ts": `${statement}\nexport {};` })), message);
  });

  test("names of one's own, types, dated dates and tests are free", () => {
    const files = made({
      "src/sync/engine.ts": `
        export function a(fetch: (url: string) => void, env: { setTimeout: WebSocket }): Date {
          fetch("/"); const box = { fetch() {}, now: 1 }; box.fetch(); void env.setTimeout; return new Date(5);
        }`,
      "src/sync/engine.test.ts": "export const now = Date.now();",
      "src/std/env.ts": "export const now = Date.now();",
    });
    holds(checkGlobalGates(files));
  });

  test("the repository's packages pass their gates", () => holds(checkPackageGates(sources)));
  test("the repository's globals pass their gates", () => holds(checkGlobalGates(sources)));
});

describe("sizes", () => {
  const path = "src/std/made.ts";
  const lines = (count: number): string =>
    Array.from({ length: count }, (_, index) => `void ${index};`).join("\n");

  test.each([
    ["a long file", lines(limits.fileLines + 1), /lines in the file: 401/],
    [
      "a long function",
      `const f = () => {\n${lines(limits.functionLines - 1)}\n};`,
      /lines in a function: 71/,
    ],
    ["many parameters", "function f(a: 1, b: 2, c: 3, d: 4, e: 5) {}", /parameters: 5/],
    [
      "many fields",
      `class A { ${Array.from({ length: 13 }, (_, n) => `a${n} = 1;`).join("")} }`,
      /fields in a class: 13/,
    ],
    [
      "many methods",
      `class A { ${Array.from({ length: 21 }, (_, n) => `a${n}() {}`).join("")} }`,
      /methods in a class: 21/,
    ],
  ])("refuse %s", (_name, text, message) => fails(checkSizes(made({ [path]: text })), message));

  test("let a format's header be as long as it must", () => {
    holds(checkSizes(made({ [path]: `/**\n${" * row\n".repeat(500)} */\nexport const x = 1;` })));
  });

  test("the repository keeps its sizes", () => holds(checkSizes(sources)));
});

describe("names", () => {
  test.each([
    ["src/std/SyncEngine.ts", "export {};", /lower case/],
    ["src/std/byte-utils.ts", "export {};", /"byte-utils" names nothing/],
    ["src/std/base-store.ts", "export {};", /"base-store" names nothing/],
    ["src/std/a.ts", "class SyncManager {}", /"SyncManager"/],
    ["src/std/a.ts", "class StoreImpl {}", /"StoreImpl"/],
    ["src/std/a.ts", "interface AbstractStore {}", /"AbstractStore"/],
    ["src/std/a.ts", "type BaseStore = 1;", /"BaseStore"/],
  ])("refuse %s with %s", (path, text, message) => fails(checkNames(made({ [path]: text })), message));

  test("let base64url.ts be", () => holds(checkNames(made({ "src/std/base64url.ts": "class Based {}" }))));
  test("the repository's names say something", () => holds(checkNames(sources)));
});

describe("docstrings", () => {
  test.each([
    ["src/std/index.ts", "export const x = 1;", /opens with its purpose/],
    ["src/std/a.ts", "export function f() {}", /f has no docstring/],
    ["src/std/a.ts", "/** Of g. */\nconst g = 1;\nexport const f = () => g;", /f has no docstring/],
    ["src/std/a.ts", "// A remark.\nexport class F {}", /F has no docstring/],
  ])("%s: %s is refused", (path, text, message) => fails(checkDocstrings(made({ [path]: text })), message));

  test("one docstring serves all overloads", () => {
    const text =
      "/** Do. */\nexport function f(a: string): void;\nexport function f(a: number): void;\nexport function f() {}";
    holds(checkDocstrings(made({ "src/std/a.ts": text })));
  });

  test("the repository says what it exports", () => holds(checkDocstrings(sources)));
});

describe("error codes", () => {
  test.each([
    ['throw new CofferError("doc/gone");', /"doc\/gone"/],
    ['if (error.code === "net/down") {}', /"net\/down"/],
    ["/** @throws `key/lost` when lost */ function f() {}", /"key\/lost"/],
  ])("refuse %s", (text, message) => {
    fails(checkErrorCodes(made({ "src/std/a.ts": text }), codes), message);
  });

  test("the repository uses codes of the closed list", () => holds(checkErrorCodes(sources, codes)));
});

describe("words", () => {
  test.each([
    [`// ${"TO"}DO: finish`, /left undone/],
    [`const home = "/${"home"}/someone";`, /one machine/],
  ])("refuse %s", (text, message) => fails(checkWords([{ path: "src/std/a.ts", text }]), message));

  test("the repository holds no stray words", () => holds(checkWords(textFiles)));
});
