/** One gate for each thing from outside: the only files that may touch it. */
import { importsOf } from "./imports.ts";
import {
  isNode,
  isTestFile,
  isTypeOnly,
  lineAt,
  walk,
  type Finding,
  type Node,
  type Source,
} from "./source.ts";

/** Where the gates stand guard; the demo, the tools and the tests are free. */
const guarded = /^(src|worker|sw|server)\//;

/** Packages, and the files that may import them at run time; the first pattern that fits counts. Types may be imported anywhere, and a package without a gate nowhere. */
export const packageGates: readonly { name: RegExp; files: RegExp }[] = [
  { name: /^@automerge\/automerge\/automerge\.wasm$/, files: /^(src\/doc|worker)\// },
  { name: /^@automerge\//, files: /^src\/doc\// },
  { name: /^dexie$/, files: /^src\/store\/dexie-store\.ts$/ },
  { name: /^comlink$/, files: /^(src\/page\/connect\.ts|worker\/worker\.ts)$/ },
  { name: /^@preact\/signals-core$/, files: /^src\/(page\/|global\.ts$)/ },
  { name: /^@noble\/hashes/, files: /^src\/crypto\// },
  { name: /^@hpke\//, files: /^src\/crypto\// },
  { name: /^hash-wasm$/, files: /^src\/crypto\/(argon2|wasm-hash)\.ts$/ },
  { name: /^minisearch(\/SearchableMap)?$/, files: /^src\/search\// },
  { name: /^unpdf\/pdfjs$/, files: /^src\/extract\/read-pdf\.ts$/ },
  { name: /^(libsql|pg|hono|jose|ws|@hono\/.*)(\/.*)?$/, files: /^server\// },
  { name: /^node:/, files: /^server\// },
];

/** A global, as a path of names from the global object down, and the files that may use it. */
export const globalGates: readonly { path: readonly string[]; files: RegExp }[] = [
  { path: ["crypto", "subtle"], files: /^src\/crypto\// },
  {
    path: ["fetch"],
    files: /^(src\/(sync\/http-transport|doc\/engine-file)\.ts$|server\/src\/push-service\.ts$|sw\/)/,
  },
  { path: ["XMLHttpRequest"], files: /^$/ },
  { path: ["WebSocket"], files: /^src\/sync\/websocket-transport\.ts$/ },
  { path: ["RTCPeerConnection"], files: /^src\/page\/rtc\.ts$/ },
  { path: ["indexedDB"], files: /^src\/store\/(idb-open|new-journal)\.ts$/ },
  { path: ["Date", "now"], files: /^src\/std\/env\.ts$/ },
  { path: ["performance", "now"], files: /^src\/std\/env\.ts$/ },
  { path: ["performance", "mark"], files: /^src\/std\/env\.ts$/ },
  { path: ["Math", "random"], files: /^src\/std\/env\.ts$/ },
  { path: ["crypto", "getRandomValues"], files: /^src\/std\/env\.ts$/ },
  { path: ["crypto", "randomUUID"], files: /^src\/std\/env\.ts$/ },
  { path: ["setTimeout"], files: /^src\/std\/env\.ts$/ },
  { path: ["setInterval"], files: /^src\/std\/env\.ts$/ },
  { path: ["AbortSignal", "timeout"], files: /^src\/std\/env\.ts$/ },
  { path: ["BroadcastChannel"], files: /^src\/std\/env\.ts$/ },
  { path: ["navigator", "locks"], files: /^src\/std\/env\.ts$/ },
  { path: ["localStorage"], files: /^$/ },
  { path: ["eval"], files: /^$/ },
  { path: ["process"], files: /^server\// },
  { path: ["Buffer"], files: /^server\// },
];

const globalObjects = new Set(["globalThis", "self", "window"]);

/** Check the imports of packages. */
export function checkPackageGates(sources: readonly Source[]): Finding[] {
  return sources.filter(isGuarded).flatMap((source) =>
    importsOf(source).flatMap(({ target, isType, line }) => {
      if (isType || isOwnFile(target)) return [];
      const gate = packageGates.find(({ name }) => name.test(target));
      if (gate?.files.test(source.path) === true) return [];
      const message =
        gate === undefined ? `${target} has no gate; add one` : `${target} is for ${gate.files.source} only`;
      return [{ rule: "gates", path: source.path, line, message }];
    }),
  );
}

function isGuarded(source: Source): boolean {
  return guarded.test(source.path) && !isTestFile(source.path);
}

function isOwnFile(target: string): boolean {
  return /^(src|worker|sw|server|demo|build)\//.test(target) || target.endsWith(".json");
}

/**
 * Check the use of globals. A name that the file itself declares anywhere (an argument called `fetch`, say) is taken for
 * the file's own.
 */
export function checkGlobalGates(sources: readonly Source[]): Finding[] {
  return sources.filter(isGuarded).flatMap((source) => {
    const own = declaredNames(source.program);
    const findings: Finding[] = [];
    const report = (node: Node, name: string, allowed: RegExp): void => {
      if (allowed.test(source.path)) return;
      const message =
        allowed.source === "^$" ? `${name} is for nobody` : `${name} is for ${allowed.source} only`;
      findings.push({ rule: "gates", path: source.path, line: lineAt(source, node.start), message });
    };
    walk(source.program, (node, parent, key) => {
      if (isTypeOnly(node)) return false;
      if (isBareDate(node) && !own.has("Date")) report(node, "new Date()", /^src\/std\/env\.ts$/);
      const path = globalPath(node, parent, key, own);
      if (path === undefined) return;
      const gate = globalGates.find((candidate) => candidate.path.join(".") === path.join("."));
      if (gate !== undefined) report(node, path.join("."), gate.files);
    });
    return findings;
  });
}

/** `new Date()` without arguments, or `Date()`: a hidden clock. */
function isBareDate(node: Node): boolean {
  if (node.type !== "NewExpression" && node.type !== "CallExpression") return false;
  const callee = node["callee"];
  if (!isNode(callee) || callee.type !== "Identifier" || callee["name"] !== "Date") return false;
  return node.type === "CallExpression" || (node["arguments"] as unknown[]).length === 0;
}

/** The names from the global object down to what a node reads, or undefined when it reads no global. */
function globalPath(
  node: Node,
  parent: Node | undefined,
  key: string,
  own: ReadonlySet<string>,
): string[] | undefined {
  if (node.type === "Identifier") {
    if (parent !== undefined && isOnlyName(parent, key)) return undefined;
    const name = node["name"] as string;
    return own.has(name) || globalObjects.has(name) ? undefined : [name];
  }
  if (node.type !== "MemberExpression") return undefined;
  const names = memberNames(node);
  if (names === undefined || own.has(names[0] ?? "")) return undefined;
  return globalObjects.has(names[0] ?? "") ? names.slice(1) : names;
}

function memberNames(node: Node): string[] | undefined {
  if (node.type === "Identifier") return [node["name"] as string];
  if (node.type === "ChainExpression") return memberNames(node["expression"] as Node);
  if (node.type.startsWith("TS") && isNode(node["expression"])) return memberNames(node["expression"]);
  if (node.type !== "MemberExpression") return undefined;
  const object = memberNames(node["object"] as Node);
  const property = node["property"] as Node;
  const name =
    property.type === "Literal"
      ? property["value"]
      : node["computed"] === true
        ? undefined
        : property["name"];
  return object === undefined || typeof name !== "string" ? undefined : [...object, name];
}

/** A name that reads nothing: a property's or a method's name, a label, an export's other name. */
function isOnlyName(parent: Node, key: string): boolean {
  if (parent.type === "MemberExpression") return key === "property" && parent["computed"] !== true;
  if (["Property", "PropertyDefinition", "MethodDefinition", "AccessorProperty"].includes(parent.type))
    return key === "key" && parent["computed"] !== true;
  if (parent.type === "ExportSpecifier") return key === "exported";
  return parent.type === "ImportSpecifier" || parent.type === "LabeledStatement";
}

/** Every name the file binds anywhere: variables, arguments, functions, classes and imports. */
function declaredNames(program: Node): Set<string> {
  const names = new Set<string>();
  const bind = (pattern: unknown): void => {
    if (!isNode(pattern)) return;
    if (pattern.type === "Identifier") names.add(pattern["name"] as string);
    else if (pattern.type === "Property") bind(pattern["value"]);
    else if (pattern.type === "AssignmentPattern") bind(pattern["left"]);
    else if (pattern.type === "RestElement") bind(pattern["argument"]);
    else if (pattern.type === "TSParameterProperty") bind(pattern["parameter"]);
    else for (const part of (pattern["properties"] ?? pattern["elements"] ?? []) as unknown[]) bind(part);
  };
  walk(program, (node) => {
    if (isTypeOnly(node)) return false;
    if (node.type === "VariableDeclarator" || /^(Function|Class)(Declaration|Expression)$/.test(node.type))
      bind(node["id"]);
    if (node.type === "CatchClause") bind(node["param"]);
    if (/^Import(Default|Namespace)?Specifier$/.test(node.type)) bind(node["local"]);
    if (Array.isArray(node["params"])) for (const parameter of node["params"]) bind(parameter);
  });
  return names;
}
