/** Which room may import which, what a composition root may reach, and that nothing imports itself in a circle. */
import { isTestFile, lineAt, walk, type Finding, type Source } from "./source.ts";

/** The rooms by row: a room imports only from rows above its own. A room that is missing here is an error, a room that does not exist yet is not. */
export const rows: Readonly<Record<string, number>> = {
  std: 0,
  crypto: 1,
  attachment: 1,
  draft: 1,
  expr: 1,
  view: 2,
  entry: 2,
  store: 3,
  keys: 3,
  directory: 3,
  presence: 3,
  sync: 4,
  doc: 4,
  search: 4,
  audit: 5,
  tenant: 6,
  page: 7,
  extract: 8,
  sim: 8,
};

/** Rooms that may import less than their row allows; `types` may still be imported as types. */
const narrowed: Readonly<
  Record<string, { values: readonly string[]; types: "any room" | readonly string[] }>
> = {
  page: { values: ["std", "draft", "expr", "view", "attachment"], types: "any room" },
  extract: { values: ["std"], types: "any room" },
  attachment: { values: ["std"], types: ["std"] },
  directory: { values: ["std", "crypto", "entry"], types: ["std", "crypto", "entry"] },
  search: { values: ["std"], types: ["std", "draft"] },
  view: { values: ["std", "expr"], types: ["std", "expr"] },
};

/** The rooms that may know the types of the contract between page and worker. */
const contractRooms: readonly string[] = ["page", "tenant"];

/** The files directly under `src`, and the rooms they put together. */
const topFiles: Readonly<Record<string, readonly string[]>> = {
  "src/index.ts": ["std", "draft", "expr", "view", "page"],
  "src/global.ts": ["std", "draft", "expr", "view", "page"],
  "src/expressions.ts": ["expr"],
  "src/audit.ts": ["audit", "crypto"],
  "src/extract.ts": ["extract"],
};

/** Each composition root, and what it must never reach, even through others. Type-only imports do not count. */
export const roots: readonly { name: string; starts: RegExp; never: readonly RegExp[] }[] = [
  { name: "worker", starts: /^worker\//, never: [/^src\/page\//, /^src\/sim\//] },
  { name: "sw", starts: /^sw\//, never: [/^src\/(keys|doc|page|sim)\//, /^@automerge\//] },
  { name: "server", starts: /^server\//, never: [/^src\/(keys|doc|page|sim)\//, /^@automerge\//, /^dexie$/] },
  {
    name: "extract",
    starts: /^src\/extract(\/|\.ts$)/,
    never: [/^src\/(page|crypto|keys|store|doc|tenant|sim)\//, /^@automerge\//, /^dexie$/],
  },
  {
    name: "page",
    starts: /^src\/(page\/|index\.ts$|expressions\.ts$|global\.ts$)/,
    never: [/^src\/(crypto|sim)\//, /^@automerge\//, /^dexie$/, /^@noble\//, /^@hpke\//, /^hash-wasm$/],
  },
];

/** One import, export-from or dynamic import. */
export interface Import {
  /** A path from the repository's root, or a package's name with its subpath. */
  readonly target: string;
  readonly isType: boolean;
  readonly line: number;
}

/** Read what a file imports; `import()` types count as type imports. */
export function importsOf(source: Source): Import[] {
  const found: Import[] = [];
  walk(source.program, (node) => {
    const specifier = node["source"] as { value?: unknown } | null | undefined;
    const isStatic = ["ImportDeclaration", "ExportNamedDeclaration", "ExportAllDeclaration"].includes(
      node.type,
    );
    if (node.type === "TSImportType" || isStatic || node.type === "ImportExpression") {
      const value = specifier?.value;
      if (typeof value === "string") {
        const isType =
          node["importKind"] === "type" || node["exportKind"] === "type" || node.type === "TSImportType";
        found.push({ target: resolveImport(source.path, value), isType, line: lineAt(source, node.start) });
      }
    }
  });
  return found;
}

/** The package's own names, which the demo uses as a stranger would. */
const packageNames: Readonly<Record<string, string>> = {
  cofferdb: "src/index.ts",
  "cofferdb/audit": "src/audit.ts",
  "cofferdb/expressions": "src/expressions.ts",
  "cofferdb/extract": "src/extract.ts",
  "cofferdb/worker": "worker/worker.ts",
  "cofferdb/service-worker": "sw/service-worker.ts",
};

/** What an application's page imports. */
const publicFiles: ReadonlySet<string> = new Set([
  "src/index.ts",
  "src/audit.ts",
  "src/expressions.ts",
  "src/extract.ts",
]);

function resolveImport(from: string, specifier: string): string {
  const plain = specifier.replace(/\?.*$/, "");
  const own = packageNames[plain];
  if (own !== undefined) return own;
  if (!plain.startsWith(".")) return plain;
  const parts = from.split("/").slice(0, -1);
  for (const part of plain.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  return parts.join("/");
}

/** The room of a path, or undefined outside the rooms. */
export function roomOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1];
}

/** Check every import of every file against the rows. */
export function checkRows(sources: readonly Source[]): Finding[] {
  return sources.flatMap((source) =>
    isTestFile(source.path)
      ? []
      : importsOf(source).flatMap((entry) => {
          const message = judgeImport(source.path, entry);
          return message === undefined
            ? []
            : [{ rule: "rows", path: source.path, line: entry.line, message }];
        }),
  );
}

function judgeImport(from: string, entry: Import): string | undefined {
  const { target } = entry;
  if (isTestFile(target) && !/^(e2e|bench|build|scripts)\//.test(from))
    return `only tests may import ${target}`;
  if (!/^(src|worker|sw|server|demo|e2e|bench|build|scripts)\//.test(target)) return undefined;
  const folder = target.split("/")[0];
  const fromFolder = from.split("/")[0] ?? "";
  if (fromFolder === "demo") return judgeDemo(target);
  if (fromFolder !== "src") return judgeRoot(fromFolder, entry);
  const room = roomOf(from);
  if (target === "worker/api.ts" && contractRooms.includes(room ?? "") && entry.isType) return undefined;
  if (folder !== "src") return `a room may not import ${target}`;
  const allowed = topFiles[from];
  const targetRoom = roomOf(target);
  if (targetRoom === undefined) {
    return allowed !== undefined && target === "src/index.ts" ? undefined : `a room may not import ${target}`;
  }
  if (targetRoom === room) return undefined;
  if (target !== `src/${targetRoom}/index.ts`) return `of ${targetRoom}, only its index.ts may be imported`;
  if (allowed !== undefined)
    return allowed.includes(targetRoom) ? undefined : `${from} may not import ${targetRoom}`;
  return room === undefined ? `${from} is in no room` : judgeRooms(room, targetRoom, entry.isType);
}

function judgeRooms(room: string, target: string, isType: boolean): string | undefined {
  const row = rows[room];
  const targetRow = rows[target];
  if (row === undefined) return `the room ${room} has no row`;
  if (targetRow === undefined) return `the room ${target} has no row`;
  if (targetRow >= row) return `${room} (row ${row}) may not import ${target} (row ${targetRow})`;
  const narrow = narrowed[room];
  if (narrow === undefined) return undefined;
  if (isType && (narrow.types === "any room" || narrow.types.includes(target))) return undefined;
  return narrow.values.includes(target) ? undefined : `${room} may not import ${target}`;
}

function judgeRoot(root: string, { target, isType }: Import): string | undefined {
  if (target.startsWith(`${root}/`)) return undefined;
  if (!target.startsWith("src/")) {
    // A bench measures the worker's service in a worker of its own, without the page around it.
    const isMeasured = root === "bench" && target === "worker/service.ts";
    const isShared = isMeasured || (target === "worker/api.ts" && isType);
    return isShared || !/^(worker|sw|server|demo)\//.test(target)
      ? undefined
      : `${root} may not import ${target}`;
  }
  // The contract between page and worker is written in the public API's own types.
  if (root === "worker" && target === "src/page/types.ts" && isType) return undefined;
  if (["bench", "e2e"].includes(root) && publicFiles.has(target)) return undefined;
  return /^src\/[^/]+\/index\.ts$/.test(target)
    ? undefined
    : `of a room, only its index.ts may be imported: ${target}`;
}

/** The demo is an application: the public API, and the service worker's module, are all it sees. */
function judgeDemo(target: string): string | undefined {
  if (target.startsWith("demo/") || publicFiles.has(target) || target === "sw/service-worker.ts")
    return undefined;
  return `the demo sees only the public API, not ${target}`;
}

/** Follow what each composition root imports, and name the way to anything it must never reach. */
export function checkReach(sources: readonly Source[]): Finding[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  return roots.flatMap(({ name, starts, never }) => {
    const startPaths = [...byPath.keys()].filter((path) => starts.test(path) && !isTestFile(path));
    const cameFrom = new Map<string, string | undefined>(startPaths.map((path) => [path, undefined]));
    const findings: Finding[] = [];
    for (const path of cameFrom.keys()) {
      if (never.some((pattern) => pattern.test(path))) {
        const way = wayTo(path, cameFrom);
        const message = `${name} must never reach ${path}: ${way.join(" → ")}`;
        findings.push({ rule: "reach", path: way[0] ?? path, line: 1, message });
        continue;
      }
      const source = byPath.get(path);
      if (source === undefined) continue;
      // A Map's iterator also visits what is added on the way, which makes this loop a breadth-first search.
      for (const { target, isType } of importsOf(source))
        if (!isType && !cameFrom.has(target)) cameFrom.set(target, path);
    }
    return findings;
  });
}

function wayTo(path: string, cameFrom: ReadonlyMap<string, string | undefined>): string[] {
  const way = [path];
  for (let step = cameFrom.get(path); step !== undefined; step = cameFrom.get(step)) way.unshift(step);
  return way;
}

/** Find circles of imports that exist at run time. */
export function checkCycles(sources: readonly Source[]): Finding[] {
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const states = new Map<string, "open" | "done">();
  const findings: Finding[] = [];
  const visit = (path: string, way: readonly string[]): void => {
    if (states.get(path) === "done") return;
    if (states.get(path) === "open") {
      const circle = [...way.slice(way.indexOf(path)), path];
      findings.push({ rule: "cycles", path, line: 1, message: circle.join(" → ") });
      return;
    }
    const source = byPath.get(path);
    if (source === undefined) return;
    states.set(path, "open");
    for (const { target, isType } of importsOf(source)) if (!isType) visit(target, [...way, path]);
    states.set(path, "done");
  };
  for (const path of byPath.keys()) if (!isTestFile(path)) visit(path, []);
  return findings;
}
