/** Keys of backups: added to those that are here, never instead of them; two tabs that adopt at once lose nothing. */
import { beforeEach, expect, test } from "vitest";
import { bytesToId, CofferError, createSystemEnv } from "../std/index.ts";
import {
  createIdentity,
  createVault,
  openBagSecrets,
  openPrivate,
  sealBag,
  sealPrivate,
  type BagSecrets,
  type KeySecret,
  type UnlockedIdentity,
} from "../keys/index.ts";
import { createSeededCrypto } from "../keys/seeded-crypto.ts";
import { createMemoryStorage, type Store } from "../store/index.ts";
import { adoptImported, importedSlotNames, readImported } from "./imported-keys.ts";
import { decodeTenantNames, encodeTenantNames, slotNames, tenantNamesPurpose } from "./slots.ts";

const crypto = createSeededCrypto("imported keys");
const filled = (value: number, sizeBytes = 32): Uint8Array<ArrayBuffer> =>
  new Uint8Array(sizeBytes).fill(value);

let identity: UnlockedIdentity;
let store: Store;
beforeEach(async () => {
  const secrets = await createIdentity(crypto, "cn=ada");
  ({ identity } = await createVault(crypto, { secrets, password: "marble tunnel saffron", nowMs: 1 }));
  store = await createMemoryStorage(createSystemEnv()).openStore("tenant");
});

const keyOf = (value: number): KeySecret => ({
  keyId: bytesToId("KeyId", filled(value, 16)),
  epoch: 1,
  secret: filled(value + 100),
});

interface Keys {
  readonly version: number;
  readonly device: number;
  readonly keys: readonly number[];
  readonly names?: readonly string[];
  readonly tenant?: number;
}

async function seal({ version, device, keys, names = [], tenant = 1 }: Keys) {
  const secrets: BagSecrets = {
    version,
    namesKey: filled(tenant),
    deviceSecret: filled(device),
    keys: keys.map(keyOf),
  };
  const bytes = encodeTenantNames({ tenantName: "acme", adminName: "", keyNames: names });
  return {
    bag: await sealBag(crypto, identity, secrets),
    names: await sealPrivate(crypto, identity, tenantNamesPurpose, bytes),
  };
}

async function put(place: { bag: string; names: string }, keys: Keys): Promise<void> {
  const { bag, names } = await seal(keys);
  const slots = [
    { name: place.bag, value: bag },
    { name: place.names, value: names },
  ];
  await store.write({ slots });
}

async function held() {
  const bag = (await store.readSlot(slotNames.bag))?.value;
  const names = (await store.readSlot(slotNames.names))?.value;
  if (!(bag instanceof Uint8Array) || !(names instanceof Uint8Array)) throw new Error("no keys");
  const secrets = await openBagSecrets(crypto, identity, bag, { minVersion: 0 });
  const { keyNames } = decodeTenantNames(await openPrivate(crypto, identity, tenantNamesPurpose, names));
  return {
    version: secrets.version,
    device: secrets.deviceSecret,
    keys: secrets.keys.map(({ secret }) => (secret[0] ?? 0) - 100),
    names: keyNames,
  };
}

const adopt = (): Promise<boolean> => adoptImported(crypto, store, identity);

test("without imported keys nothing is written", async () => {
  await put(slotNames, { version: 3, device: 5, keys: [1] });
  expect(await adopt()).toBe(false);
  expect((await store.readSlot(slotNames.bag))?.version).toBe(1);
});

test("where there are none, those of a file become the device's, under a device secret of its own", async () => {
  await put(importedSlotNames("f1"), { version: 7, device: 5, keys: [1, 2], names: ["a"] });
  expect(await adopt()).toBe(true);
  const now = await held();
  expect(now).toMatchObject({ version: 7, keys: [1, 2], names: ["a"] });
  expect(now.device).not.toEqual(filled(5));
  expect(await readImported(store)).toEqual([]);
  expect(await adopt()).toBe(false);
});

test("keys of several files are added to those that are here, whichever is newer", async () => {
  await put(slotNames, { version: 3, device: 5, keys: [1, 2], names: ["b"] });
  await put(importedSlotNames("f1"), { version: 9, device: 6, keys: [2, 3], names: ["c"] });
  await put(importedSlotNames("f2"), { version: 1, device: 7, keys: [4], names: ["a", "b"] });
  await adopt();
  expect(await held()).toEqual({
    version: 11,
    device: filled(5),
    keys: [1, 2, 3, 4],
    names: ["a", "b", "c"],
  });
});

test("what does not open, or is of other names, is dropped", async () => {
  await put(slotNames, { version: 3, device: 5, keys: [1] });
  await put(importedSlotNames("f1"), { version: 4, device: 6, keys: [2], tenant: 2 });
  const broken = importedSlotNames("f2");
  await put(broken, { version: 4, device: 6, keys: [3] });
  await store.write({ slots: [{ name: broken.bag, value: filled(1, 200) }] });
  expect(await adopt()).toBe(true);
  expect(await held()).toMatchObject({ keys: [1], device: filled(5) });
  expect(await readImported(store)).toEqual([]);
});

test("what does not open is told where it is all there is, and kept", async () => {
  const broken = importedSlotNames("f1");
  await put(broken, { version: 4, device: 6, keys: [3] });
  await store.write({ slots: [{ name: broken.bag, value: filled(1, 200) }] });
  await expect(adopt()).rejects.toMatchObject({ code: "entry/corrupt" });
  expect(await readImported(store)).toHaveLength(1);
});

test("two tabs that adopt at once, and one that makes a key meanwhile, lose nothing", async () => {
  await put(slotNames, { version: 3, device: 5, keys: [1] });
  await put(importedSlotNames("f1"), { version: 9, device: 6, keys: [2] });
  const { bag } = await seal({ version: 4, device: 5, keys: [1, 8] });
  const made = [{ name: slotNames.bag, value: bag, expectedVersion: 1 }];
  const write = store.write.bind(store);
  let isFirst = true;
  store.write = async (batch) => {
    if (isFirst) expect(await write({ slots: made })).toMatchObject({ kind: "stored" });
    isFirst = false;
    return write(batch);
  };
  await Promise.all([adopt(), adopt()]);
  expect((await held()).keys).toEqual([1, 2, 8]);
});

test("keys are adopted where the store does not say that it wrote, and where it did not write", async () => {
  const write = store.write.bind(store);
  for (const isWritten of [true, false]) {
    await put(slotNames, { version: 3, device: 5, keys: [1] });
    await put(importedSlotNames("f1"), { version: 9, device: 6, keys: [2] });
    let isSilent = true;
    store.write = async (batch) => {
      if (!isSilent) return write(batch);
      isSilent = false;
      if (isWritten) await write(batch);
      throw new CofferError("store/failed", { outcome: "unknown" });
    };
    expect(await adopt()).toBe(true);
    expect((await held()).keys).toEqual([1, 2]);
    expect(await readImported(store)).toEqual([]);
    store.write = write;
  }
});
