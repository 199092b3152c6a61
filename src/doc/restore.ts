/** Values of earlier versions as operations that write them anew: their types are kept, and the marks of their texts. */
import type { DraftOperation, DraftValue, Path } from "../draft/index.ts";
import { toLeaf } from "./plain.ts";
import type { StoredValue } from "./undone.ts";
import type { Version } from "./version.ts";
import { marksOf } from "./mark-patches.ts";

/** A value as it is recorded, and the marks to lay over its texts, by their path below it. */
export interface Restored {
  readonly value: DraftValue;
  readonly marks: readonly DraftOperation[];
}

/** Read a value of a version, to be written at `path`. */
export function restore(version: Version, written: StoredValue, path: Path): Restored {
  const marks: DraftOperation[] = [];
  return { value: readDraft({ version, marks }, written.type, written.value, path), marks };
}

interface Reading {
  readonly version: Version;
  readonly marks: DraftOperation[];
}

function readDraft(reading: Reading, type: string, value: unknown, path: Path): DraftValue {
  const { version } = reading;
  if (type === "counter") return new Map([["counter", Number(value)]]);
  if (type === "str") return new Map([["atomic", String(value)]]);
  if (typeof value !== "string") return toLeaf(value);
  if (type === "text") return readText(reading, value, path);
  if (type === "list") {
    const length = version.length(value);
    return Array.from({ length }, (_, index) => readPart(reading, value, index, [...path, index]));
  }
  const keys = version.keys(value);
  return Object.fromEntries(keys.map((key) => [key, readPart(reading, value, key, [...path, key])]));
}

function readPart(reading: Reading, owner: string, step: string | number, path: Path): DraftValue {
  const found = reading.version.getWithType(owner, step);
  return found === null ? null : readDraft(reading, found[0], found[1], path);
}

function readText({ version, marks }: Reading, text: string, path: Path): string {
  for (const { start, end, name, value } of marksOf(version, text))
    marks.push({ op: "mark", path, range: { start, end }, name, value });
  return version.text(text);
}
