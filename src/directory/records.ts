/**
 * The canonical bytes of a directory record: the plaintext of one `directory_record` entry.
 *
 * | field | size | of |
 * |---|---|---|
 * | version | u8, 1 | all |
 * | kind | u8: 1 grantaccess, 2 revokeaccess, 3 membercard | all |
 * | userKey | 32 | all |
 * | encryptionKey | 32 | grantaccess |
 * | nameHash | 32 | grantaccess |
 * | cutCount | varint, ≤ 10 000 | revokeaccess |
 * | cutCount × dbId | 16, ascending, unique | revokeaccess |
 * | … headCount | varint, 1 … 1024 | revokeaccess |
 * | … headCount × commit hash | 32 each, ascending, unique | revokeaccess |
 * | userName | sized UTF-8, 1 … 256 bytes | membercard |
 *
 * A record is at most 256 KiB and has one form only: what is read encodes to the same bytes. Versions and kinds that are not
 * in the table are refused.
 */
import {
  bytesToId,
  ByteReader,
  ByteWriter,
  CofferError,
  compareBytes,
  equalBytes,
  idToBytes,
  type AuthorKey,
  type CommitHash,
  type DbId,
} from "../std/index.ts";
import type { DirectoryRecord } from "./directory.ts";

const recordVersion = 1;
const kinds = { grantaccess: 1, revokeaccess: 2, membercard: 3 } as const;

/** Limits that every writer keeps and every reader checks. */
export const recordLimits = {
  recordBytes: 256 * 1024,
  cuts: 10_000,
  headsPerCut: 1024,
  userNameBytes: 256,
} as const;

type RevokeRecord = Extract<DirectoryRecord, { kind: "revokeaccess" }>;

/**
 * Encode a record. Cuts and heads are sorted; doubled heads and cuts without heads, which say nothing, are left out.
 *
 * @throws `input/invalid` when a field has another size than the table's or a database is named twice; `input/too-large`
 *   over {@link recordLimits}
 */
export function encodeRecord(record: DirectoryRecord): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter()
    .u8(recordVersion)
    .u8(kinds[record.kind])
    .fixed(idToBytes(record.userKey), 32);
  switch (record.kind) {
    case "grantaccess":
      requireSize(record.encryptionKey, 32);
      requireSize(record.nameHash, 32);
      writer.fixed(record.encryptionKey).fixed(record.nameHash);
      break;
    case "revokeaccess":
      writeCuts(writer, record.cuts);
      break;
    case "membercard":
      writer.text(record.userName);
      break;
  }
  const bytes = writer.toBytes();
  if (bytes.length > recordLimits.recordBytes)
    throw new CofferError("input/too-large", { sizeBytes: bytes.length });
  // I1: a writer keeps every limit that a reader checks
  if (parseRecord(bytes) === undefined) throw new CofferError("input/invalid", { reason: record.kind });
  return bytes;
}

/** Read a record from untrusted bytes; `undefined` for anything that {@link encodeRecord} would not have written. */
export function parseRecord(bytes: Uint8Array): DirectoryRecord | undefined {
  if (bytes.length > recordLimits.recordBytes) return undefined;
  const reader = new ByteReader(bytes);
  if (reader.u8() !== recordVersion) reader.fail("version");
  const kind = reader.u8();
  const userKeyBytes = reader.fixed(32);
  if (reader.error !== undefined) return undefined;
  const record = readBody(reader, kind, bytesToId("AuthorKey", userKeyBytes));
  return reader.finish() ? record : undefined;
}

function requireSize(bytes: Uint8Array, sizeBytes: number): void {
  if (bytes.length !== sizeBytes)
    throw new CofferError("input/invalid", { reason: "size", sizeBytes: bytes.length });
}

function writeCuts(writer: ByteWriter, cuts: RevokeRecord["cuts"]): void {
  const rows = cuts
    .filter((cut) => cut.heads.length > 0)
    .map((cut) => ({ dbId: idToBytes(cut.dbId), heads: sortUnique(cut.heads.map(idToBytes)) }))
    .sort((a, b) => compareBytes(a.dbId, b.dbId));
  if (rows.length > recordLimits.cuts) throw new CofferError("input/too-large", { cuts: rows.length });
  writer.varint(rows.length);
  for (const row of rows) {
    const headCount = row.heads.length;
    if (headCount > recordLimits.headsPerCut) throw new CofferError("input/too-large", { heads: headCount });
    writer.fixed(row.dbId).varint(headCount);
    for (const head of row.heads) writer.fixed(head);
  }
}

function sortUnique(items: readonly Uint8Array[]): readonly Uint8Array[] {
  const sorted = items.toSorted(compareBytes);
  return sorted.filter((item, index) => {
    const before = sorted[index - 1];
    return before === undefined || !equalBytes(before, item);
  });
}

function readBody(reader: ByteReader, kind: number, userKey: AuthorKey): DirectoryRecord | undefined {
  switch (kind) {
    case kinds.grantaccess:
      return {
        kind: "grantaccess",
        userKey,
        encryptionKey: reader.fixed(32).slice(),
        nameHash: reader.fixed(32).slice(),
      };
    case kinds.revokeaccess:
      return { kind: "revokeaccess", userKey, cuts: readCuts(reader) };
    case kinds.membercard: {
      const userName = reader.text(recordLimits.userNameBytes);
      if (userName === "") reader.fail("empty name");
      return { kind: "membercard", userKey, userName };
    }
    default:
      reader.fail("kind");
      return undefined;
  }
}

function readCuts(reader: ByteReader): RevokeRecord["cuts"] {
  const cuts: { dbId: DbId; heads: CommitHash[] }[] = [];
  const nextDb = ascending(reader);
  const cutCount = reader.varint(recordLimits.cuts);
  for (let i = 0; i < cutCount && reader.error === undefined; i++) {
    const dbIdBytes = nextDb(16);
    const headCount = reader.varint(recordLimits.headsPerCut);
    if (headCount === 0) reader.fail("cut without heads");
    const nextHead = ascending(reader);
    const heads: CommitHash[] = [];
    for (let j = 0; j < headCount && reader.error === undefined; j++) {
      const headBytes = nextHead(32);
      if (reader.error === undefined) heads.push(bytesToId("CommitHash", headBytes));
    }
    if (reader.error === undefined) cuts.push({ dbId: bytesToId("DbId", dbIdBytes), heads });
  }
  return cuts;
}

/** Read fixed-size values, each of which must be above the one before. */
function ascending(reader: ByteReader): (sizeBytes: number) => Uint8Array {
  let before: Uint8Array | undefined;
  return (sizeBytes) => {
    const value = reader.fixed(sizeBytes);
    if (before !== undefined && compareBytes(before, value) >= 0) reader.fail("not ascending");
    before = value;
    return value;
  };
}
