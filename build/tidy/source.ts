/** A source file as the rules see it: its path, text, syntax tree and comments. */
import { parseSync } from "vite";

/** A node of the ESTree syntax tree, TypeScript's nodes included. */
export interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: unknown;
}

export interface Comment {
  readonly type: "Line" | "Block";
  readonly value: string;
  readonly start: number;
  readonly end: number;
}

export interface Source {
  /** Relative to the repository's root, with forward slashes. */
  readonly path: string;
  readonly text: string;
  readonly program: Node;
  readonly comments: readonly Comment[];
}

/** A broken rule, and where. */
export interface Finding {
  readonly rule: string;
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

/** Parse one file; throws when it is not TypeScript. */
export function parseSource(path: string, text: string): Source {
  const parsed = parseSync(path, text, { lang: path.endsWith("x") ? "tsx" : "ts" });
  const error = parsed.errors[0];
  if (error !== undefined) throw new Error(`${path} does not parse: ${error.message}`);
  return { path, text, program: parsed.program as unknown as Node, comments: parsed.comments };
}

/** The line of an offset, counted from 1. */
export function lineAt(source: Source, offset: number): number {
  let line = 1;
  for (
    let index = source.text.indexOf("\n");
    index !== -1 && index < offset;
    index = source.text.indexOf("\n", index + 1)
  )
    line += 1;
  return line;
}

export function isNode(value: unknown): value is Node {
  return (
    typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string"
  );
}

/** A node's children with the name of the property that holds them. */
export function* childrenOf(node: Node): Generator<[key: string, child: Node]> {
  for (const [key, value] of Object.entries(node)) {
    if (isNode(value)) yield [key, value];
    else if (Array.isArray(value)) for (const child of value) if (isNode(child)) yield [key, child];
  }
}

/** Visit a tree from its root down; `visit` returns false to leave out what is below a node. */
export function walk(
  node: Node,
  visit: (node: Node, parent: Node | undefined, key: string) => boolean | void,
  parent?: Node,
  key = "",
): void {
  if (visit(node, parent, key) === false) return;
  for (const [childKey, child] of childrenOf(node)) walk(child, visit, node, childKey);
}

/** Tests, the contracts and fixtures they share, and the simulator: free of gates, sizes and docstrings. */
export function isTestFile(path: string): boolean {
  return (
    /(\.(test|test-d|bench)\.tsx?|-(contract|fixtures)\.ts)$/.test(path) ||
    /^(src\/sim|server\/test)\//.test(path)
  );
}

/** Types only: nothing below such a node exists at run time. */
export function isTypeOnly(node: Node): boolean {
  return (
    node.type === "TSTypeAnnotation" ||
    node.type === "TSTypeParameterInstantiation" ||
    node.type === "TSTypeParameterDeclaration" ||
    node.type === "TSInterfaceDeclaration" ||
    node.type === "TSTypeAliasDeclaration" ||
    node.type === "TSClassImplements" ||
    (node["declare"] === true && node.type !== "PropertyDefinition")
  );
}
