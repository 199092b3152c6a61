/**
 * Keeps the documentation true where a program can tell: what it names must exist. Each check is first shown to fail on a page
 * made up here, then held against the repository's own pages.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { describe, expect, test } from "vitest";
import { syncTable, type SyncResults } from "../bench/peers/sync-table.mjs";
import { travellers } from "../bench/peers/travellers.mjs";
import { fromRoot } from "../build/paths.mjs";
import { currentProtocol, protocolPath, renderProtocol } from "../scripts/docs.mjs";
import { arity } from "./expr/expression.ts";
import { parseExpression, printExpression } from "./expr/index.ts";
import { errorCodes } from "./std/error-codes.ts";

interface Page {
  readonly path: string;
  readonly text: string;
}

interface Manifest {
  readonly version: string;
  readonly scripts: Readonly<Record<string, string>>;
  readonly exports: Readonly<Record<string, unknown>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

const read = (path: string): string => readFileSync(fromRoot(path), "utf8");
const manifest = JSON.parse(read("package.json")) as Manifest;
const serverManifest = JSON.parse(read("server/package.json")) as Manifest;
const pages: readonly Page[] = [
  "README.md",
  "SECURITY.md",
  "CONTRIBUTING.md",
  ...readdirSync(fromRoot("docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
].map((path) => ({ path, text: read(path) }));

const made = (text: string): Page[] => [{ path: "docs/made-up.md", text }];
const unique = (values: Iterable<string>): string[] => [...new Set(values)].sort();

function findAll(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map((match) => match[1] ?? "");
}

/** Blocks and spans of code, and the text without the blocks. */
const codeOf = (text: string): string => findAll(text, /^```\w*\n([\s\S]*?)^```$/gm).join("\n");
const proseOf = (text: string): string => text.replaceAll(/^```\w*\n[\s\S]*?^```$/gm, "");
const spansOf = (text: string): string[] => findAll(proseOf(text), /`([^`\n]+)`/g);

/** The name that a heading has in a link, as GitHub makes it. */
function anchorsOf(text: string): Set<string> {
  const headings = findAll(proseOf(text), /^#{1,6} (.+)$/gm);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
        .replaceAll(" ", "-"),
    ),
  );
}

function deadLinks(some: readonly Page[]): string[] {
  return some.flatMap(({ path, text }) =>
    findAll(proseOf(text), /\]\(([^)\s]+)\)/g).flatMap((link) => {
      if (link.startsWith("https://")) return [];
      const [file = "", anchor] = link.split("#");
      const target = file === "" ? path : posix.join(posix.dirname(path), file);
      if (file !== "" && !existsSync(fromRoot(target))) return [`${path}: ${link}`];
      const isMissing = anchor !== undefined && !anchorsOf(file === "" ? text : read(target)).has(anchor);
      return isMissing ? [`${path}: ${link}`] : [];
    }),
  );
}

function unknownScripts(some: readonly Page[]): string[] {
  return some.flatMap(({ path, text }) =>
    findAll(text, /\bnpm (?:run )?(start|test|(?<=run )[\w:-]+)/g)
      .filter((name) => !(name in manifest.scripts))
      .map((name) => `${path}: npm run ${name}`),
  );
}

const folders = "src|worker|sw|server|demo|e2e|bench|build|scripts|docs";
const repositoryPath = new RegExp(`^(?:${folders})/[\\w./-]*$`);
const built = /^(?:server\/|demo\/)?dist\//;
const errorPrefix = /^(?:input|access|key|doc|entry|store|net|directory|protocol|worker)\/[a-z-]+$/;

function unknownPaths(some: readonly Page[]): string[] {
  return some.flatMap(({ path, text }) =>
    spansOf(text)
      .filter((span) => repositoryPath.test(span) && !built.test(span) && !errorPrefix.test(span))
      .filter((span) => !existsSync(fromRoot(span)))
      .map((span) => `${path}: ${span}`),
  );
}

function unknownCodes(some: readonly Page[]): string[] {
  const known: ReadonlySet<string> = new Set(errorCodes);
  return some.flatMap(({ path, text }) =>
    spansOf(text)
      .filter((span) => errorPrefix.test(span) && !known.has(span) && !existsSync(fromRoot(span)))
      .map((span) => `${path}: ${span}`),
  );
}

/** Names that a module exports: what stands between the braces of its export lists, and its own declarations. */
function exportsOf(path: string): string[] {
  const text = read(path);
  const lists = findAll(text, /^export (?:type )?\{([^}]*)\}/gm)
    .flatMap((list) => list.split(","))
    .map((name) =>
      name
        .trim()
        .replace(/^type /, "")
        .replace(/^.* as /, ""),
    );
  return [
    ...lists,
    ...findAll(text, /^export (?:async )?(?:function|const|class|interface|type) (\w+)/gm),
  ].filter(Boolean);
}

const publicNames: Readonly<Record<string, readonly string[]>> = {
  cofferdb: [...exportsOf("src/index.ts"), ...exportsOf("src/page/index.ts")],
  "cofferdb/audit": exportsOf("src/audit.ts"),
  "cofferdb/expressions": exportsOf("src/expressions.ts"),
  "cofferdb/extract": exportsOf("src/extract.ts"),
  "cofferdb/service-worker": exportsOf("sw/service-worker.ts"),
};

function unknownImports(some: readonly Page[]): string[] {
  return some.flatMap(({ path, text }) =>
    [...codeOf(text).matchAll(/import (?:type )?\{([^}]*)\} from "(cofferdb[^"]*)"/g)].flatMap(
      ([, list = "", from = ""]) =>
        list
          .split(",")
          .map((name) => name.trim())
          .filter((name) => name !== "" && publicNames[from]?.includes(name) !== true)
          .map((name) => `${path}: ${name} of ${from}`),
    ),
  );
}

function unknownEntries(some: readonly Page[]): string[] {
  return some.flatMap(({ path, text }) =>
    [...spansOf(text), ...findAll(codeOf(text), /from "([^"]+)"/g)]
      .filter((name) => /^cofferdb(?:\/[\w.-]+)?$/.test(name))
      .filter((name) => !(name.replace("cofferdb", ".") in manifest.exports))
      .map((name) => `${path}: ${name}`),
  );
}

const handles: Readonly<Record<string, string>> = {
  coffer: "Coffer",
  tenant: "Tenant",
  db: "Database",
  doc: "Doc",
  query: "Query",
  link: "ServerLink",
};

/** The members of an interface of the public API, and of those that it extends. */
function membersOf(name: string): string[] {
  const text = [
    "types",
    "attachment-types",
    "audit-types",
    "bundle-types",
    "store-types",
    "device-types",
    "recipient-types",
    "query-types",
    "key-slot-types",
    "link-types",
    "peer-types",
  ]
    .map((file) => read(`src/page/${file}.ts`))
    .join("\n");
  const named = `^export interface ${name}\\b`;
  const [body = ""] = findAll(text, new RegExp(`${named}[^{]*\\{\\n([\\s\\S]*?)^\\}`, "gm"));
  const bases = findAll(text, new RegExp(`${named}[^{]*\\bextends ([^{]*)`, "gm"));
  const extended = bases.flatMap((list) => findAll(list, /(\w+)/g));
  return [...findAll(body, /^ {2}(?:readonly )?(\w+)[?(:<]/gm), ...extended.flatMap(membersOf)];
}

function unknownMembers(some: readonly Page[]): string[] {
  return some.flatMap(({ path, text }) =>
    [
      ...`${codeOf(text)}\n${spansOf(text).join("\n")}`.matchAll(
        /(?<![\w./"-])(coffer|tenant|db|doc|query|link)\.(\w+)/g,
      ),
    ]
      .filter(([, handle = "", member = ""]) => !membersOf(handles[handle] ?? "").includes(member))
      // The script tag's file begins like a handle.
      .filter(([whole]) => whole !== "coffer.global")
      .map(([whole]) => `${path}: ${whole}`),
  );
}

/** Links to files of tests whose text is a test's title: the titles that their files do not hold. */
function unknownTests(some: readonly Page[]): string[] {
  return some.flatMap(({ path, text }) =>
    [...proseOf(text).matchAll(/\[([^\]`]+)\]\(([\w./-]+(?:\.(?:test|spec)|-contract)\.ts)\)/g)].flatMap(
      ([, title = "", file = ""]) => {
        const target = posix.join(posix.dirname(path), file);
        const isThere =
          existsSync(fromRoot(target)) && holdsTest(read(target), title.replaceAll(/\s+/g, " "));
        return isThere ? [] : [`${path}: ${title} in ${target}`];
      },
    ),
  );
}

/** A title begins behind a quotation mark, or behind what fills in a name. */
const holdsTest = (text: string, title: string): boolean =>
  ['"', "`", ": ", "} "].some((before) => text.includes(before + title));

describe("checks", () => {
  test.each([
    ["a link to nothing", deadLinks, "[x](nothing.md)"],
    ["a link to a heading that is not there", deadLinks, "# A heading\n[x](#another)"],
    ["a picture that is not there", deadLinks, "![x](images/nothing.png)"],
    ["a script that is not there", unknownScripts, "`npm run nothing`"],
    ["a path that is not there", unknownPaths, "`src/nothing/at-all.ts`"],
    ["an error that is not there", unknownCodes, "`access/nothing`"],
    ["an export that is not there", unknownImports, '```js\nimport { nothing } from "cofferdb";\n```'],
    ["an entry that is not there", unknownEntries, "`cofferdb/nothing`"],
    ["a member that is not there", unknownMembers, "`tenant.nothing()`"],
    ["a test that is not there", unknownTests, "[does nothing at all](../src/tidy.test.ts)"],
    ["a test in a file that is not there", unknownTests, "[the repository](../src/nothing.test.ts)"],
  ])("find %s", (_name, check, text) => {
    expect(check(made(text))).toHaveLength(1);
  });

  test("let good pages be", () => {
    const text = [
      "# A heading, with (signs)",
      "[x](#a-heading-with-signs) [y](../README.md) [z](https://example.org)",
      "`npm start`, `npm run build`, `src/std/`, `access/locked`, `cofferdb/sw.js`, `tenant.lock()`, `coffer.global.js`",
      '```js\nimport { openCoffer } from "cofferdb";\nawait db.createDocument({});\n```',
    ].join("\n");
    const all = [
      deadLinks,
      unknownScripts,
      unknownPaths,
      unknownCodes,
      unknownImports,
      unknownEntries,
      unknownMembers,
    ];
    expect(all.flatMap((check) => check(made(text)))).toEqual([]);
  });
});

describe("the documentation", () => {
  test.each([
    ["has no dead links", deadLinks],
    ["names scripts that exist", unknownScripts],
    ["names files that exist", unknownPaths],
    ["names error codes that exist", unknownCodes],
    ["imports what is exported", unknownImports],
    ["names entries of the package", unknownEntries],
    ["calls what the API has", unknownMembers],
    ["names tests by titles that they have", unknownTests],
  ])("%s", (_name, check) => {
    expect(check(pages)).toEqual([]);
  });

  test("tells every member of the API in the README", () => {
    const readme = pages.find(({ path }) => path === "README.md")?.text ?? "";
    const isHousekeeping = /^(?:id|name|url|self|adminUser|directory|dispose)$/;
    const missing = Object.entries(handles).flatMap(([handle, type]) =>
      membersOf(type)
        .filter((member) => !isHousekeeping.test(member) && !readme.includes(`${handle}.${member}`))
        .map((member) => `${handle}.${member}`),
    );
    expect(missing).toEqual([]);
  });

  test("names the package's version", () => {
    expect(unique(findAll(read("README.md"), /cofferdb-(\d+\.\d+\.\d+)\.tgz/g))).toEqual([manifest.version]);
  });
});

describe("the page of expressions", () => {
  const page = read("docs/expressions.md");

  test("tells every operator", () => {
    const told = spansOf(page.split("## Functions")[1] ?? "");
    expect(Object.keys(arity).filter((op) => !told.includes(op))).toEqual([]);
  });

  test("shows texts that are printed as they stand", () => {
    const texts = findAll(page, /^```expression\n([\s\S]*?)^```$/gm).flatMap((block) =>
      block.trim().split("\n"),
    );
    expect(texts.length).toBeGreaterThan(4);
    for (const text of texts) {
      const verdict = parseExpression(text);
      expect(verdict.kind === "expression" ? printExpression(verdict.expression) : verdict).toBe(text);
    }
  });
});

describe("the page of benchmarks", () => {
  const page = read("docs/benchmarks.md");
  const { sync } = JSON.parse(read("bench/peers/results.json")) as { readonly sync: SyncResults };

  test("has the table of sync that its results make", () => {
    expect(page).toContain(`<!-- measured, sync: begin -->\n\n${syncTable(sync)}\n\n<!--`);
  });

  test("has results of sync of everybody who takes part", () => {
    expect(Object.keys(sync.medians)).toEqual(travellers.map(({ name }) => name));
    for (const medians of Object.values(sync.medians)) expect(Object.keys(medians)).toHaveLength(6);
  });

  test("names the versions that are measured", () => {
    const { dependencies = {} } = JSON.parse(read("bench/peers/package.json")) as Manifest;
    const names = findAll(page, /^(\| .*\d+\.\d+.* \|)$/gm).flatMap((row) => [
      ...row.matchAll(
        /(Yjs|TinyBase|automerge-repo|RxDB|PouchDB|Evolu|Jazz|y-websocket|express-pouchdb|@y\/websocket-server) (\d+\.\d+)/g,
      ),
    ]);
    const packages: Readonly<Record<string, string>> = {
      Yjs: "yjs",
      TinyBase: "tinybase",
      "automerge-repo": "@automerge/automerge-repo",
      RxDB: "rxdb",
      PouchDB: "pouchdb-browser",
      Evolu: "@evolu/common",
      Jazz: "jazz-tools",
    };
    expect(names).toHaveLength(10);
    for (const [, name = "", version = ""] of names)
      expect(dependencies[packages[name] ?? name], name).toMatch(new RegExp(`^${version}\\.`));
  });
});

describe("the lockfile of the benchmarks' packages", () => {
  interface Locked {
    readonly resolved?: string;
    readonly dependencies?: Readonly<Record<string, string>>;
    readonly optionalDependencies?: Readonly<Record<string, string>>;
  }
  const { packages } = JSON.parse(read("bench/peers/package-lock.json")) as {
    readonly packages: Readonly<Record<string, Locked>>;
  };

  /** Whether a package is found from a folder, as Node looks for it. */
  const isFound = (name: string, from: string): boolean =>
    `${from === "" ? "" : `${from}/`}node_modules/${name}` in packages ||
    (from !== "" && isFound(name, from.slice(0, Math.max(0, from.lastIndexOf("/node_modules/")))));

  test("holds whatever its packages ask for", () => {
    const missing = Object.entries(packages).flatMap(([path, { dependencies, optionalDependencies }]) =>
      Object.keys({ ...dependencies, ...optionalDependencies })
        .filter((name) => !isFound(name, path))
        .map((name) => `${path}: ${name}`),
    );
    expect(missing).toEqual([]);
  });

  test("names no registry", () => {
    expect(Object.keys(packages).filter((path) => packages[path]?.resolved !== undefined)).toEqual([]);
  });
});

describe("the protocol's page", () => {
  test("is what `npm run docs` writes today", () => {
    expect(read(protocolPath)).toBe(currentProtocol());
  });

  test("takes tables, docstrings of exports and constants out of the source", () => {
    const source = [
      "/**\n * Bytes of {@link a}.\n *\n * | field |\n * |---|\n */",
      'import x from "y";',
      "/**\n * Do it.\n *\n * @param a no\n *   more\n * @returns one\n */",
      "export function go(a) {}",
      "export const limits = {\n  a: 1,\n} as const;",
    ].join("\n");
    const render = (line: string): string => renderProtocol(line, () => source);
    expect(render("{{src/a.ts}}")).toBe(
      "*From [`src/a.ts`](../src/a.ts):*\n\nBytes of `a`.\n\n| field |\n|---|",
    );
    expect(render("{{src/a.ts#go}}")).toBe("*From [`src/a.ts`](../src/a.ts):*\n\nDo it.\n\nReturns one");
    expect(render("{{code src/a.ts#limits}}")).toContain("const limits = {\n  a: 1,\n} as const;\n```");
    expect(() => render("{{src/a.ts#nothing}}")).toThrow(/does not export nothing/);
    expect(() => render("{{code src/a.ts}}")).toThrow();
    expect(() => render("{{nonsense")).toThrow(/says nothing/);
  });
});

describe("the lists", () => {
  test("of dependencies equal the manifests", () => {
    const sections = read("docs/dependencies.md").split(/^## /m);
    const listed = (title: RegExp): string[] =>
      sections
        .filter((section) => title.test(section))
        .flatMap((section) => [...section.matchAll(/^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$/gm)])
        .map(([, name = "", version = ""]) => `${name} ${version}`)
        .sort();
    const wanted = (of: Readonly<Record<string, string>> = {}): string[] =>
      Object.entries(of)
        .map(([name, version]) => `${name} ${version}`)
        .sort();
    expect(listed(/^At run time/)).toEqual(wanted(manifest.dependencies));
    expect(listed(/^(?:Bundled|Development)/)).toEqual(wanted(manifest.devDependencies));
    const { dependencies, devDependencies } = serverManifest;
    expect(listed(/^The server/)).toEqual(wanted({ ...dependencies, ...devDependencies }));
  });

  test("of the server's flags equal its usage", () => {
    const flags = unique(findAll(read("server/src/cli-options.ts"), /^ {2}(--[\w-]+)/gm));
    expect(flags.length).toBeGreaterThan(0);
    expect(unique(findAll(read("docs/server.md"), /^\| `(--[\w-]+)/gm))).toEqual(flags);
  });

  test("of commands name every script", () => {
    const text = read("CONTRIBUTING.md");
    const missing = Object.keys(manifest.scripts).filter(
      (name) => !text.includes(`npm run ${name}\``) && !text.includes(`npm ${name}\``),
    );
    expect(missing).toEqual([]);
  });

  test("of promises link each one to its tests", () => {
    const [, section = ""] = /^## Promises\n([\s\S]*?)^## /m.exec(read("SECURITY.md")) ?? [];
    const promises = section.split(/^\d+\. /m).slice(1);
    expect(promises.length).toBeGreaterThan(5);
    const model = /^## Promises\n([\s\S]*?)^## /m.exec(read("docs/threat-model.md"))?.[1] ?? "";
    const attacked = model.split(/^\d+\. /m).slice(1);
    expect(attacked.length).toBeGreaterThan(20);
    for (const promise of [...promises, ...attacked])
      expect(
        findAll(promise, /\]\(([\w./-]+(?:\.(?:test|spec)|-contract)\.ts)\)/g),
        promise,
      ).not.toHaveLength(0);
  });
});
