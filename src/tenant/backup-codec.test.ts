/** The backup format: every field bound, chunks in their places only, any bytes judged. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createWebCrypto } from "../crypto/index.ts";
import { bytesToId, createSystemEnv, isCofferError } from "../std/index.ts";
import {
  backupChunkBytes,
  createBackupKey,
  fileSizeOf,
  openBackupKey,
  openChunk,
  readBackupHeader,
  sealChunk,
  sealedSizeOf,
  type BackupClaim,
  type BackupHeader,
} from "./backup-codec.ts";
import { createSeededCrypto } from "../keys/seeded-crypto.ts";
import { runsOf } from "../std/runs-fixtures.ts";

const crypto = createSeededCrypto("backup codec");
const password = "marble tunnel saffron";

const claimOf = (contentSizeBytes: number): BackupClaim => ({
  hasLog: true,
  hasChunks: false,
  tenantId: bytesToId("TenantId", crypto.randomBytes(32)),
  fileNonce: crypto.randomBytes(32),
  endPosition: 7,
  contentSizeBytes,
  contentHash: crypto.randomBytes(32),
  parameters: crypto.createKdfParameters(),
});

function headerOf(bytes: Uint8Array): BackupHeader {
  const verdict = readBackupHeader(crypto, bytes);
  if (verdict.kind !== "header") throw new Error(verdict.kind);
  return verdict.header;
}

const codeOf = async (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => "none",
    (error: unknown) => (isCofferError(error) ? error.code : "other"),
  );

describe("header", () => {
  test("comes back as it went in, whatever follows it", async () => {
    for (const [size, hasChunks] of [
      [1, false],
      [backupChunkBytes, true],
      [backupChunkBytes + 1, false],
      [10 ** 12, true],
    ] as const) {
      const claim = { ...claimOf(size), hasChunks };
      const { header: bytes, chunkCount } = await createBackupKey(crypto, password, claim);
      const header = headerOf(new Uint8Array([...bytes, 1, 2, 3]));
      expect(header).toMatchObject(claim);
      expect(header.bytes).toEqual(bytes);
      expect(bytes[4]).toBe(hasChunks ? 2 : 1);
      expect(chunkCount).toBe(Math.ceil(size / backupChunkBytes));
      expect(fileSizeOf(header)).toBe(bytes.length + size + 16 * chunkCount);
      expect((await openBackupKey(crypto, password, header)).chunkCount).toBe(chunkCount);
    }
  });

  test("asks for more while it is cut, and is refused with any bit changed", async () => {
    const { header: bytes } = await createBackupKey(crypto, password, claimOf(9));
    for (let at = 0; at < bytes.length; at++)
      expect(readBackupHeader(crypto, bytes.subarray(0, at)).kind).toBe("short");
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = bytes.slice();
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      // The size field may ask for more than there is; then the whole file is too short.
      expect(readBackupHeader(crypto, changed).kind, `bit ${bit}`).not.toBe("header");
    }
    const newer = bytes.slice();
    newer[4] = 3;
    expect(readBackupHeader(crypto, newer)).toEqual({ kind: "refused", code: "protocol/version" });
  });

  test("opens with its password only", async () => {
    const { header } = await createBackupKey(crypto, password, claimOf(9));
    expect(await codeOf(openBackupKey(crypto, "another one", headerOf(header)))).toBe("key/wrong-password");
  });

  test("asks for no more and no less work than is accepted, before any is done", async () => {
    const real = createWebCrypto(createSystemEnv());
    const salt = new Uint8Array(16);
    const bad = [
      { algorithm: "argon2id", memoryKiB: 1024, passes: 3, lanes: 1, salt },
      { algorithm: "argon2id", memoryKiB: 4_000_000, passes: 3, lanes: 1, salt },
      { algorithm: "argon2id", memoryKiB: 65_536, passes: 255, lanes: 1, salt },
      { algorithm: "pbkdf2-sha256", iterations: 1000, salt },
      { algorithm: "pbkdf2-sha256", iterations: 4_000_000_000, salt },
      { algorithm: "argon2id", memoryKiB: 65_536, passes: 3, lanes: 1, salt: salt.subarray(8) },
    ] as const;
    for (const parameters of bad) {
      const { header } = await createBackupKey(crypto, password, { ...claimOf(9), parameters });
      expect(await codeOf(openBackupKey(real, password, headerOf(header)))).toBe("key/parameters");
    }
  });

  test("any bytes give a verdict", () => {
    const start = fc.constantFrom([], [...new TextEncoder().encode("CFRB")], [67, 70, 82, 66, 1, 0, 200]);
    fc.assert(
      fc.property(start, fc.uint8Array({ maxLength: 600 }), (head, rest) => {
        expect(readBackupHeader(crypto, new Uint8Array([...head, ...rest])).kind).not.toBe("header");
      }),
      { numRuns: runsOf(500) },
    );
  });
});

describe("chunks", () => {
  test("open in their own file, at their own place, as the last or not, and unchanged", async () => {
    const claim = claimOf(2 * backupChunkBytes + 5);
    const key = await createBackupKey(crypto, password, claim);
    const twin = await createBackupKey(crypto, password, { ...claim, endPosition: 8 });
    const plaintext = crypto.randomBytes(5);
    for (const index of [0, 1, 2]) {
      const sealed = await sealChunk(crypto, key, index, plaintext);
      for (const other of [0, 1, 2]) {
        const opened = await openChunk(crypto, key, other, sealed);
        expect(opened).toEqual(other === index ? plaintext : undefined);
      }
      expect(await openChunk(crypto, twin, index, sealed)).toBeUndefined();
      expect(await openChunk(crypto, { ...key, header: twin.header }, index, sealed)).toBeUndefined();
      // Where the file is said to be longer, the last chunk is not the last.
      if (index === 2)
        expect(await openChunk(crypto, { ...key, chunkCount: 4 }, index, sealed)).toBeUndefined();
      for (let at = 0; at < sealed.length; at++) {
        const changed = sealed.map((byte, here) => (here === at ? byte ^ 1 : byte));
        expect(await openChunk(crypto, key, index, changed)).toBeUndefined();
      }
      expect(await openChunk(crypto, key, index, sealed.subarray(0, 3))).toBeUndefined();
    }
    expect([0, 1, 2].map((index) => sealedSizeOf(claim, index))).toEqual([65_552, 65_552, 21]);
  });

  test("two contents never have one key", async () => {
    const claim = claimOf(backupChunkBytes);
    const one = await createBackupKey(crypto, password, claim);
    const changes: readonly Partial<BackupClaim>[] = [
      { contentHash: crypto.randomBytes(32) },
      { contentSizeBytes: 3 },
      { endPosition: 9 },
      { hasLog: false },
      { fileNonce: crypto.randomBytes(32) },
    ];
    const sealed = await sealChunk(crypto, one, 0, new Uint8Array(64));
    for (const change of changes) {
      const other = await createBackupKey(crypto, password, { ...claim, ...change });
      const again = await sealChunk(crypto, other, 0, new Uint8Array(64));
      // Without the tag: the key stream itself differs.
      expect(again.subarray(0, 64)).not.toEqual(sealed.subarray(0, 64));
    }
  });
});
