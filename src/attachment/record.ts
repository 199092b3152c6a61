/**
 * A file as its document holds it: one field `$file:<id>` for each, so that files that are added at the same time never meet.
 *
 * | field | value |
 * |---|---|
 * | id | 16 random bytes, base64url |
 * | v | 1 |
 * | name | text of 1…255 characters, no control characters, no `/` and no `\` |
 * | type | a MIME type in lower case without parameters, at most 127 characters |
 * | at | milliseconds since 1970, when it was added |
 * | parts | list of at most 4,096 parts, see `part.ts`; appending puts one more at its end |
 *
 * A record that is of another version, or not of this form, is not shown. Its size is the sum of its parts.
 */
import { bytesToBase64url, parseBase64url } from "../std/index.ts";
import { cutting, encodePart, readPart, type Part } from "./part.ts";

const fieldPrefix = "$file:";
const recordVersion = 1;
const idBytes = 16;
const latestMs = 8.64e15;
const unknownType = "application/octet-stream";

/** What a file is held to. */
export const attachmentLimits = {
  ...cutting,
  parts: 4096,
  nameLength: 255,
  typeLength: 127,
  /** attachments of one document that are shown */
  perDocument: 1000,
} as const;

/** A file of a document. */
export interface AttachmentRecord {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly addedAtMs: number;
  readonly sizeBytes: number;
  readonly parts: readonly Part[];
}

/** The field of a document that holds a file. */
export function attachmentField(id: string): string {
  return fieldPrefix + id;
}

/** Whether a field of a document is a file's. */
export function isAttachmentField(field: string): boolean {
  return field.startsWith(fieldPrefix);
}

/** The id of the file that a field holds; `undefined` when it is no file's. */
export function attachmentIdOf(field: string): string | undefined {
  return isAttachmentField(field) && isId(field.slice(fieldPrefix.length))
    ? field.slice(fieldPrefix.length)
    : undefined;
}

function isId(text: string): boolean {
  return parseBase64url(text)?.length === idBytes;
}

/** Name a new file, by 16 random bytes. */
export function newAttachmentId(random: Uint8Array): string {
  return bytesToBase64url(random.subarray(0, idBytes));
}

/** Write a file as its document holds it. What no name or type can hold is left out of them. */
export function encodeRecord(record: Omit<AttachmentRecord, "id" | "sizeBytes">) {
  return {
    v: recordVersion,
    name: cleanName(record.name),
    type: cleanType(record.type),
    at: record.addedAtMs,
    parts: record.parts.map(encodePart),
  };
}

/** A name that can stand in any folder, and reads as it is written: what cannot be in one, or turns its letters around, is a space. */
function cleanName(name: string): string {
  const plain = name.replaceAll(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069/\\]/gu, " ").trim();
  return plain.slice(0, attachmentLimits.nameLength).trim().toWellFormed() || "file";
}

function cleanType(type: string): string {
  const [plain = ""] = type.toLowerCase().split(";");
  return isType(plain.trim()) ? plain.trim() : unknownType;
}

function isType(type: string): boolean {
  return type.length <= attachmentLimits.typeLength && /^[a-z0-9!#$&^_.+-]+\/[a-z0-9!#$&^_.+-]+$/.test(type);
}

type Fields = { readonly [field: string]: unknown };

/** Read the record of a field; `undefined` for anything that {@link encodeRecord} would not have written. */
export function readRecord(id: string, value: unknown): AttachmentRecord | undefined {
  if (typeof value !== "object" || value === null || !isId(id)) return undefined;
  const { at, name, parts, type, v } = value as Fields;
  if (v !== recordVersion || typeof name !== "string" || typeof type !== "string") return undefined;
  if (name === "" || cleanName(name) !== name || cleanType(type) !== type) return undefined;
  if (typeof at !== "number" || !Number.isInteger(at) || at < 0 || at > latestMs) return undefined;
  if (!Array.isArray(parts) || parts.length > attachmentLimits.parts) return undefined;
  const read = parts.map(readPart);
  if (read.includes(undefined)) return undefined;
  const known = read.flatMap((part) => part ?? []);
  const sizeBytes = known.reduce((sum, part) => sum + part.sizeBytes, 0);
  return { id, name, type, addedAtMs: at, sizeBytes, parts: known };
}

/** The files of a document's value, in the order in which they were added. */
export function readAttachments(value: Fields): readonly AttachmentRecord[] {
  const found: AttachmentRecord[] = [];
  for (const [field, content] of Object.entries(value)) {
    const id = found.length < attachmentLimits.perDocument ? attachmentIdOf(field) : undefined;
    const record = id === undefined ? undefined : readRecord(id, content);
    if (record !== undefined) found.push(record);
  }
  return found.sort((a, b) => a.addedAtMs - b.addedAtMs || (a.id < b.id ? -1 : 1));
}
