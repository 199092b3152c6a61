import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { keyFingerprint } from "../entry/index.ts";
import { bytesToHex, bytesToId, concatBytes, parseHex, utf8ToBytes } from "../std/index.ts";
import {
  createIdentity,
  createVault,
  keyWrapBytes,
  unwrapKey,
  wrapKey,
  type UnlockedIdentity,
  type WrapPlace,
} from "./index.ts";
import vectors from "./key-wrap.vectors.json";
import { createSeededCrypto } from "./seeded-crypto.ts";

const crypto = createSeededCrypto("key-wrap");
const secret = new Uint8Array(32).fill(7);
const id = (fill: number, sizeBytes: number): Uint8Array => new Uint8Array(sizeBytes).fill(fill);

let guest: UnlockedIdentity;
let stranger: UnlockedIdentity;
let place: WrapPlace;

async function makeIdentity(userName: string): Promise<UnlockedIdentity> {
  const secrets = await createIdentity(crypto, userName);
  return (await createVault(crypto, { secrets, password: "tall ships sail", nowMs: 1 })).identity;
}

beforeAll(async () => {
  guest = await makeIdentity("cn=guest/o=acme");
  stranger = await makeIdentity("cn=stranger/o=acme");
  place = {
    tenantId: bytesToId("TenantId", id(1, 32)),
    keyId: bytesToId("KeyId", id(2, 16)),
    epoch: 3,
    fingerprint: keyFingerprint(crypto, secret),
    userKey: guest.publicIdentity.signingKey,
  };
});

const wrap = (name = "", at = place, key = secret) =>
  wrapKey(crypto, guest.publicIdentity.encryptionKey, at, { name, secret: key });

test("what was frozen opens to what it held, and each way to fail fails", async () => {
  const encryption = await crypto.importEncryptionPair(parseHex(vectors.scalar) ?? new Uint8Array());
  if (encryption === undefined) throw new Error("a scalar");
  const at: WrapPlace = {
    tenantId: bytesToId("TenantId", id(1, 32)),
    keyId: bytesToId("KeyId", id(2, 16)),
    epoch: 3,
    fingerprint: parseHex(vectors.fingerprint) ?? new Uint8Array(),
    userKey: bytesToId("AuthorKey", id(5, 32)),
  };
  for (const { hex, name, secret: held } of vectors.opens) {
    const opened = await unwrapKey(crypto, encryption, at, parseHex(hex) ?? new Uint8Array());
    expect(opened && { name: opened.name, secret: bytesToHex(opened.secret) }).toEqual({
      name,
      secret: held,
    });
  }
  for (const { hex } of vectors.failures)
    expect(await unwrapKey(crypto, encryption, at, parseHex(hex) ?? new Uint8Array())).toBeUndefined();
});

describe("a wrapped key", () => {
  test("opens for its user, with its name, in the size that the format gives", async () => {
    for (const name of ["", "salaries", "ø".repeat(128)]) {
      const sealed = await wrap(name);
      expect(sealed.length).toBe(keyWrapBytes.least + utf8ToBytes(name).length);
      expect(sealed.length).toBeLessThanOrEqual(keyWrapBytes.most);
      expect(await unwrapKey(crypto, guest.encryption, place, sealed)).toEqual({ secret, name });
    }
  });

  test("opens for nobody else, and at no other place", async () => {
    const sealed = await wrap();
    const others: readonly Partial<WrapPlace>[] = [
      { tenantId: bytesToId("TenantId", id(9, 32)) },
      { keyId: bytesToId("KeyId", id(9, 16)) },
      { epoch: 4 },
      { fingerprint: id(9, 8) },
      { userKey: stranger.publicIdentity.signingKey },
    ];
    for (const other of others)
      expect(await unwrapKey(crypto, guest.encryption, { ...place, ...other }, sealed)).toBeUndefined();
    expect(await unwrapKey(crypto, stranger.encryption, place, sealed)).toBeUndefined();
  });

  test("that is not what the fingerprint says, or has no good name, is none", async () => {
    const other = await wrap("", place, new Uint8Array(32).fill(8));
    expect(await unwrapKey(crypto, guest.encryption, place, other)).toBeUndefined();
    for (const name of [" salaries", "a\u202eb", "x".repeat(257), "line\nend"])
      expect(await unwrapKey(crypto, guest.encryption, place, await wrap(name))).toBeUndefined();
    const context = (plaintext: Uint8Array) =>
      wrapKey(crypto, guest.publicIdentity.encryptionKey, place, {
        name: "",
        secret: new Uint8Array(plaintext),
      });
    expect(
      await unwrapKey(crypto, guest.encryption, place, await context(secret.subarray(1))),
    ).toBeUndefined();
    const notText = concatBytes(secret, new Uint8Array([0xff]));
    expect(await unwrapKey(crypto, guest.encryption, place, await context(notText))).toBeUndefined();
  });

  test("that was changed in any bit, or is any bytes at all, is none", async () => {
    const sealed = await wrap("salaries");
    for (let at = 0; at < sealed.length; at++) {
      // The highest bit of an X25519 key is not looked at; the rest of the message is bound to what was sent all the same.
      const spoiled = sealed.with(at, (sealed[at] ?? 0) ^ (1 << (at % 8)));
      expect(await unwrapKey(crypto, guest.encryption, place, spoiled)).toBeUndefined();
    }
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (bytes) => {
        expect(await unwrapKey(crypto, guest.encryption, place, bytes)).toBeUndefined();
      }),
      { numRuns: Number(process.env["COFFER_RUNS"] ?? 200) },
    );
  });
});
