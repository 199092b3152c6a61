/**
 * The canonical bytes of a directory record: the plaintext of one `directory_record` entry.
 *
 * | field | size | of |
 * |---|---|---|
 * | version | u8, 1 | all |
 * | kind | u8: 1 grantaccess, 2 revokeaccess, 3 membercard, 4 group, 5 groupcard, 6 tenantsettings, 7 dbsettings, 8 keyepoch, 9 role, 10 narrowing, 11 adopt, 12 purge, 13 wipe, 14 device | all |
 * | userKey | 32 | grantaccess, revokeaccess, membercard, wipe, device |
 * | deviceKey | 32, another one | device |
 * | encryptionKey | 32 | grantaccess |
 * | nameHash | 32 | grantaccess |
 * | cutCount | varint, ≤ 10 000 | revokeaccess |
 * | cutCount × dbId | 16, ascending, unique | revokeaccess |
 * | … headCount | varint, 1 … 1024 | revokeaccess |
 * | … headCount × commit hash | 32 each, ascending, unique | revokeaccess |
 * | userName | sized UTF-8, 1 … 256 bytes | membercard |
 * | groupId | 16 | group, groupcard |
 * | editCount | varint, ≤ 5 000 | group |
 * | editCount × member | u8 1 and userKey(32), or u8 2 and groupId(16); ascending as these bytes, unique | group |
 * | … op | u8: 1 added, 2 removed | group |
 * | groupName | sized UTF-8, 1 … 256 bytes | groupcard |
 * | dbName | sized UTF-8, 1 … 256 bytes, in NFKC | dbsettings |
 * | editCount | varint, ≤ 256 | tenantsettings, dbsettings |
 * | editCount × name | sized UTF-8, 1 … 128 bytes; ascending as bytes, unique | tenantsettings, dbsettings |
 * | … value | sized UTF-8, ≤ 4096 bytes: JSON as `JSON.stringify` writes it; empty = the setting goes | tenantsettings, dbsettings |
 * | keyId | 16 | keyepoch |
 * | epoch | u32, from 1 | keyepoch |
 * | fingerprint | 8 | keyepoch |
 * | wrapCount | varint, ≤ 1 500 | keyepoch |
 * | wrapCount × userKey | 32, ascending, unique | keyepoch |
 * | … sealed | sized, 80 … 336 bytes: see keys/key-wrap.ts | keyepoch |
 * | place | u8 0: every database, or u8 1 and dbId(16) | role |
 * | editCount | varint, ≤ 5 000 | role |
 * | editCount × subject | u8 0: everyone, or u8 1 and userKey(32), or u8 2 and groupId(16); ascending as these bytes, unique | role |
 * | … role | u8: 0 none, 1 reader, 2 author, 3 editor, 4 manager | role |
 * | userCount | varint, ≤ 5 000 | narrowing |
 * | userCount × userKey | 32, ascending, unique | narrowing |
 * | … cuts | cutCount and what follows it in revokeaccess | narrowing |
 * | commitCount | varint, ≤ 5 000 | adopt |
 * | commitCount × commit hash | 32, ascending, unique | adopt |
 * | dbId | 16 | purge |
 * | docCount | varint, ≤ 5 000 | purge |
 * | docCount × docId | 16, ascending, unique | purge |
 *
 * The entry of a wipe depends on SHA-256("coffer/wipe/v1\0" ‖ userKey), which is no entry's hash: a device that is locked reads there
 * that it is meant. Entries of other records depend on nothing.
 *
 * A record is at most 256 KiB and has one form only: what is read encodes to the same bytes. Versions and kinds that are not
 * in the table are refused.
 */
import { ByteReader, ByteWriter, CofferError, idToBytes } from "../std/index.ts";
import type { DirectoryRecord } from "./directory.ts";
import {
  readCuts,
  readId,
  readIds,
  readMemberEdits,
  readNarrowed,
  readName,
  readRoleEdits,
  readSettingEdits,
  readWraps,
  recordLimits,
  writeCuts,
  writeIds,
  writeMemberEdits,
  writeNarrowed,
  writeRoleEdits,
  writeSettingEdits,
  writeWraps,
} from "./record-fields.ts";

const recordVersion = 1;

type Kind = DirectoryRecord["kind"];
type RecordOf<K extends Kind> = Extract<DirectoryRecord, { readonly kind: K }>;

/** How the fields of one kind are written and read, behind version and kind. */
interface RecordCodec<K extends Kind> {
  readonly byte: number;
  write(writer: ByteWriter, record: RecordOf<K>): void;
  /** what is wrong, the reader remembers */
  read(reader: ByteReader): RecordOf<K>;
}

const codecs: { readonly [K in Kind]: RecordCodec<K> } = {
  grantaccess: {
    byte: 1,
    write(writer, { userKey, encryptionKey, nameHash }) {
      requireSize(encryptionKey, 32);
      requireSize(nameHash, 32);
      writer.fixed(idToBytes(userKey)).fixed(encryptionKey).fixed(nameHash);
    },
    read: (reader) => ({
      kind: "grantaccess",
      userKey: readId(reader, "AuthorKey"),
      encryptionKey: reader.fixed(32).slice(),
      nameHash: reader.fixed(32).slice(),
    }),
  },
  revokeaccess: {
    byte: 2,
    write: (writer, { userKey, cuts }) => writeCuts(writer.fixed(idToBytes(userKey)), cuts),
    read: (reader) => ({
      kind: "revokeaccess",
      userKey: readId(reader, "AuthorKey"),
      cuts: readCuts(reader),
    }),
  },
  membercard: {
    byte: 3,
    write: (writer, { userKey, userName }) => writer.fixed(idToBytes(userKey)).text(userName),
    read: (reader) => ({
      kind: "membercard",
      userKey: readId(reader, "AuthorKey"),
      userName: readName(reader, recordLimits.userNameBytes),
    }),
  },
  group: {
    byte: 4,
    write: (writer, { groupId, edits }) => writeMemberEdits(writer.fixed(idToBytes(groupId)), edits),
    read: (reader) => ({
      kind: "group",
      groupId: readId(reader, "GroupId"),
      edits: readMemberEdits(reader),
    }),
  },
  groupcard: {
    byte: 5,
    write: (writer, { groupId, groupName }) => writer.fixed(idToBytes(groupId)).text(groupName),
    read: (reader) => ({
      kind: "groupcard",
      groupId: readId(reader, "GroupId"),
      groupName: readName(reader, recordLimits.groupNameBytes),
    }),
  },
  tenantsettings: {
    byte: 6,
    write: (writer, { edits }) => writeSettingEdits(writer, edits),
    read: (reader) => ({ kind: "tenantsettings", edits: readSettingEdits(reader) }),
  },
  dbsettings: {
    byte: 7,
    write: (writer, { dbName, edits }) => writeSettingEdits(writer.text(dbName), edits),
    read(reader) {
      const dbName = readName(reader, recordLimits.dbNameBytes);
      if (dbName.normalize("NFKC") !== dbName) reader.fail("name");
      return { kind: "dbsettings", dbName, edits: readSettingEdits(reader) };
    },
  },
  keyepoch: {
    byte: 8,
    write(writer, { epoch, fingerprint, keyId, wraps }) {
      requireSize(fingerprint, 8);
      writeWraps(writer.fixed(idToBytes(keyId)).u32(epoch).fixed(fingerprint), wraps);
    },
    read(reader) {
      const keyId = readId(reader, "KeyId");
      const epoch = reader.u32();
      if (epoch === 0) reader.fail("epoch");
      const fingerprint = reader.fixed(8).slice();
      return { kind: "keyepoch", keyId, epoch, fingerprint, wraps: readWraps(reader) };
    },
  },
  role: {
    byte: 9,
    write(writer, { dbId, edits }) {
      writer.u8(dbId === undefined ? 0 : 1);
      if (dbId !== undefined) writer.fixed(idToBytes(dbId));
      writeRoleEdits(writer, edits);
    },
    read(reader) {
      const place = reader.u8();
      if (place > 1) reader.fail("place");
      const dbId = place === 1 ? readId(reader, "DbId") : undefined;
      return { kind: "role", dbId, edits: readRoleEdits(reader) };
    },
  },
  device: {
    byte: 14,
    write: (writer, { deviceKey, userKey }) => writer.fixed(idToBytes(userKey)).fixed(idToBytes(deviceKey)),
    read(reader) {
      const userKey = readId(reader, "AuthorKey");
      const deviceKey = readId(reader, "AuthorKey");
      if (deviceKey === userKey) reader.fail("device");
      return { kind: "device", userKey, deviceKey };
    },
  },
  narrowing: {
    byte: 10,
    write: (writer, { users }) => writeNarrowed(writer, users),
    read: (reader) => ({ kind: "narrowing", users: readNarrowed(reader) }),
  },
  adopt: {
    byte: 11,
    write: (writer, { commitHashes }) => writeIds(writer, commitHashes, "adopted"),
    read: (reader) => ({ kind: "adopt", commitHashes: readIds(reader, "CommitHash", "adopted") }),
  },
  purge: {
    byte: 12,
    write: (writer, { dbId, docIds }) => writeIds(writer.fixed(idToBytes(dbId)), docIds, "purged"),
    read: (reader) => ({
      kind: "purge",
      dbId: readId(reader, "DbId"),
      docIds: readIds(reader, "DocId", "purged"),
    }),
  },
  wipe: {
    byte: 13,
    write: (writer, { userKey }) => void writer.fixed(idToBytes(userKey)),
    read: (reader) => ({ kind: "wipe", userKey: readId(reader, "AuthorKey") }),
  },
};

const codecByByte: ReadonlyMap<number, RecordCodec<Kind>> = new Map(
  Object.values(codecs).map((codec) => [codec.byte, codec as RecordCodec<Kind>]),
);

/**
 * Encode a record. Cuts, heads and edits are sorted; doubled heads and ids, and cuts without heads, which say nothing, are left out.
 *
 * @throws `input/invalid` when a field has another size than the table's, or a database, member or setting is named twice;
 *   `input/too-large` over {@link recordLimits}
 */
export function encodeRecord(record: DirectoryRecord): Uint8Array<ArrayBuffer> {
  const codec = codecs[record.kind] as RecordCodec<Kind>;
  const writer = new ByteWriter().u8(recordVersion).u8(codec.byte);
  codec.write(writer, record);
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
  const codec = codecByByte.get(reader.u8());
  if (reader.error !== undefined || codec === undefined) return undefined;
  const record = codec.read(reader);
  return reader.finish() ? record : undefined;
}

function requireSize(bytes: Uint8Array, sizeBytes: number): void {
  if (bytes.length !== sizeBytes)
    throw new CofferError("input/invalid", { reason: "size", sizeBytes: bytes.length });
}
