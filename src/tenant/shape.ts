/**
 * The shape that an application gives a database: what older documents look like under it, and what is written to make them so.
 *
 * ```
 *   document of version 1              shown to an application of version 3            in front of its first edit
 *   { first, last, $version: 1 }  ──►  { first, last, name, tags: [], $version: 3 }  ──►  set name, set $version
 *                                        migrations 2 and 3 ┘    └ default
 * ```
 *
 * H1 fields are added or computed anew at the top level, and none is taken away: older applications go on with theirs, and their edits
 *    leave the version as it is
 * H2 a document of a newer version is shown as it stands
 * H3 with what stands in front of it, a draft fits the document as it was shown
 * H4 reading never throws, and gives the same object for the same object
 */
import {
  decodeValue,
  diffValues,
  type DocValue,
  type DraftOperation,
  type DraftValue,
  type Patch,
} from "../draft/index.ts";
import { compile, type FieldPath, type Read } from "../expr/index.ts";
import type { DatabaseShape, DocSnapshot } from "../../worker/api.ts";
import type { Summary } from "./catalog.ts";

/** The field that holds the version of a document's shape: a whole number; without it, 0. */
export const versionField = "$version";

type Fields = { readonly [field: string]: DocValue };

/** A shape that can be applied. */
export interface CompiledShape {
  /** fields that queries ask for often */
  readonly indexes: readonly FieldPath[];
  /** what it was made of */
  readonly source: DatabaseShape;
  /** The document as its application sees it: frozen, branches that stay are the same objects. */
  read(value: Fields): Fields;
  /** The same of a summary: what was cut off is not taken for missing. */
  readSummary(summary: Summary): Fields;
  /** What makes `value` fit a draft that was recorded on its reading: to be replayed before it. */
  operationsBefore(value: Fields, draft: readonly DraftOperation[]): readonly DraftOperation[];
  /** A new document with its defaults and version. */
  complete(value: DraftValue): DraftValue;
}

interface Step {
  readonly to: number;
  readonly fields: readonly (readonly [field: string, compute: Read])[];
}

interface Reading {
  readonly shown: Fields;
  /** by migrations */
  readonly computed: ReadonlySet<string>;
}

/** Make a shape ready to be applied. It was judged before. */
export function compileShape(shape: DatabaseShape): CompiledShape {
  const { version, defaults } = shape;
  const steps = shape.migrations
    .map(({ to, set }): Step => {
      const fields = Object.entries(set).map(([field, expression]) => [field, compile(expression)] as const);
      return { to, fields };
    })
    .sort((one, other) => one.to - other.to);
  const plainDefaults = Object.entries(defaults).map(
    ([field, value]) => [field, decodeValue(value)] as const,
  );
  const readings = new WeakMap<Fields, Reading>();

  const readAs = (value: Fields, isWhole: boolean): Reading => {
    const from = versionOf(value);
    const isMissing = ([field]: readonly [string, unknown]): boolean => !Object.hasOwn(value, field);
    if (from > version || (from === version && !(isWhole && plainDefaults.some(isMissing))))
      return { shown: value, computed: noFields };
    const known = readings.get(value);
    if (known !== undefined) return known;
    const { migrated, computed } = migrate(
      value,
      steps.filter(({ to }) => to > from),
    );
    const missing = isWhole ? plainDefaults.filter(([field]) => !Object.hasOwn(migrated, field)) : [];
    const stamp = from < version ? [[versionField, version] as const] : [];
    const reading = { shown: freezeFields([...Object.entries(migrated), ...missing, ...stamp]), computed };
    readings.set(value, reading);
    return reading;
  };

  return {
    indexes: shape.indexes ?? [],
    source: shape,
    read: (value) => readAs(value, true).shown,
    readSummary: ({ value, isWhole }) => readAs(value, isWhole).shown,
    operationsBefore(value, draft) {
      const { shown, computed } = readAs(value, true);
      if (shown === value) return [];
      const touched = fieldsInside(draft);
      const early: DraftOperation[] = [];
      const late: DraftOperation[] = [];
      for (const [field, item] of Object.entries(shown)) {
        const isDefault = !Object.hasOwn(value, field) && !computed.has(field);
        const isNew = isDefault ? touched.has(field) : !Object.is(item, value[field]);
        if (!isNew || field === versionField) continue;
        const written = (isDefault ? defaults[field] : undefined) ?? item;
        (touched.has(field) ? late : early).push({ op: "set", path: [field], value: written });
      }
      // Of two that migrate one document at a time, what the later operations made stands: that which someone edited.
      if (versionOf(value) < version) early.push({ op: "set", path: [versionField], value: version });
      return [...early, ...late];
    },
    complete(value) {
      const fields = Object.entries(value ?? {}) as [string, DraftValue][];
      const given = Object.fromEntries(fields);
      const stamp: [string, DraftValue][] =
        version > 0 ? [[versionField, Math.max(version, versionOf(given))]] : [];
      return Object.fromEntries([...Object.entries(defaults), ...fields, ...stamp]);
    },
  };
}

/** What a page with this shape is told of a document. */
export function shapeSnapshot(shape: CompiledShape | undefined, snapshot: DocSnapshot): DocSnapshot {
  if (shape === undefined || snapshot.value === undefined) return snapshot;
  return { ...snapshot, value: shape.read(snapshot.value) };
}

const noFields: ReadonlySet<string> = new Set();

/** Each step computes from what the one before it made. */
function migrate(value: Fields, steps: readonly Step[]): { migrated: Fields; computed: ReadonlySet<string> } {
  let migrated = value;
  const computed = new Set<string>();
  for (const { fields } of steps) {
    const before = migrated;
    const found = fields.flatMap(([field, compute]): [string, DocValue][] => {
      const item = compute(before) as DocValue | undefined;
      return item === undefined ? [] : [[field, item]];
    });
    for (const [field] of found) computed.add(field);
    if (found.length > 0) migrated = Object.fromEntries([...Object.entries(before), ...found]);
  }
  return { migrated, computed };
}

/** Keys in order, as in every reading; of two the later counts. */
function freezeFields(entries: readonly (readonly [string, DocValue])[]): Fields {
  return Object.freeze(
    Object.fromEntries(entries.toSorted(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0))),
  );
}

function versionOf(value: { readonly [field: string]: unknown }): number {
  const version = Object.hasOwn(value, versionField) ? value[versionField] : 0;
  return Number.isSafeInteger(version) && Number(version) > 0 ? Number(version) : 0;
}

/** The fields that a draft writes into, and does not only set or delete. */
function fieldsInside(draft: readonly DraftOperation[]): ReadonlySet<string> {
  const inside = new Set<string>();
  for (const { op, path } of draft) {
    const isOnField = path.length === 1 && (op === "set" || op === "delete");
    if (!isOnField) inside.add(String(path[0]));
  }
  return inside;
}

/** What turns the reading of `before` into that of `after`, when `patches` do so for the documents. */
export function shapePatches(
  shape: CompiledShape | undefined,
  [before, after]: readonly [before: Fields, after: Fields],
  patches: readonly Patch[],
): readonly Patch[] {
  if (shape === undefined) return patches;
  const shown = [shape.read(before), shape.read(after)] as const;
  return shown[0] === before && shown[1] === after ? patches : diffValues(...shown);
}
