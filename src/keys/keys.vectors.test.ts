/**
 * The frozen formats of this room: everything follows from a seed, so that bytes can be compared, with the real password
 * function at its floor. What is frozen must be made again alike and must open; each failure must fail with its code.
 */
import { expect, test } from "vitest";
import { bytesToHex, bytesToId, isCofferError, parseHex, parseId, type AuthorKey } from "../std/index.ts";
import {
  changeVault,
  createGenesis,
  createIdentity,
  createRecoveryCode,
  createSharePassword,
  createVault,
  encodeJoinRequest,
  encodeJoinResponse,
  encodeKeyExport,
  loadBag,
  openBagSecrets,
  openJoinResponse,
  openKeyExport,
  openPrivate,
  parseGenesis,
  parseJoinRequest,
  readVault,
  safetyNumber,
  sealBag,
  sealPrivate,
  unlockVault,
} from "./index.ts";
import vectors from "./keys.vectors.json";
import { createSeededCrypto } from "./seeded-crypto.ts";

const { input, before, made, failures } = vectors;

const linkOf = (user: AuthorKey) => ({
  user,
  commit: bytesToId("CommitHash", new Uint8Array(32).fill(9)),
});

async function make(): Promise<typeof made> {
  const crypto = createSeededCrypto(input.seed, "real");
  const { password, nowMs, tenantName } = input;
  const admin = await createVault(crypto, {
    secrets: await createIdentity(crypto, input.adminName),
    password,
    nowMs,
  });
  const guest = await createVault(crypto, {
    secrets: await createIdentity(crypto, input.guestName),
    password,
    nowMs,
  });
  const namesKey = crypto.randomBytes(32);
  const deviceSecret = crypto.randomBytes(32);
  const keys = [2, 1].map((epoch) => ({
    keyId: bytesToId("KeyId", new Uint8Array(16).fill(7)),
    epoch,
    secret: crypto.randomBytes(32),
  }));
  const genesis = createGenesis(crypto, { admin: admin.identity.publicIdentity, namesKey, tenantName });
  const bag = await sealBag(crypto, admin.identity, { version: 3, namesKey, deviceSecret, keys });
  const alias = await sealPrivate(crypto, admin.identity, "alias", new TextEncoder().encode(tenantName));
  const requestUri = await encodeJoinRequest(crypto, guest.identity, nowMs);
  const request = await parseJoinRequest(crypto, requestUri);
  const sharePassword = createSharePassword(crypto);
  const directoryHead = bytesToId("CommitHash", new Uint8Array(32).fill(8));
  const { serverUrl, expiresAtMs } = input;
  const responseUri = await encodeJoinResponse(crypto, {
    request,
    signer: admin.identity,
    genesis,
    tenantName,
    serverUrl,
    namesKey,
    keys,
    directoryHead,
    sharePassword,
    expiresAtMs,
  });
  const keyExport = await encodeKeyExport(crypto, {
    identity: guest.identity,
    tenantId: genesis.tenantId,
    name: input.keyName,
    keys,
    password: sharePassword,
    nowMs,
  });
  const deviceUri = await encodeJoinResponse(crypto, {
    request,
    signer: admin.identity,
    link: { ...linkOf(admin.identity.publicIdentity.signingKey), keyNames: [input.keyName] },
    genesis,
    tenantName,
    serverUrl,
    namesKey,
    keys,
    directoryHead,
    sharePassword,
    expiresAtMs,
  });
  const adminKey = admin.identity.publicIdentity.signingKey;
  const memberKey = guest.identity.publicIdentity.signingKey;
  return {
    adminVault: bytesToHex(admin.vault),
    guestVault: bytesToHex(guest.vault),
    adminKey,
    memberKey,
    bag: bytesToHex(bag),
    alias: bytesToHex(alias),
    genesis: bytesToHex(genesis.bytes),
    tenantId: genesis.tenantId,
    requestUri,
    requestHash: bytesToHex(request.requestHash),
    sharePassword,
    responseUri,
    keyExport,
    deviceUri,
    safetyNumber: safetyNumber(crypto, { tenantId: genesis.tenantId, adminKey, memberKey }),
  };
}

const bytesOf = (hex: string): Uint8Array<ArrayBuffer> => parseHex(hex)!;

test("what is made today is what was frozen, byte for byte", async () => {
  expect(await make()).toEqual(made);
});

test.each([made, before.vaultVersion1])("what was frozen opens, of every version: %#", async (made) => {
  const crypto = createSeededCrypto("another seed", "real");
  const admin = await unlockVault(crypto, bytesOf(made.adminVault), input.password);
  const guest = await unlockVault(crypto, bytesOf(made.guestVault), input.password);
  expect(admin.publicIdentity).toMatchObject({ userName: input.adminName, signingKey: made.adminKey });
  expect(readVault(bytesOf(made.guestVault))).toMatchObject({
    signingKey: made.memberKey,
    createdAtMs: input.nowMs,
  });
  const secrets = await openBagSecrets(crypto, admin, bytesOf(made.bag), { minVersion: 3 });
  const bag = await loadBag(crypto, secrets);
  expect(bag.list().map(({ epoch }) => epoch)).toEqual([1, 2]);
  expect(new TextDecoder().decode(await openPrivate(crypto, admin, "alias", bytesOf(made.alias)))).toBe(
    input.tenantName,
  );
  const request = await parseJoinRequest(crypto, made.requestUri);
  expect(bytesToHex(request.requestHash)).toBe(made.requestHash);
  const { sharePassword } = made;
  const response = await openJoinResponse(crypto, made.responseUri, {
    identity: guest,
    sharePassword,
    nowMs: input.nowMs,
  });
  expect(response).toEqual({
    genesis: parseGenesis(crypto, bytesOf(made.genesis)),
    tenantName: input.tenantName,
    serverUrl: input.serverUrl,
    namesKey: secrets.namesKey,
    keys: secrets.keys,
    directoryHead: bytesToId("CommitHash", new Uint8Array(32).fill(8)),
    expiresAtMs: input.expiresAtMs,
    link: undefined,
    keyNames: [],
  });
  expect(response.genesis.tenantId).toBe(parseId("TenantId", made.tenantId));
});

test("an answer to a device opens, and is no answer of the admin", async () => {
  const crypto = createSeededCrypto("another seed", "real");
  const identity = await unlockVault(crypto, bytesOf(made.guestVault), input.password);
  const options = { identity, sharePassword: made.sharePassword, nowMs: input.nowMs };
  const { keyNames, link, ...rest } = await openJoinResponse(crypto, made.deviceUri, options);
  const by = parseId("AuthorKey", made.adminKey)!;
  expect([keyNames, link]).toEqual([[input.keyName], { by, ...linkOf(by) }]);
  expect({ ...rest, keyNames: [], link: undefined }).toEqual(
    await openJoinResponse(crypto, made.responseUri, options),
  );
});

test("a key that was exported opens", async () => {
  const crypto = createSeededCrypto("another seed", "real");
  const admin = await unlockVault(crypto, bytesOf(made.adminVault), input.password);
  const { keys } = await openBagSecrets(crypto, admin, bytesOf(made.bag), { minVersion: 3 });
  const tenantId = parseId("TenantId", made.tenantId)!;
  const opened = await openKeyExport(crypto, made.keyExport, { tenantId, password: made.sharePassword });
  expect(opened).toEqual({ name: input.keyName, keys, author: made.memberKey, createdAtMs: input.nowMs });
});

test("a vault of version 1 opens, and is of version 2 after the first change of its ways in", async () => {
  const crypto = createSeededCrypto("first version", "real");
  const { password, nowMs } = input;
  const first = bytesOf(before.vaultVersion1.guestVault);
  const identity = await unlockVault(crypto, first, password);
  expect(identity.publicIdentity).toMatchObject({
    userName: input.guestName,
    signingKey: before.vaultVersion1.memberKey,
  });
  const code = createRecoveryCode(crypto);
  const add = { kind: "recovery-code", code } as const;
  const { vault } = await changeVault(crypto, first, { secret: password, add, nowMs: nowMs + 1 });
  expect(vault[0]).toBe(2);
  for (const secret of [password, add])
    expect((await unlockVault(crypto, vault, secret)).publicIdentity).toEqual(identity.publicIdentity);
  expect(readVault(vault)).toEqual(readVault(first));
});

test.each(failures)("refused: $name", async ({ of, value, code, detail }) => {
  const crypto = createSeededCrypto("failures", "real");
  const openers: Record<string, () => Promise<unknown>> = {
    vault: () => unlockVault(crypto, bytesOf(value), input.password),
    "vault with another password": () => unlockVault(crypto, bytesOf(value), `${input.password}!`),
    bag: async () => {
      const admin = await unlockVault(crypto, bytesOf(before.vaultVersion1.adminVault), input.password);
      return openBagSecrets(crypto, admin, bytesOf(value), { minVersion: 4 });
    },
    request: () => parseJoinRequest(crypto, value),
    response: async () => {
      const identity = await unlockVault(crypto, bytesOf(before.vaultVersion1.guestVault), input.password);
      return openJoinResponse(crypto, value, {
        identity,
        sharePassword: "lusab-babad-gutih-tugad",
        nowMs: input.nowMs,
      });
    },
  };
  const error: unknown = await openers[of]?.().catch((caught: unknown) => caught);
  if (!isCofferError(error)) throw new Error("no typed error", { cause: error });
  expect([
    error.code,
    error.details["reason"] ?? error.details["detail"] ?? error.details["field"] ?? null,
  ]).toEqual([code, detail]);
});
