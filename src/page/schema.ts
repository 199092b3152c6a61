/**
 * The shape of a database on the page: its schema, and what the worker is told of defaults and migrations. Loaded when a database
 * is opened with such options, not before.
 */
import { isAttachmentField } from "../attachment/index.ts";
import type { DatabaseShape } from "../../worker/api.ts";
import type { decodeValue, DocValue, DraftValue, encodeInitialValue } from "../draft/index.ts";
import { fieldPath, judgeExpression, type FieldPath } from "../expr/index.ts";
import { CofferError, type ErrorIssue } from "../std/index.ts";
import type { Migration, OpenDatabaseOptions, StandardResult, StandardSchema } from "./types.ts";

/** What a database was opened with. */
export interface PageShape {
  /** Hold a new document, with its defaults, against the schema. @throws `input/schema` */
  validateNew(value: unknown): void;
  /** Hold an edit against the schema: what did not fit before stops nothing. @throws `input/schema` */
  validateEdit(before: Fields, after: Fields): void;
  readonly shape: DatabaseShape;
}

type Fields = { readonly [field: string]: DocValue };

/** The page's own: counters and atomic strings are known by their classes, of which this file may hold no second copy. */
export interface ValueCodec {
  readonly decodeValue: typeof decodeValue;
  readonly encodeInitialValue: typeof encodeInitialValue;
}

const versionField = "$version";
const maxSteps = 64;
const maxFields = 64;
const maxIndexes = 16;
const maxDefaults = 256;

/** Read the options of a database. @throws `input/invalid` with the place of what is no plain data or too much */
export function createShape<T extends object>(options: OpenDatabaseOptions<T>, codec: ValueCodec): PageShape {
  const { schema } = options;
  const shape = readShape(options, codec);
  const defaults = codec.decodeValue(shape.defaults) as Fields;
  const judged = new WeakMap<object, readonly ErrorIssue[]>();
  const issuesOf = (value: Fields): readonly ErrorIssue[] => {
    if (schema === undefined) return [];
    const known = judged.get(value) ?? findIssues(schema, value);
    judged.set(value, known);
    return known;
  };
  return {
    shape,
    validateNew(value) {
      const fields = codec.decodeValue(codec.encodeInitialValue(value)) as Fields;
      refuse(issuesOf(Object.fromEntries([...Object.entries(defaults), ...Object.entries(fields)])));
    },
    validateEdit(before, after) {
      const issues = issuesOf(after);
      if (issues.length === 0) return;
      const old = new Set(issuesOf(before).map(printIssue));
      refuse(issues.filter((issue) => !old.has(printIssue(issue))));
    },
  };
}

function refuse(issues: readonly ErrorIssue[]): void {
  const [first] = issues;
  if (first === undefined) return;
  const message = `${first.path || "/"}: ${first.message}`;
  throw new CofferError("input/schema", { path: first.path, message, issues });
}

const printIssue = ({ path, message }: ErrorIssue): string => JSON.stringify([path, message]);

function findIssues(schema: StandardSchema, value: Fields): readonly ErrorIssue[] {
  const isOwn = ([field]: readonly [string, unknown]): boolean =>
    field !== versionField && !isAttachmentField(field);
  const fields = Object.fromEntries(Object.entries(value).filter(isOwn));
  const result = validate(schema, fields);
  if (result.issues === undefined) {
    const change = findChange(fields, result.value, "");
    return change === undefined ? [] : [change];
  }
  return result.issues.map(({ path = [], message }) => ({
    path: path.map((step) => pointerStep(typeof step === "object" ? step.key : step)).join(""),
    message,
  }));
}

function validate(schema: StandardSchema, value: unknown): StandardResult {
  let result: StandardResult | Promise<StandardResult>;
  try {
    result = schema["~standard"].validate(value);
  } catch (cause) {
    throw new CofferError("input/schema", { message: "The schema failed on this document." }, { cause });
  }
  if (!("then" in result)) return result;
  result.then(undefined, () => undefined);
  throw new CofferError("input/schema", {
    message: "Asynchronous schemas are not supported: an edit is shown at once.",
  });
}

const transforms =
  "the schema transforms this value; documents hold what was written, so transform it before";
const adds = "the schema adds this field; give it as one of the `defaults` of openDB";

/** Where a schema's output is not its input. Fields that it leaves out are those it does not know. */
function findChange(input: unknown, output: unknown, path: string): ErrorIssue | undefined {
  if (Object.is(input, output)) return undefined;
  const changed = { path, message: transforms };
  if (typeof input !== "object" || typeof output !== "object" || input === null || output === null)
    return changed;
  if (input instanceof Date)
    return output instanceof Date && input.getTime() === output.getTime() ? undefined : changed;
  if (Array.isArray(input) !== Array.isArray(output) || output instanceof Date) return changed;
  if (sizeOf(input) !== sizeOf(output)) return changed;
  const before: { readonly [key: string]: unknown } = { ...input };
  for (const [key, value] of Object.entries(output)) {
    const at = path + pointerStep(key);
    const old = Object.hasOwn(before, key) ? before[key] : undefined;
    if (value === undefined) continue;
    const found = old === undefined ? { path: at, message: adds } : findChange(old, value, at);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** How many elements a list or bytes have: a schema may leave out none of them. */
function sizeOf(value: object): number {
  return Array.isArray(value) || value instanceof Uint8Array ? value.length : -1;
}

function isList<T>(value: readonly T[]): value is readonly T[] {
  return Array.isArray(value);
}

function readShape<T extends object>(options: OpenDatabaseOptions<T>, codec: ValueCodec): DatabaseShape {
  const { defaults = {}, indexes, migrations = [] } = options;
  if (!isList(migrations) || migrations.length > maxSteps)
    invalid("migrations", `a list of at most ${maxSteps} migrations`);
  const latest = Math.max(0, ...migrations.map(({ to }) => to));
  const version = options.version ?? latest;
  if (!Number.isSafeInteger(version) || version < (options.version === undefined ? 0 : 1))
    invalid("version", "a whole number from 1 on");
  const steps = migrations.map((migration, index) =>
    readMigration(migration, `migrations.${index}`, version),
  );
  if (new Set(steps.map(({ to }) => to)).size < steps.length)
    invalid("migrations", "one migration to each version");
  const shape = { version, defaults: readDefaults(defaults, codec), migrations: steps };
  return indexes === undefined ? shape : { ...shape, indexes: readIndexes(indexes) };
}

function readIndexes(indexes: readonly (string | FieldPath)[]): readonly FieldPath[] {
  if (!isList(indexes) || indexes.length > maxIndexes)
    invalid("indexes", `a list of at most ${maxIndexes} fields`);
  return indexes.map((field, index) => {
    const verdict = judgeExpression({
      op: "field",
      path: typeof field === "string" ? fieldPath(field) : field,
    });
    if (verdict.kind === "malformed" || verdict.expression.op !== "field")
      return invalid(`indexes.${index}`, "the path of a field");
    return verdict.expression.path;
  });
}

function readDefaults(defaults: object, codec: ValueCodec): DatabaseShape["defaults"] {
  const fields = codec.encodeInitialValue(defaults) as { readonly [field: string]: DraftValue };
  if (Object.keys(fields).length > maxDefaults) invalid("defaults", `at most ${maxDefaults} fields`);
  if (Object.hasOwn(fields, versionField)) invalid("defaults", `no ${versionField}: it is the version's own`);
  return fields;
}

function readMigration(migration: Migration, at: string, version: number): Migration {
  const { to, set } = migration;
  if (!Number.isSafeInteger(to) || to < 1 || to > version)
    invalid(`${at}.to`, `a version from 1 to ${version}`);
  const fields = Object.entries(set);
  if (fields.length > maxFields) invalid(`${at}.set`, `at most ${maxFields} fields`);
  const read = fields.map(([field, input]) => {
    if (field === versionField) invalid(`${at}.set`, `no ${versionField}: it is the version's own`);
    const verdict = judgeExpression(input);
    if (verdict.kind === "malformed")
      invalid(`${at}.set.${field}`, `an expression, wrong at "${verdict.at}"`);
    return [field, verdict.expression] as const;
  });
  return { to, set: Object.fromEntries(read) };
}

function invalid(at: string, wanted: string): never {
  throw new CofferError("input/invalid", { at, message: `${at}: give ${wanted}.` });
}

function pointerStep(step: PropertyKey): string {
  return `/${String(step).replaceAll("~", "~0").replaceAll("/", "~1")}`;
}
