/** The fields of directory records that are lists or ids: written in their one order, read with every limit. The table is in records.ts. */
import {
  bytesToId,
  ByteWriter,
  CofferError,
  compareBytes,
  equalBytes,
  idSizes,
  idToBytes,
  utf8ToBytes,
  type ByteReader,
  type AuthorKey,
  type CommitHash,
  type DbId,
  type DocId,
  type GroupId,
  type KeyId,
} from "../std/index.ts";
import {
  roles,
  type DirectoryCuts,
  type DirectoryRecord,
  type MemberEdit,
  type MemberRef,
  type NarrowedUsers,
  type RoleEdit,
  type RoleSubject,
  type SettingEdit,
} from "./directory.ts";

/** Limits that every writer keeps and every reader checks. */
export const recordLimits = {
  recordBytes: 256 * 1024,
  cuts: 10_000,
  headsPerCut: 1024,
  userNameBytes: 256,
  groupNameBytes: 256,
  dbNameBytes: 256,
  memberEdits: 5_000,
  settingEdits: 256,
  settingNameBytes: 128,
  settingBytes: 4096,
  roleEdits: 5_000,
  narrowedUsers: 5_000,
  adopted: 5_000,
  purged: 5_000,
  wraps: 1_500,
  wrapBytes: [80, 336],
} as const;

interface RecordIds {
  readonly DocId: DocId;
  readonly AuthorKey: AuthorKey;
  readonly CommitHash: CommitHash;
  readonly DbId: DbId;
  readonly GroupId: GroupId;
  readonly KeyId: KeyId;
}

const everyoneByte = 0;
const memberBytes = { user: 1, group: 2 } as const;
const opBytes = { added: 1, removed: 2 } as const;

/** Read an id; where the bytes end, one of zeros, which the reader's error makes worthless. */
export function readId<K extends keyof RecordIds>(reader: ByteReader, kind: K): RecordIds[K] {
  const bytes = reader.fixed(idSizes[kind]);
  return bytesToId(kind, reader.error === undefined ? bytes : new Uint8Array(idSizes[kind])) as RecordIds[K];
}

/** Read text that is not empty. */
export function readName(reader: ByteReader, maxBytes: number): string {
  const name = reader.text(maxBytes);
  if (name === "") reader.fail("empty name");
  return name;
}

/** @throws `input/invalid`, `input/too-large` */
export function writeCuts(writer: ByteWriter, cuts: DirectoryCuts): void {
  const rows = cuts
    .filter((cut) => cut.heads.length > 0)
    .map((cut) => ({ dbId: idToBytes(cut.dbId), heads: sortUnique(cut.heads.map(idToBytes)) }))
    .sort((a, b) => compareBytes(a.dbId, b.dbId));
  writeCount(writer, rows.length, "cuts");
  for (const row of rows) {
    writeCount(writer.fixed(row.dbId), row.heads.length, "headsPerCut");
    for (const head of row.heads) writer.fixed(head);
  }
}

/** Read what {@link writeCuts} wrote. */
export function readCuts(reader: ByteReader): DirectoryCuts {
  const nextDb = ascending(reader);
  return readList(reader, recordLimits.cuts, () => {
    const dbId = nextDb(() => readId(reader, "DbId"), idToBytes);
    const nextHead = ascending(reader);
    const heads = readList(reader, recordLimits.headsPerCut, () =>
      nextHead(() => readId(reader, "CommitHash"), idToBytes),
    );
    if (heads.length === 0) reader.fail("cut without heads");
    return { dbId, heads };
  });
}

/** @throws `input/too-large` */
export function writeMemberEdits(writer: ByteWriter, edits: readonly MemberEdit[]): void {
  const rows = edits
    .map(({ member, op }) => ({ op, bytes: memberToBytes(member) }))
    .sort((a, b) => compareBytes(a.bytes, b.bytes));
  writeCount(writer, rows.length, "memberEdits");
  for (const { bytes, op } of rows) writer.fixed(bytes).u8(opBytes[op]);
}

/** Read what {@link writeMemberEdits} wrote. */
export function readMemberEdits(reader: ByteReader): readonly MemberEdit[] {
  const next = ascending(reader);
  return readList(reader, recordLimits.memberEdits, () => {
    const member = next(() => readMember(reader), memberToBytes);
    const op = reader.u8();
    if (op !== opBytes.added && op !== opBytes.removed) reader.fail("op");
    return { op: op === opBytes.added ? ("added" as const) : ("removed" as const), member };
  });
}

/** @throws `input/too-large` */
export function writeRoleEdits(writer: ByteWriter, edits: readonly RoleEdit[]): void {
  const rows = edits
    .map(({ role, subject }) => ({ role, bytes: subjectToBytes(subject) }))
    .sort((a, b) => compareBytes(a.bytes, b.bytes));
  writeCount(writer, rows.length, "roleEdits");
  for (const { bytes, role } of rows)
    writer.fixed(bytes).u8(role === undefined ? 0 : roles.indexOf(role) + 1);
}

/** Read what {@link writeRoleEdits} wrote. */
export function readRoleEdits(reader: ByteReader): readonly RoleEdit[] {
  const next = ascending(reader);
  return readList(reader, recordLimits.roleEdits, () => {
    const subject = next(() => readSubject(reader), subjectToBytes);
    const byte = reader.u8();
    if (byte > roles.length) reader.fail("role");
    return { subject, role: roles[byte - 1] };
  });
}

/** @throws `input/too-large` */
export function writeNarrowed(writer: ByteWriter, users: NarrowedUsers): void {
  const rows = users
    .map(({ cuts, userKey }) => ({ user: idToBytes(userKey), cuts }))
    .sort((a, b) => compareBytes(a.user, b.user));
  writeCount(writer, rows.length, "narrowedUsers");
  for (const { cuts, user } of rows) writeCuts(writer.fixed(user), cuts);
}

/** Read what {@link writeNarrowed} wrote. */
export function readNarrowed(reader: ByteReader): NarrowedUsers {
  const next = ascending(reader);
  return readList(reader, recordLimits.narrowedUsers, () => {
    const userKey = next(() => readId(reader, "AuthorKey"), idToBytes);
    return { userKey, cuts: readCuts(reader) };
  });
}

/** @throws `input/too-large` */
export function writeSettingEdits(writer: ByteWriter, edits: readonly SettingEdit[]): void {
  const rows = edits
    .map(({ name, value }) => ({ name: utf8ToBytes(name), value }))
    .sort((a, b) => compareBytes(a.name, b.name));
  writeCount(writer, rows.length, "settingEdits");
  for (const { name, value } of rows) writer.sized(name).text(value ?? "");
}

/** Read what {@link writeSettingEdits} wrote. */
export function readSettingEdits(reader: ByteReader): readonly SettingEdit[] {
  const next = ascending(reader);
  return readList(reader, recordLimits.settingEdits, () => {
    const name = next(() => readName(reader, recordLimits.settingNameBytes), utf8ToBytes);
    const text = reader.text(recordLimits.settingBytes);
    if (text !== "" && !isCanonicalJson(text)) reader.fail("setting");
    return { name, value: text === "" ? undefined : text };
  });
}

type Wraps = Extract<DirectoryRecord, { kind: "keyepoch" }>["wraps"];

/** @throws `input/too-large` */
export function writeWraps(writer: ByteWriter, wraps: Wraps): void {
  const rows = wraps
    .map(({ sealed, userKey }) => ({ user: idToBytes(userKey), sealed }))
    .sort((a, b) => compareBytes(a.user, b.user));
  writeCount(writer, rows.length, "wraps");
  for (const { sealed, user } of rows) writer.fixed(user).sized(sealed);
}

/** Read what {@link writeWraps} wrote. */
export function readWraps(reader: ByteReader): Wraps {
  const [least, most] = recordLimits.wrapBytes;
  const next = ascending(reader);
  return readList(reader, recordLimits.wraps, () => {
    const userKey = next(() => readId(reader, "AuthorKey"), idToBytes);
    const sealed = reader.sized(most).slice();
    if (sealed.length < least) reader.fail("wrap");
    return { userKey, sealed };
  });
}

/** Tell whether text is JSON just as `JSON.stringify` writes it. */
function isCanonicalJson(text: string): boolean {
  try {
    return JSON.stringify(JSON.parse(text)) === text;
  } catch {
    return false;
  }
}

function memberToBytes(member: MemberRef): Uint8Array<ArrayBuffer> {
  const id = member.kind === "user" ? member.userKey : member.groupId;
  return new ByteWriter(33).u8(memberBytes[member.kind]).fixed(idToBytes(id)).toBytes();
}

function readMember(reader: ByteReader): MemberRef {
  return readMemberOf(reader, reader.u8());
}

function readMemberOf(reader: ByteReader, kind: number): MemberRef {
  if (kind === memberBytes.group) return { kind: "group", groupId: readId(reader, "GroupId") };
  if (kind !== memberBytes.user) reader.fail("member");
  return { kind: "user", userKey: readId(reader, "AuthorKey") };
}

function subjectToBytes(subject: RoleSubject): Uint8Array<ArrayBuffer> {
  return subject.kind === "everyone" ? Uint8Array.of(everyoneByte) : memberToBytes(subject);
}

function readSubject(reader: ByteReader): RoleSubject {
  const kind = reader.u8();
  return kind === everyoneByte ? { kind: "everyone" } : readMemberOf(reader, kind);
}

/** @throws `input/too-large` */
export function writeIds(
  writer: ByteWriter,
  ids: readonly (CommitHash | DocId)[],
  limit: "adopted" | "purged",
): void {
  const rows = sortUnique(ids.map(idToBytes));
  writeCount(writer, rows.length, limit);
  for (const row of rows) writer.fixed(row);
}

/** Read what {@link writeIds} wrote. */
export function readIds<K extends "CommitHash" | "DocId">(
  reader: ByteReader,
  kind: K,
  limit: "adopted" | "purged",
): readonly RecordIds[K][] {
  const next = ascending(reader);
  return readList(reader, recordLimits[limit], () => next(() => readId(reader, kind), idToBytes));
}

type CountLimit =
  | "adopted"
  | "purged"
  | "cuts"
  | "headsPerCut"
  | "memberEdits"
  | "narrowedUsers"
  | "roleEdits"
  | "settingEdits"
  | "wraps";

function writeCount(writer: ByteWriter, count: number, limit: CountLimit): void {
  if (count > recordLimits[limit]) throw new CofferError("input/too-large", { [limit]: count });
  writer.varint(count);
}

function readList<T>(reader: ByteReader, most: number, read: () => T): readonly T[] {
  const items: T[] = [];
  const count = reader.varint(most);
  for (let i = 0; i < count && reader.error === undefined; i++) items.push(read());
  return items;
}

function sortUnique(items: readonly Uint8Array[]): readonly Uint8Array[] {
  const sorted = items.toSorted(compareBytes);
  return sorted.filter((item, index) => {
    const before = sorted[index - 1];
    return before === undefined || !equalBytes(before, item);
  });
}

/** Read values whose bytes must each be above the one before. */
function ascending(reader: ByteReader): <T>(read: () => T, toBytes: (value: T) => Uint8Array) => T {
  let before: Uint8Array | undefined;
  return (read, toBytes) => {
    const value = read();
    if (reader.error !== undefined) return value;
    const bytes = toBytes(value);
    if (before !== undefined && compareBytes(before, bytes) >= 0) reader.fail("not ascending");
    before = bytes;
    return value;
  };
}
