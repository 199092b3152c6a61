/** The device's rows: every version is read, what is damaged is none, and a change of one thing keeps the others. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesToId, ByteWriter, createSystemEnv, idToBytes } from "../std/index.ts";
import { createMemoryStorage } from "../store/index.ts";
import { Device, encodeDeviceTenant, parseDeviceTenant, type DeviceTenant } from "./device.ts";

const filled = (value: number, sizeBytes: number): Uint8Array<ArrayBuffer> =>
  new Uint8Array(sizeBytes).fill(value);
const tenantId = bytesToId("TenantId", filled(9, 32));

const row: DeviceTenant = {
  tenantId,
  userKey: bytesToId("AuthorKey", filled(1, 32)),
  adminKey: bytesToId("AuthorKey", filled(2, 32)),
  createdAtMs: 5,
  lastOpenedAtMs: 6,
  genesis: filled(3, 40),
  hadCommits: true,
  isLost: false,
};

async function openDevice(): Promise<Device> {
  const storage = createMemoryStorage(createSystemEnv());
  return new Device(await storage.openStore("device"));
}

test("a row comes back as it was written, whatever its flags", () => {
  for (const hadCommits of [true, false]) {
    for (const isLost of [true, false]) {
      for (const adminKey of [row.adminKey, undefined]) {
        const written = { ...row, adminKey, hadCommits, isLost };
        expect(parseDeviceTenant(tenantId, encodeDeviceTenant(written))).toEqual(written);
      }
    }
  }
});

test("a row of version 1 says nothing of its log", () => {
  const bytes = new ByteWriter()
    .u8(1)
    .fixed(idToBytes(row.userKey))
    .u8(0)
    .u64(5)
    .u64(6)
    .sized(row.genesis)
    .toBytes();
  expect(parseDeviceTenant(tenantId, bytes)).toEqual({ ...row, adminKey: undefined, hadCommits: false });
});

test("what is no row is none", () => {
  const bytes = encodeDeviceTenant(row);
  for (let at = 0; at < bytes.length; at++)
    expect(parseDeviceTenant(tenantId, bytes.subarray(0, at))).toBeUndefined();
  for (const [at, value] of [
    [0, 3],
    [33, 2],
    [bytes.length - 1, 4],
  ] as const)
    expect(
      parseDeviceTenant(
        tenantId,
        bytes.map((byte, here) => (here === at ? value : byte)),
      ),
    ).toBeUndefined();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (any) => {
      parseDeviceTenant(tenantId, any);
    }),
  );
});

test("two tabs that note different things lose none of them", async () => {
  const device = await openDevice();
  await device.writeTenant(row);
  await Promise.all([
    device.noteTenant(tenantId, { isLost: true }),
    device.noteTenant(tenantId, { lastOpenedAtMs: 70 }),
    device.noteTenant(tenantId, { hadCommits: false }),
  ]);
  expect(await device.readTenant(tenantId)).toEqual({
    ...row,
    isLost: true,
    lastOpenedAtMs: 70,
    hadCommits: false,
  });
});

test("nothing is noted of a tenant that was removed", async () => {
  const device = await openDevice();
  await device.noteTenant(tenantId, { isLost: true });
  expect(await device.listTenants()).toEqual([]);
});

test("a restored row adds what is missing and changes nothing else", async () => {
  const device = await openDevice();
  const vaults = new Map([
    [row.userKey, filled(7, 9)],
    [bytesToId("AuthorKey", filled(2, 32)), filled(8, 9)],
  ]);
  await device.writeVault(row.userKey, filled(1, 3));
  await device.writeTenant({ ...row, adminKey: undefined, isLost: true });
  await device.writeRestored({ ...row, createdAtMs: 99, lastOpenedAtMs: 99 }, vaults);
  expect(await device.readTenant(tenantId)).toEqual(row);
  expect(await device.readVault(row.userKey)).toEqual(filled(1, 3));
  expect(await device.readVault(bytesToId("AuthorKey", filled(2, 32)))).toEqual(filled(8, 9));
});
