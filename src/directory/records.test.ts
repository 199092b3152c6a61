import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  bytesToHex,
  bytesToId,
  isCofferError,
  parseHex,
  type CofferErrorCode,
  compareBytes,
  idToBytes,
} from "../std/index.ts";
import { roles, type DirectoryCuts, type DirectoryRecord } from "./directory.ts";
import { recordLimits } from "./record-fields.ts";
import { encodeRecord, parseRecord } from "./records.ts";
import vectors from "./records.vectors.json";
import { runsOf } from "../std/runs-fixtures.ts";

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const userKey = bytes32.map((bytes) => bytesToId("AuthorKey", bytes));
const cut = fc.record({
  dbId: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => bytesToId("DbId", bytes)),
  heads: fc.array(
    bytes32.map((bytes) => bytesToId("CommitHash", bytes)),
    { maxLength: 4 },
  ),
});
const groupId = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => bytesToId("GroupId", bytes));
const settingEdits = fc.uniqueArray(
  fc.record({
    name: fc.string({ unit: "grapheme", minLength: 1, maxLength: 8 }),
    value: fc.option(
      fc.json({ maxDepth: 2 }).map((text) => JSON.stringify(JSON.parse(text))),
      { nil: undefined },
    ),
  }),
  { selector: ({ name }) => name, maxLength: 5 },
);
const sortedIds = <K extends "CommitHash" | "DocId">(sizeBytes: number, kind: K) =>
  fc
    .uniqueArray(fc.uint8Array({ minLength: sizeBytes, maxLength: sizeBytes }), {
      selector: (bytes) => bytesToHex(bytes),
      maxLength: 5,
    })
    .map((ids) => ids.sort(compareBytes).map((bytes) => bytesToId(kind, bytes)));
const records: fc.Arbitrary<DirectoryRecord> = fc.oneof(
  fc.record({
    kind: fc.constant("grantaccess" as const),
    userKey,
    encryptionKey: bytes32,
    nameHash: bytes32,
  }),
  fc.record({
    kind: fc.constant("revokeaccess" as const),
    userKey,
    cuts: fc.uniqueArray(cut, { selector: ({ dbId }) => dbId, maxLength: 5 }),
  }),
  fc.record({
    kind: fc.constant("membercard" as const),
    userKey,
    userName: fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }),
  }),
  fc.record({
    kind: fc.constant("group" as const),
    groupId,
    edits: fc.uniqueArray(
      fc.record({
        op: fc.constantFrom("added" as const, "removed" as const),
        member: fc.oneof(
          fc.record({ kind: fc.constant("user" as const), userKey }),
          fc.record({ kind: fc.constant("group" as const), groupId }),
        ),
      }),
      { selector: ({ member }) => JSON.stringify(member), maxLength: 6 },
    ),
  }),
  fc.record({
    kind: fc.constant("groupcard" as const),
    groupId,
    groupName: fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }),
  }),
  fc.record({
    kind: fc.constant("keyepoch" as const),
    keyId: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => bytesToId("KeyId", bytes)),
    epoch: fc.integer({ min: 1, max: 0xffff_ffff }),
    fingerprint: fc.uint8Array({ minLength: 8, maxLength: 8 }),
    wraps: fc
      .uniqueArray(fc.record({ userKey, sealed: fc.uint8Array({ minLength: 80, maxLength: 90 }) }), {
        selector: ({ userKey: key }) => key,
        maxLength: 4,
      })
      .map((wraps) => wraps.sort((a, b) => compareBytes(idToBytes(a.userKey), idToBytes(b.userKey)))),
  }),
  fc.record({
    kind: fc.constant("role" as const),
    dbId: fc.option(
      fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => bytesToId("DbId", bytes)),
      { nil: undefined },
    ),
    edits: fc.uniqueArray(
      fc.record({
        subject: fc.oneof(
          fc.constant({ kind: "everyone" as const }),
          fc.record({ kind: fc.constant("user" as const), userKey }),
          fc.record({ kind: fc.constant("group" as const), groupId }),
        ),
        role: fc.option(fc.constantFrom(...roles), { nil: undefined }),
      }),
      { selector: ({ subject }) => JSON.stringify(subject), maxLength: 6 },
    ),
  }),
  fc.record({
    kind: fc.constant("narrowing" as const),
    users: fc.uniqueArray(
      fc.record({ userKey, cuts: fc.uniqueArray(cut, { selector: ({ dbId }) => dbId, maxLength: 3 }) }),
      { selector: ({ userKey: key }) => key, maxLength: 4 },
    ),
  }),
  fc.record({ kind: fc.constant("adopt" as const), commitHashes: sortedIds(32, "CommitHash") }),
  fc.record({
    kind: fc.constant("purge" as const),
    dbId: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => bytesToId("DbId", bytes)),
    docIds: sortedIds(16, "DocId"),
  }),
  fc.record({ kind: fc.constant("wipe" as const), userKey }),
  fc
    .record({ kind: fc.constant("device" as const), userKey, deviceKey: userKey })
    .filter((record) => record.userKey !== record.deviceKey),
  fc.record({ kind: fc.constant("tenantsettings" as const), edits: settingEdits }),
  fc.record({
    kind: fc.constant("dbsettings" as const),
    dbName: fc.string({ minLength: 1, maxLength: 20 }).map((name) => name.normalize("NFKC")),
    edits: settingEdits,
  }),
);

/** Ids stand in the vectors as texts, bytes as hex digits, settings and roles that go without a value. */
function fromJson(value: object): DirectoryRecord {
  const record: Record<string, unknown> = { ...value };
  for (const field of ["encryptionKey", "nameHash", "fingerprint"] as const)
    if (field in record) record[field] = parseHex(String(record[field]));
  if (record["kind"] === "tenantsettings" || record["kind"] === "dbsettings")
    record["edits"] = (record["edits"] as object[]).map((edit) => ({ value: undefined, ...edit }));
  if (record["kind"] === "role") {
    record["edits"] = (record["edits"] as object[]).map((edit) => ({ role: undefined, ...edit }));
    record["dbId"] ??= undefined;
  }
  if (record["kind"] === "keyepoch")
    record["wraps"] = (record["wraps"] as { sealed: string }[]).map((wrap) => ({
      ...wrap,
      sealed: parseHex(wrap.sealed),
    }));
  return record as unknown as DirectoryRecord;
}

function codeOf(run: () => unknown): CofferErrorCode | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return isCofferError(error) ? error.code : undefined;
  }
}

describe("record vectors", () => {
  test.each(vectors.records)("$name", ({ hex, record }) => {
    expect(bytesToHex(encodeRecord(fromJson(record)))).toBe(hex);
    expect(parseRecord(parseHex(hex)!)).toEqual(fromJson(record));
  });

  test.each(vectors.failures)("refused: $name", ({ hex }) => {
    expect(parseHex(hex)).toBeDefined();
    expect(parseRecord(parseHex(hex)!)).toBeUndefined();
  });
});

/** Cuts without their order; those without heads say nothing. */
const asSets = (cuts: DirectoryCuts) =>
  new Map(cuts.filter(({ heads }) => heads.length > 0).map(({ dbId, heads }) => [dbId, new Set(heads)]));

describe("records", () => {
  test("come back as they were, in canonical order", () => {
    fc.assert(
      fc.property(records, (record) => {
        const bytes = encodeRecord(record);
        const parsed = parseRecord(bytes)!;
        expect(encodeRecord(parsed)).toEqual(bytes);
        if ("edits" in record) {
          const asSet = (one: DirectoryRecord): unknown => ({
            ...one,
            edits: new Set<unknown>("edits" in one ? one.edits : []),
          });
          expect(asSet(parsed)).toEqual(asSet(record));
        } else if (record.kind === "revokeaccess") {
          expect(asSets((parsed as typeof record).cuts)).toEqual(asSets(record.cuts));
        } else if (record.kind === "narrowing") {
          const byUser = (one: DirectoryRecord) =>
            new Map((one as typeof record).users.map(({ cuts, userKey: key }) => [key, asSets(cuts)]));
          expect(byUser(parsed)).toEqual(byUser(record));
        } else expect(parsed).toEqual(record);
      }),
    );
  });

  test("give a verdict for any bytes, and only for what they would have written", () => {
    const spoiled = fc
      .tuple(records.map(encodeRecord), fc.nat(), fc.nat({ max: 255 }))
      .map(([bytes, at, value]) => bytes.with(at % bytes.length, value));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), spoiled), (bytes) => {
        const record = parseRecord(bytes);
        if (record !== undefined) expect(encodeRecord(record)).toEqual(new Uint8Array(bytes));
      }),
      { numRuns: runsOf(1000) },
    );
  });

  test("truncated at any byte or longer by one are refused", () => {
    fc.assert(
      fc.property(records, (record) => {
        const bytes = encodeRecord(record);
        for (let end = 0; end < bytes.length; end++)
          expect(parseRecord(bytes.subarray(0, end))).toBeUndefined();
        expect(parseRecord(new Uint8Array([...bytes, 0]))).toBeUndefined();
      }),
      { numRuns: runsOf(20) },
    );
  });

  test("that break a limit are not written", () => {
    const key = bytesToId("AuthorKey", new Uint8Array(32));
    const id = (kind: "DbId" | "CommitHash", index: number): never => {
      const bytes = new Uint8Array(kind === "DbId" ? 16 : 32);
      new DataView(bytes.buffer).setUint32(0, index);
      return bytesToId(kind, bytes) as never;
    };
    const heads = (count: number): never[] => Array.from({ length: count }, (_, i) => id("CommitHash", i));
    const revoke =
      (cuts: { dbId: never; heads: never[] }[]): (() => unknown) =>
      () =>
        encodeRecord({ kind: "revokeaccess", userKey: key, cuts });
    expect(codeOf(revoke([{ dbId: id("DbId", 1), heads: heads(recordLimits.headsPerCut) }]))).toBeUndefined();
    expect(codeOf(revoke([{ dbId: id("DbId", 1), heads: heads(recordLimits.headsPerCut + 1) }]))).toBe(
      "input/too-large",
    );
    const many = Array.from({ length: recordLimits.cuts + 1 }, (_, i) => ({
      dbId: id("DbId", i),
      heads: heads(1),
    }));
    expect(codeOf(revoke(many))).toBe("input/too-large");
    expect(codeOf(revoke(many.slice(0, 9000)))).toBe("input/too-large");
    expect(
      codeOf(
        revoke([
          { dbId: id("DbId", 1), heads: heads(1) },
          { dbId: id("DbId", 1), heads: heads(2) },
        ]),
      ),
    ).toBe("input/invalid");
    const card = (userName: string) => () => encodeRecord({ kind: "membercard", userKey: key, userName });
    expect(codeOf(card(""))).toBe("input/invalid");
    expect(codeOf(card("ø".repeat(128)))).toBeUndefined();
    expect(codeOf(card("ø".repeat(129)))).toBe("input/invalid");
    const groupId = bytesToId("GroupId", new Uint8Array(16));
    const member = (index: number) => {
      const bytes = new Uint8Array(32);
      new DataView(bytes.buffer).setUint32(0, index);
      return { op: "added", member: { kind: "user", userKey: bytesToId("AuthorKey", bytes) } } as const;
    };
    const members = (count: number) => Array.from({ length: count }, (_, index) => member(index));
    const group = (edits: ReturnType<typeof members>) => () =>
      encodeRecord({ kind: "group", groupId, edits });
    expect(codeOf(group(members(recordLimits.memberEdits)))).toBeUndefined();
    expect(codeOf(group(members(recordLimits.memberEdits + 1)))).toBe("input/too-large");
    expect(codeOf(group([member(1), member(1)]))).toBe("input/invalid");
    const setting = (name: string, value: string) => () =>
      encodeRecord({ kind: "tenantsettings", edits: [{ name, value }] });
    expect(codeOf(setting("n".repeat(128), "1"))).toBeUndefined();
    expect(codeOf(setting("n".repeat(129), "1"))).toBe("input/invalid");
    expect(codeOf(setting("n", JSON.stringify("v".repeat(4094))))).toBeUndefined();
    expect(codeOf(setting("n", JSON.stringify("v".repeat(4095))))).toBe("input/invalid");
    expect(codeOf(setting("n", "[".repeat(2000) + "]".repeat(2000)))).toBeUndefined();
    expect(codeOf(setting("n", "undefined"))).toBe("input/invalid");
    const subjects = (count: number) =>
      members(count).map(({ member: subject }) => ({ subject, role: "reader" as const }));
    const roleOf = (edits: ReturnType<typeof subjects>) => () =>
      encodeRecord({ kind: "role", dbId: undefined, edits });
    expect(codeOf(roleOf(subjects(recordLimits.roleEdits)))).toBeUndefined();
    expect(codeOf(roleOf(subjects(recordLimits.roleEdits + 1)))).toBe("input/too-large");
    expect(codeOf(roleOf([...subjects(1), ...subjects(1)]))).toBe("input/invalid");
    const narrow = (count: number) => () =>
      encodeRecord({
        kind: "narrowing",
        users: members(count).map(({ member: { userKey: user } }) => ({ userKey: user, cuts: [] })),
      });
    expect(codeOf(narrow(recordLimits.narrowedUsers))).toBeUndefined();
    expect(codeOf(narrow(recordLimits.narrowedUsers + 1))).toBe("input/too-large");
    const short = new Uint8Array(31);
    const whole = new Uint8Array(32);
    const grant = (encryptionKey: Uint8Array, nameHash: Uint8Array) => () =>
      encodeRecord({ kind: "grantaccess", userKey: key, encryptionKey, nameHash });
    expect(codeOf(grant(short, whole))).toBe("input/invalid");
    expect(codeOf(grant(whole, short))).toBe("input/invalid");
  });
});
