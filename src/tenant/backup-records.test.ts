/** Records of a backup: what is written is read, however it is cut; what is none is refused. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesToId, ByteWriter, concatBytes } from "../std/index.ts";
import {
  BackupRecordReader,
  encodeBackupRecord,
  isBackedUpSlot,
  type BackupRecord,
} from "./backup-records.ts";
import { runsOf } from "../std/runs-fixtures.ts";

const bytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((value) => new Uint8Array(value));
const key = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((value) => bytesToId("AuthorKey", new Uint8Array(value)));

const records: fc.Arbitrary<BackupRecord> = fc.oneof(
  fc.record({
    kind: fc.constant("tenant" as const),
    userKey: key,
    adminKey: fc.option(key, { nil: undefined }),
    createdAtMs: fc.nat(),
    genesis: bytes(300),
  }),
  fc.record({
    kind: fc.constant("vault" as const),
    key,
    vault: bytes(300).filter((vault) => vault.length > 0),
  }),
  fc.record({
    kind: fc.constant("slot" as const),
    name: fc.constantFrom("bag", "names", "joined", "purged", "links", "remote/https://x.example/server"),
    value: bytes(300),
  }),
  fc.record({
    kind: fc.constant("commit" as const),
    bytes: bytes(3000).filter((commit) => commit.length > 0),
  }),
  fc.record({
    kind: fc.constant("end" as const),
    commitCount: fc.nat(),
    commitsHash: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((value) => new Uint8Array(value)),
  }),
  fc.record({
    kind: fc.constant("part" as const),
    commitHash: fc
      .uint8Array({ minLength: 32, maxLength: 32 })
      .map((value) => bytesToId("CommitHash", value)),
    isNamed: fc.boolean(),
    which: fc.integer({ min: 1, max: 0xffff }),
  }),
  fc.record({
    kind: fc.constant("chunk" as const),
    bytes: bytes(3000).filter((chunk) => chunk.length > 0),
  }),
  fc.record({ kind: fc.constant("chunks" as const), chunkCount: fc.nat() }),
);

function readAll(content: Uint8Array, sizes: readonly number[]): { read: unknown[]; rest: number } {
  const reader = new BackupRecordReader();
  const read: unknown[] = [];
  let at = 0;
  for (let turn = 0; at < content.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    read.push(...reader.push(content.subarray(at, at + size)));
    at += size;
    if (read.includes("malformed")) break;
  }
  return { read, rest: reader.restBytes };
}

const cuts = fc.array(fc.integer({ min: 1, max: 700 }), { minLength: 1, maxLength: 9 });

test("what is written is read, however it is cut", () => {
  fc.assert(
    fc.property(fc.array(records, { maxLength: 12 }), cuts, (written, sizes) => {
      const content = concatBytes(...written.map(encodeBackupRecord));
      expect(readAll(content, sizes)).toEqual({ read: written, rest: 0 });
    }),
  );
});

test("any bytes are read or refused, alike however they are cut", () => {
  fc.assert(
    fc.property(
      fc.array(records, { maxLength: 3 }),
      fc.uint8Array({ maxLength: 200 }),
      cuts,
      (good, bad, sizes) => {
        const content = concatBytes(...good.map(encodeBackupRecord), bad);
        const whole = readAll(content, [content.length + 1]).read;
        expect(readAll(content, sizes).read).toEqual(whole);
      },
    ),
    { numRuns: runsOf(300) },
  );
});

test("a size over the limit of its kind is refused before anything is waited for", () => {
  const limits = [4224, 4128, 1_054_772, 1_048_576, 40, 35, 307_200, 8];
  for (const [index, limit] of limits.entries()) {
    const over = new ByteWriter()
      .u8(index + 1)
      .varint(limit + 1)
      .toBytes();
    expect(readAll(over, [9]).read).toEqual(["malformed"]);
    expect(
      readAll(
        new ByteWriter()
          .u8(index + 1)
          .varint(limit)
          .toBytes(),
        [9],
      ).read,
    ).toEqual([]);
  }
  for (const start of [[0], [9], [4, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80], [4, 0x80, 0x00]])
    expect(readAll(new Uint8Array(start), [1]).read).toEqual(["malformed"]);
});

test("slots of this device alone have no place in a file", () => {
  const others = [
    "device/key",
    "device/public",
    "derived/state",
    "judging/1",
    "poison",
    "remote/x/outbox",
    "remote/x/db/y",
    "imported/x/bag",
    "kept/x/bag",
    "tenant/x",
    "",
    "remote//server",
  ];
  for (const name of others) {
    expect(isBackedUpSlot(name), name).toBe(false);
    const slot = encodeBackupRecord({ kind: "slot", name, value: new Uint8Array(3) });
    expect(readAll(slot, [50]).read).toEqual(["malformed"]);
  }
});
