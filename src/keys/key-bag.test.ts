import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { bytesToId, compareBytes, isCofferError, utf8ToBytes, type KeyId } from "../std/index.ts";
import {
  createIdentity,
  createVault,
  loadBag,
  openBagSecrets,
  openPrivate,
  sealBag,
  sealPrivate,
  type BagSecrets,
  type KeySecret,
  type UnlockedIdentity,
} from "./index.ts";
import { createSeededCrypto } from "./seeded-crypto.ts";
import { runsOf } from "../std/runs-fixtures.ts";

const crypto = createSeededCrypto("bag");
let ada: UnlockedIdentity;
let bob: UnlockedIdentity;

const keyId = (value: number): KeyId => bytesToId("KeyId", new Uint8Array(16).fill(value));
const keySecret = (id: number, epoch: number, fill: number): KeySecret => ({
  keyId: keyId(id),
  epoch,
  secret: new Uint8Array(32).fill(fill),
});
const bagOf = (keys: readonly KeySecret[], version = 1): BagSecrets => ({
  version,
  namesKey: new Uint8Array(32).fill(1),
  deviceSecret: new Uint8Array(32).fill(2),
  keys,
});
async function failure(run: Promise<unknown>): Promise<unknown> {
  try {
    return await run;
  } catch (error) {
    if (!isCofferError(error)) throw error;
    return { code: error.code, detail: error.details["detail"] };
  }
}

beforeAll(async () => {
  const make = async (userName: string): Promise<UnlockedIdentity> => {
    const secrets = await createIdentity(crypto, userName);
    return (await createVault(crypto, { secrets, password: "tall ships sail", nowMs: 1 })).identity;
  };
  ada = await make("ada");
  bob = await make("bob");
});

describe("key bag", () => {
  test("comes back with its keys sorted, each once", async () => {
    const key = fc.record({
      keyId: fc.nat({ max: 3 }).map(keyId),
      epoch: fc.nat({ max: 3 }),
      secret: fc.nat({ max: 3 }).map((fill) => new Uint8Array(32).fill(fill)),
    });
    const textOf = ({ keyId: id, epoch, secret }: KeySecret): string => `${id} ${epoch} ${secret[0]}`;
    await fc.assert(
      fc.asyncProperty(fc.array(key, { maxLength: 12 }), fc.nat(), async (keys, version) => {
        const bytes = await sealBag(crypto, ada, bagOf(keys, version));
        const opened = await openBagSecrets(crypto, ada, bytes, { minVersion: version });
        expect(opened).toMatchObject({
          version,
          namesKey: bagOf([]).namesKey,
          deviceSecret: bagOf([]).deviceSecret,
        });
        expect(opened.keys.map(textOf)).toEqual([...new Set(keys.map(textOf))].sort());
        expect(keys.every(({ secret }) => secret.every((byte) => byte === secret[0]))).toBe(true);
      }),
      { numRuns: runsOf(50) },
    );
  });

  test("of an older version is noticed", async () => {
    const bytes = await sealBag(crypto, ada, bagOf([], 4));
    expect(await failure(openBagSecrets(crypto, ada, bytes, { minVersion: 5 }))).toEqual({
      code: "entry/corrupt",
      detail: "older",
    });
    expect((await openBagSecrets(crypto, ada, bytes, { minVersion: 4 })).version).toBe(4);
  });

  test("opens for its identity only, and not when any bit was changed", async () => {
    const bytes = await sealBag(crypto, ada, bagOf([keySecret(1, 1, 1)]));
    const seal = { code: "entry/corrupt", detail: "seal" };
    expect(await failure(openBagSecrets(crypto, bob, bytes, { minVersion: 0 }))).toEqual(seal);
    for (let at = 0; at < bytes.length; at++) {
      const flipped = bytes.with(at, (bytes[at] ?? 0) ^ (1 << (at % 8)));
      const expected = at === 0 ? { code: "entry/corrupt", detail: "format" } : seal;
      expect(await failure(openBagSecrets(crypto, ada, flipped, { minVersion: 0 }))).toEqual(expected);
    }
    for (let end = 0; end < bytes.length; end++) {
      expect(
        await failure(openBagSecrets(crypto, ada, bytes.subarray(0, end), { minVersion: 0 })),
      ).toMatchObject({ code: "entry/corrupt" });
    }
    expect(
      await failure(openBagSecrets(crypto, ada, new Uint8Array(10_000_000).fill(1), { minVersion: 0 })),
    ).toMatchObject({ code: "entry/corrupt" });
  });

  test("of 10,000 keys is sealed and opened, a larger one refused", async () => {
    const keys = Array.from({ length: 10_001 }, (_, epoch) => keySecret(1, epoch, 1));
    expect(await failure(sealBag(crypto, ada, bagOf(keys)))).toMatchObject({ code: "input/too-large" });
    const bytes = await sealBag(crypto, ada, bagOf(keys.slice(1)));
    expect((await openBagSecrets(crypto, ada, bytes, { minVersion: 1 })).keys).toHaveLength(10_000);
  });

  test("loaded, finds keys by name and prefers the highest epoch, then the lowest fingerprint", async () => {
    const secrets = bagOf([
      keySecret(1, 1, 1),
      keySecret(1, 2, 2),
      keySecret(1, 2, 3),
      keySecret(1, 2, 4),
      keySecret(2, 9, 5),
    ]);
    const bag = await loadBag(crypto, secrets);
    const names = bag.list();
    expect(names).toHaveLength(5);
    for (const name of names) {
      const found = bag.find(name);
      expect(found).toMatchObject(name);
      expect(found?.key.extractable).toBe(false);
    }
    const [newest] = names
      .filter(({ keyId: id, epoch }) => id === keyId(1) && epoch === 2)
      .sort((a, b) => compareBytes(a.fingerprint, b.fingerprint));
    expect(bag.current(keyId(1))).toMatchObject(newest!);
    expect((await loadBag(crypto, bagOf([...secrets.keys].reverse()))).current(keyId(1))).toMatchObject(
      newest!,
    );
    expect([bag.current(keyId(3)), bag.find({ ...newest!, epoch: 7 })]).toEqual([undefined, undefined]);
    secrets.namesKey.fill(0);
    expect(bag.namesKey).toEqual(new Uint8Array(32).fill(1));
    expect(bag.deviceKey.extractable).toBe(false);
  });
});

describe("private records", () => {
  test("open for their identity and purpose only", async () => {
    const bytes = utf8ToBytes("acme");
    const sealed = await sealPrivate(crypto, ada, "alias", bytes);
    expect(await openPrivate(crypto, ada, "alias", sealed)).toEqual(bytes);
    const corrupt = { code: "entry/corrupt" };
    expect(await failure(openPrivate(crypto, ada, "other", sealed))).toMatchObject(corrupt);
    expect(await failure(openPrivate(crypto, bob, "alias", sealed))).toMatchObject(corrupt);
    for (let at = 0; at < sealed.length; at++) {
      expect(
        await failure(openPrivate(crypto, ada, "alias", sealed.with(at, (sealed[at] ?? 0) ^ 1))),
      ).toMatchObject(corrupt);
      expect(await failure(openPrivate(crypto, ada, "alias", sealed.subarray(0, at)))).toMatchObject(corrupt);
    }
    expect(await failure(sealPrivate(crypto, ada, "alias", new Uint8Array(1_048_577)))).toMatchObject({
      code: "input/too-large",
    });
    const largest = await sealPrivate(crypto, ada, "alias", new Uint8Array(1_048_576));
    expect(await openPrivate(crypto, ada, "alias", largest)).toHaveLength(1_048_576);
  });

  test("differ each time they are sealed", async () => {
    const bytes = utf8ToBytes("acme");
    expect(await sealPrivate(crypto, ada, "alias", bytes)).not.toEqual(
      await sealPrivate(crypto, ada, "alias", bytes),
    );
  });
});
