/**
 * The frozen format of a backup file: what is frozen must be made again alike from the same random bytes and must open; each failure
 * must fail with its code.
 */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { createSeededCrypto } from "../keys/seeded-crypto.ts";
import { bytesToHex, bytesToId, concatBytes, isCofferError, parseHex } from "../std/index.ts";
import { backupChunkBytes, chainHash, createBackupKey, emptyChain, sealChunk } from "./backup-codec.ts";
import { BackupReader } from "./backup-reader.ts";
import { BackupRecordReader, encodeBackupRecord, type BackupRecord } from "./backup-records.ts";

interface Vectors {
  readonly input: { readonly seed: string; readonly password: string };
  readonly made: { readonly content: string; readonly file: string; readonly longFileHash: string };
  /** of version 2 */
  readonly withChunks: { readonly content: string; readonly file: string };
  readonly failures: Readonly<
    Record<string, { readonly file: string; readonly password: string; readonly code: string }>
  >;
}

const path = new URL("backup.vectors.json", import.meta.url);
const vectors = JSON.parse(readFileSync(path, "utf8")) as Vectors;
const { input, made, failures, withChunks } = vectors;

const fromHex = (hex: string): Uint8Array<ArrayBuffer> => {
  const bytes = parseHex(hex);
  if (bytes === undefined) throw new Error("hex");
  return new Uint8Array(bytes);
};

const filled = (value: number, sizeBytes: number): Uint8Array<ArrayBuffer> =>
  new Uint8Array(sizeBytes).fill(value);

const records: readonly BackupRecord[] = [
  {
    kind: "tenant",
    userKey: bytesToId("AuthorKey", filled(1, 32)),
    adminKey: bytesToId("AuthorKey", filled(2, 32)),
    createdAtMs: 1_700_000_000_000,
    genesis: filled(3, 5),
  },
  { kind: "vault", key: bytesToId("AuthorKey", filled(1, 32)), vault: filled(4, 4) },
  { kind: "slot", name: "bag", value: filled(5, 3) },
  { kind: "commit", bytes: filled(6, 7) },
  { kind: "end", commitCount: 1, commitsHash: filled(7, 32) },
];

const recordsWithChunks: readonly BackupRecord[] = [
  ...records,
  { kind: "part", commitHash: bytesToId("CommitHash", filled(10, 32)), isNamed: true, which: 0b101 },
  { kind: "chunk", bytes: filled(11, 20) },
  { kind: "chunk", bytes: filled(12, 3) },
  { kind: "chunks", chunkCount: 2 },
];

async function makeFile(content: Uint8Array, hasChunks = false): Promise<Uint8Array> {
  const crypto = createSeededCrypto(input.seed, "real");
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < content.length; at += backupChunkBytes)
    chunks.push(content.subarray(at, at + backupChunkBytes));
  const key = await createBackupKey(crypto, input.password, {
    hasLog: true,
    hasChunks,
    tenantId: bytesToId("TenantId", filled(8, 32)),
    fileNonce: filled(9, 32),
    endPosition: 1,
    contentSizeBytes: content.length,
    contentHash: chunks.reduce((chain, chunk) => chainHash(crypto, chain, chunk), emptyChain),
    parameters: crypto.createKdfParameters(),
  });
  const sealed = await Promise.all(chunks.map((chunk, index) => sealChunk(crypto, key, index, chunk)));
  return concatBytes(key.header, ...sealed);
}

async function readFile(file: Uint8Array, password: string): Promise<unknown[]> {
  const reader = new BackupReader(createSeededCrypto(input.seed, "real"), password);
  const content = new BackupRecordReader();
  const read: unknown[] = [];
  for await (const chunk of reader.push(file)) read.push(...content.push(chunk));
  reader.finish();
  return read;
}

test("is written as it was frozen", async () => {
  const content = concatBytes(...records.map(encodeBackupRecord));
  const long = concatBytes(...Array.from({ length: 3 }, (_, index) => filled(index, backupChunkBytes)));
  const { sha256 } = createSeededCrypto("");
  expect({
    content: bytesToHex(content),
    file: bytesToHex(await makeFile(content)),
    longFileHash: bytesToHex(sha256(await makeFile(long))),
  }).toEqual(made);
  const more = concatBytes(...recordsWithChunks.map(encodeBackupRecord));
  expect({ content: bytesToHex(more), file: bytesToHex(await makeFile(more, true)) }).toEqual(withChunks);
});

test("is read as it was frozen", async () => {
  expect(await readFile(fromHex(made.file), input.password)).toEqual(records);
  expect(await readFile(fromHex(withChunks.file), input.password)).toEqual(recordsWithChunks);
});

test.each(Object.keys(failures))("fails as it was frozen: %s", async (name) => {
  const failure = failures[name];
  if (failure === undefined) throw new Error(name);
  const code = await readFile(fromHex(failure.file), failure.password).then(
    () => "none",
    (error: unknown) => (isCofferError(error) ? error.code : "other"),
  );
  expect(code).toBe(failure.code);
});
