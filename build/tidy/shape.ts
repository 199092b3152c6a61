/** Sizes, names, docstrings, error codes, and words that do not belong into a repository. */
import { isNode, isTestFile, lineAt, walk, type Finding, type Node, type Source } from "./source.ts";

/** The limits of GUIDE §3; a file's opening comment does not count, since a format's table lives there. */
export const limits = { fileLines: 400, functionLines: 70, parameters: 4, classFields: 12, classMethods: 20 };

const sized = /^(src|worker|sw|server)\//;

/** Check files, functions and classes against {@link limits}. */
export function checkSizes(sources: readonly Source[]): Finding[] {
  return sources
    .filter(({ path }) => sized.test(path) && !isTestFile(path))
    .flatMap((source) => {
      const findings: Finding[] = [];
      const report = (offset: number, what: string, count: number, limit: number): void => {
        if (count <= limit) return;
        const line = lineAt(source, offset);
        findings.push({
          rule: "sizes",
          path: source.path,
          line,
          message: `${what}: ${count}, at most ${limit}`,
        });
      };
      const opening = source.comments[0]?.start === 0 ? source.comments[0].end : 0;
      report(0, "lines in the file", source.text.slice(opening).trim().split("\n").length, limits.fileLines);
      walk(source.program, (node) => {
        if (isFunction(node)) {
          const lines = lineAt(source, node.end) - lineAt(source, node.start) + 1;
          report(node.start, "lines in a function", lines, limits.functionLines);
          report(node.start, "parameters", (node["params"] as unknown[]).length, limits.parameters);
        }
        if (node.type === "ClassBody") reportClass(node, report);
      });
      return findings;
    });
}

function isFunction(node: Node): boolean {
  return ["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"].includes(node.type);
}

function reportClass(
  body: Node,
  report: (offset: number, what: string, count: number, limit: number) => void,
): void {
  const members = (body["body"] as Node[]).filter((member) => member["static"] !== true);
  const constructorParameters = members.flatMap((member) => {
    const value = member["kind"] === "constructor" ? member["value"] : undefined;
    return isNode(value)
      ? (value["params"] as Node[]).filter(({ type }) => type === "TSParameterProperty")
      : [];
  });
  const fields = members.filter(({ type }) => type === "PropertyDefinition" || type === "AccessorProperty");
  const methods = members.filter(({ type, kind }) => type === "MethodDefinition" && kind !== "constructor");
  report(body.start, "fields in a class", fields.length + constructorParameters.length, limits.classFields);
  report(body.start, "methods in a class", methods.length, limits.classMethods);
}

const emptyName = /(Manager|Utils?|Helpers?|Impl)$|^(Base|Abstract)(?=[A-Z])/;
const emptyFileName = /(^|-)(managers?|utils?|helpers?|impl)$|^(base|abstract)-/;

/** Check that files are lower case with hyphens, and that nothing is named after nothing. */
export function checkNames(sources: readonly Source[]): Finding[] {
  return sources.flatMap((source) => {
    const findings: Finding[] = [];
    const report = (line: number, message: string): void => {
      findings.push({ rule: "names", path: source.path, line, message });
    };
    const fileName = source.path.split("/").at(-1) ?? "";
    const stem = fileName.split(".")[0] ?? "";
    if (!/^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)*\.(ts|tsx|mjs)$/.test(fileName))
      report(1, "a file's name is lower case with hyphens");
    if (emptyFileName.test(stem)) report(1, `"${stem}" names nothing: say what differs`);
    walk(source.program, (node) => {
      const isNamed =
        /^(ClassDeclaration|ClassExpression|TSInterfaceDeclaration|TSTypeAliasDeclaration)$/.test(node.type);
      const name = isNamed && isNode(node["id"]) ? (node["id"]["name"] as string) : "";
      if (emptyName.test(name))
        report(lineAt(source, node.start), `"${name}" names nothing: say what differs`);
    });
    return findings;
  });
}

/** Check that a room's `index.ts` opens with its purpose, and that every exported function and class says what it does. */
export function checkDocstrings(sources: readonly Source[]): Finding[] {
  return sources
    .filter(({ path }) => sized.test(path) && !isTestFile(path))
    .flatMap((source) => {
      const findings: Finding[] = [];
      if (/^src\/[^/]+\/index\.ts$/.test(source.path) && !source.text.startsWith("/**")) {
        const message = "a room's index.ts opens with its purpose";
        findings.push({ rule: "docstrings", path: source.path, line: 1, message });
      }
      for (const [name, uses] of exportedThings(source)) {
        if (uses.some((node) => hasDocstring(source, node))) continue;
        const line = lineAt(source, uses[0]?.start ?? 0);
        findings.push({ rule: "docstrings", path: source.path, line, message: `${name} has no docstring` });
      }
      return findings;
    });
}

/** Exported functions and classes by name; an overloaded function has several declarations. */
function exportedThings(source: Source): Map<string, Node[]> {
  const things = new Map<string, Node[]>();
  const add = (name: unknown, node: Node): void => {
    if (typeof name === "string") things.set(name, [...(things.get(name) ?? []), node]);
  };
  for (const statement of source.program["body"] as Node[]) {
    const declaration = statement["declaration"];
    if (!/^Export(Named|Default)Declaration$/.test(statement.type) || !isNode(declaration)) continue;
    if (/^(FunctionDeclaration|TSDeclareFunction|ClassDeclaration)$/.test(declaration.type)) {
      add(isNode(declaration["id"]) ? declaration["id"]["name"] : "default", statement);
    }
    if (declaration.type !== "VariableDeclaration") continue;
    for (const declarator of declaration["declarations"] as Node[]) {
      const { id, init } = declarator;
      if (isNode(id) && isNode(init) && isFunction(init)) add(id["name"], statement);
    }
  }
  return things;
}

function hasDocstring(source: Source, node: Node): boolean {
  const before = source.comments.findLast(({ end }) => end <= node.start);
  if (before === undefined || before.type !== "Block" || !before.value.startsWith("*")) return false;
  return source.text.slice(before.end, node.start).trim() === "";
}

/** Check that every code given to a `CofferError`, compared with a `.code` or promised by `@throws` is in the closed list. */
export function checkErrorCodes(sources: readonly Source[], codes: ReadonlySet<string>): Finding[] {
  return sources
    .filter(({ path }) => sized.test(path) && !isTestFile(path))
    .flatMap((source) => {
      const findings: Finding[] = [];
      const judge = (code: unknown, offset: number): void => {
        if (typeof code !== "string" || codes.has(code)) return;
        const message = `"${code}" is not an error code of src/std/error-codes.ts`;
        findings.push({ rule: "error codes", path: source.path, line: lineAt(source, offset), message });
      };
      walk(source.program, (node) => {
        const callee = node["callee"];
        if (node.type === "NewExpression" && isNode(callee) && callee["name"] === "CofferError") {
          const code = (node["arguments"] as Node[])[0];
          if (code?.type === "Literal") judge(code["value"], node.start);
        }
        if (node.type === "BinaryExpression") judgeComparison(node, judge);
      });
      for (const comment of source.comments)
        for (const line of comment.value.matchAll(/@throws([^\n]*)/g))
          for (const code of (line[1] ?? "").matchAll(/`([a-z]+\/[a-z-]+|aborted)`/g))
            judge(code[1], comment.start);
      return findings;
    });
}

function judgeComparison(node: Node, judge: (code: unknown, offset: number) => void): void {
  const { left, right } = node;
  if (!isNode(left) || !isNode(right) || left.type !== "MemberExpression" || right.type !== "Literal") return;
  const property = left["property"];
  const value = right["value"];
  // Platform errors have codes too (`ENOENT`), so only ours, which have a slash, are judged.
  if (isNode(property) && property["name"] === "code" && String(value).includes("/"))
    judge(value, node.start);
}

/** Words and paths that do not belong into a repository; spelt in pieces, so that this file does not find itself. */
const strayPatterns: readonly { pattern: RegExp; message: string }[] = [
  {
    pattern: new RegExp(`\\b(${"TO"}${"DO"}|${"FIX"}${"ME"}|${"XX"}${"X"})\\b`),
    message: "a note of something left undone",
  },
  { pattern: /(^|[\s"'`(=])\/(home|root|work|Users|tmp|mnt)\/\w/, message: "a path of one machine" },
  { pattern: /\b[A-Z]:\\\\?Users\\/, message: "a path of one machine" },
];

/** Check any text file for machine paths and for words of unfinished work. */
export function checkWords(files: readonly { path: string; text: string }[]): Finding[] {
  return files.flatMap(({ path, text }) =>
    text
      .split("\n")
      .flatMap((content, index) =>
        strayPatterns
          .filter(({ pattern }) => pattern.test(content))
          .map(({ message }) => ({ rule: "words", path, line: index + 1, message })),
      ),
  );
}
