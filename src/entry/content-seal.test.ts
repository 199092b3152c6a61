/** Chunks sealed by their content: the same for the same, and for nobody else. */
import { createCipheriv, createHmac, hkdfSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createWebCrypto } from "../crypto/index.ts";
import { bytesToHex, bytesToId, utf8ToBytes } from "../std/index.ts";
import { bytesOf, createFixture } from "./entry-fixtures.ts";
import {
  contentSealedSizeBytes,
  createContentKey,
  createContentSealer,
  maxPlaintextBytes,
  paddedSizeBytes,
  padInto,
  parseCommit,
  sealCommit,
} from "./index.ts";

const crypto = createWebCrypto();
const tenantOf = (byte: number) => bytesToId("TenantId", bytesOf(byte, 32));
const keyOf = (byte: number, epoch = 1) =>
  createContentKey(crypto, {
    keyId: bytesToId("KeyId", bytesOf(0x44, 16)),
    epoch,
    secret: bytesOf(byte, 32),
  });

describe("a chunk that is sealed by its content", () => {
  it("has frozen bytes", async () => {
    const sealer = await createContentSealer(crypto, await keyOf(1), tenantOf(0x11));
    expect(bytesToHex(await sealer.seal(utf8ToBytes("katana")))).toBe(
      "bc5d1bb575729bf33ea060c0816167f98651e4bca76c120458d47bffab3026f7f08601fbe62af95289473f9b87d54cd091a2a5098f9bc9",
    );
  });

  it("is what plain HKDF, HMAC and AES-GCM give", async () => {
    const tenantId = bytesOf(0x11, 32);
    const sealer = await createContentSealer(crypto, await keyOf(1, 3), tenantOf(0x11));
    const sized = (bytes: Uint8Array) => Buffer.concat([Buffer.of(bytes.length), bytes]);
    const info = Buffer.concat([
      sized(Buffer.from("coffer/chunk-content/v1")),
      sized(bytesOf(0x44, 16)),
      sized(Buffer.of(0, 0, 0, 3)),
    ]);
    const derived = Buffer.from(hkdfSync("sha256", bytesOf(1, 32), tenantId, info, 64));
    const domain = Buffer.from("coffer/chunk/v1\0");
    for (const text of ["", "katana", "long ".repeat(500)]) {
      const plaintext = Buffer.from(text);
      const padded = new Uint8Array(paddedSizeBytes(plaintext.length));
      padInto(padded, plaintext);
      const mark = createHmac("sha256", derived.subarray(0, 32)).update(domain).update(padded).digest();
      const key = createHmac("sha256", derived.subarray(32)).update(domain).update(mark).digest();
      const cipher = createCipheriv("aes-256-gcm", key, Buffer.alloc(12)).setAAD(
        Buffer.concat([domain, mark]),
      );
      const twin = Buffer.concat([mark, cipher.update(padded), cipher.final(), cipher.getAuthTag()]);
      expect(Buffer.compare(await sealer.seal(plaintext), twin)).toBe(0);
    }
  });

  it("opens as it was, and is the same for the same plaintext only", async () => {
    const sealer = await createContentSealer(crypto, await keyOf(1), tenantOf(1));
    const again = await createContentSealer(crypto, await keyOf(1), tenantOf(1));
    const some = fc.uint8Array({ maxLength: 300 });
    await fc.assert(
      fc.asyncProperty(some, some, async (one, other) => {
        const sealed = await sealer.seal(one);
        expect(sealed).toHaveLength(contentSealedSizeBytes(one.length));
        expect(await again.open(sealed)).toEqual(one);
        const isSame = bytesToHex(one) === bytesToHex(other);
        expect(bytesToHex(await again.seal(other)) === bytesToHex(sealed)).toBe(isSame);
      }),
      { numRuns: 50 },
    );
  });

  it("has nothing in common under another tenant, key, name or epoch, and does not open there", async () => {
    const plaintext = utf8ToBytes("a file that many have");
    const elsewhere = { keyId: bytesToId("KeyId", bytesOf(0x45, 16)), epoch: 1, secret: bytesOf(1, 32) };
    const sealers = await Promise.all([
      createContentSealer(crypto, await keyOf(1), tenantOf(1)),
      createContentSealer(crypto, await keyOf(1), tenantOf(2)),
      createContentSealer(crypto, await keyOf(2), tenantOf(1)),
      createContentSealer(crypto, await keyOf(1, 2), tenantOf(1)),
      createContentSealer(crypto, await createContentKey(crypto, elsewhere), tenantOf(1)),
    ]);
    const sealed = await Promise.all(sealers.map((sealer) => sealer.seal(plaintext)));
    const pieces = sealed.flatMap((bytes) => {
      const hex = bytesToHex(bytes);
      return [hex.slice(0, 64), hex.slice(64, 96), hex.slice(96)];
    });
    expect(new Set(pieces).size).toBe(pieces.length);
    for (const [at, sealer] of sealers.entries())
      for (const [index, bytes] of sealed.entries())
        expect((await sealer.open(bytes)) !== undefined).toBe(at === index);
  });

  it("of any other bytes, or with one bit changed, is none", async () => {
    const sealer = await createContentSealer(crypto, await keyOf(1), tenantOf(1));
    const sealed = await sealer.seal(utf8ToBytes("a chunk"));
    for (let bit = 0; bit < 8 * sealed.length; bit++) {
      const other = sealed.slice();
      other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(await sealer.open(other)).toBeUndefined();
    }
    for (const length of [0, 31, 47, 48, sealed.length - 1])
      expect(await sealer.open(sealed.subarray(0, length))).toBeUndefined();
    const any = fc.uint8Array({ maxLength: 200 });
    await fc.assert(
      fc.asyncProperty(any, async (bytes) => {
        expect(await sealer.open(bytes)).toBeUndefined();
      }),
    );
  });
});

describe("a commit with such chunks", () => {
  it("binds their hashes and sizes, and holds none of them", async () => {
    const { crypto: seeded, draftOf, keys, place } = await createFixture();
    const sealer = await createContentSealer(seeded, keys[0], place.tenantId);
    const ciphertext = await sealer.seal(utf8ToBytes("a chunk"));
    const docId = bytesToId("DocId", bytesOf(7, 16));
    const chunk = {
      docId,
      dependencies: [],
      key: keys[0],
      entryType: "attachment_chunk",
      isApart: true,
    } as const;
    const empty = { plaintext: new Uint8Array() };
    const sealed = await sealCommit(seeded, draftOf([{ ...chunk, ...empty, ciphertext }]));
    expect(sealed.entries[0]?.ciphertext).toEqual(ciphertext);
    const verdict = parseCommit(seeded, sealed.bytes, sealed.commitHash);
    const header = verdict.kind === "verified" ? verdict.commit.entries[0]?.header : undefined;
    expect(header?.ciphertextHash).toEqual(seeded.sha256(ciphertext));
    expect(header?.ciphertextSizeBytes).toBe(ciphertext.length);
    expect(verdict.kind === "verified" && verdict.commit.entries[0]?.ciphertext).toBeUndefined();
    const large = new Uint8Array(2 * maxPlaintextBytes("attachment_chunk"));
    const refused = sealCommit(seeded, draftOf([{ ...chunk, ...empty, ciphertext: large }]));
    await expect(refused).rejects.toMatchObject({ code: "input/too-large" });
  });
});
