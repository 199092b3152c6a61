/**
 * What was made out of a file, beside it: its text, and a small picture of it. Each is one field of the document, so that of two devices
 * that make it at once one result stands, and it is sealed, signed, merged and purged as the file itself.
 *
 * The field `$file:<id>/text` or `$file:<id>/thumbnail` holds bytes
 *
 * | field | size |
 * |---|---|
 * | version | u8, 1 |
 * | type | u8: 0 `text/plain` in UTF-8, 1 `image/webp`, 2 `image/png`, 3 `image/jpeg` |
 * | ofBytes | u64: how large the file was that it was made of |
 * | part | 37: where its bytes are, see `part.ts`; at most 1 MiB of text, 256 KiB of a picture |
 *
 * Parts of a file only come to its end, so one of another size has another content: what was made of it before counts no more. Bytes of
 * another form, or of a type that the field cannot have, are none.
 */
import { ByteReader, ByteWriter } from "../std/index.ts";
import { encodePart, readPart, type Part } from "./part.ts";
import { attachmentField, readAttachments, type AttachmentRecord } from "./record.ts";

const derivedVersion = 1;
const derivedBytes = 47;
const types = ["text/plain", "image/webp", "image/png", "image/jpeg"] as const;

/** What can be made of a file, and how large it may be. */
export const derivedLimits = { text: 1024 * 1024, thumbnail: 256 * 1024 } as const;

/** What was made of a file. */
export type DerivedKind = keyof typeof derivedLimits;

/** Every kind that there is. */
export const derivedKinds: readonly DerivedKind[] = ["text", "thumbnail"];

/** The types that something made of a file can have. */
export type DerivedType = (typeof types)[number];

/** Something that was made of a file. */
export interface Derived {
  readonly type: DerivedType;
  readonly ofBytes: number;
  readonly part: Part;
}

type Fields = { readonly [field: string]: unknown };

/** The field of a document that holds what was made of a file. */
export function derivedField(id: string, kind: DerivedKind): string {
  return `${attachmentField(id)}/${kind}`;
}

/** The type under which something can be kept; `undefined`: it cannot be, for its type or its size. */
export function derivedTypeOf(kind: DerivedKind, type: string, sizeBytes: number): DerivedType | undefined {
  const isSized = sizeBytes >= 1 && sizeBytes <= derivedLimits[kind];
  return isSized ? types.find((known) => known === type && isTypeOf(kind, known)) : undefined;
}

function isTypeOf(kind: DerivedKind, type: DerivedType): boolean {
  return (type === "text/plain") === (kind === "text");
}

/** Write it as its document holds it: see the table above. */
export function encodeDerived({ ofBytes, part, type }: Derived): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(derivedBytes).u8(derivedVersion).u8(types.indexOf(type)).u64(ofBytes);
  return writer.fixed(encodePart(part)).toBytes();
}

/** Read a field; `undefined` for anything that {@link encodeDerived} would not have written for this kind. */
export function readDerived(kind: DerivedKind, value: unknown): Derived | undefined {
  if (!(value instanceof Uint8Array) || value.length !== derivedBytes) return undefined;
  const reader = new ByteReader(value);
  if (reader.u8() !== derivedVersion) return undefined;
  const type = types[reader.u8()];
  const ofBytes = reader.u64();
  const part = readPart(reader.fixed(37));
  if (!reader.finish() || type === undefined || part === undefined || part.isShared === true)
    return undefined;
  return derivedTypeOf(kind, type, part.sizeBytes) === type ? { type, ofBytes, part } : undefined;
}

/** What a document's value has of a file; `undefined` where there is none, or the file grew since it was made. */
export function findDerived(
  value: Fields,
  { id, sizeBytes }: Pick<AttachmentRecord, "id" | "sizeBytes">,
  kind: DerivedKind,
): Derived | undefined {
  const derived = readDerived(kind, value[derivedField(id, kind)]);
  return derived?.ofBytes === sizeBytes ? derived : undefined;
}

/** Every part that a document's value names: those of its files, and those of what was made of them. */
export function namedParts(value: Fields): readonly Part[] {
  return readAttachments(value).flatMap((file) => [
    ...file.parts,
    ...derivedKinds.flatMap((kind) => readDerived(kind, value[derivedField(file.id, kind)])?.part ?? []),
  ]);
}
