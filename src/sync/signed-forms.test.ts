import { describe, expect, test } from "vitest";
import { bytesToHex, bytesToId, concatBytes, utf8ToBytes } from "../std/index.ts";
import { createWebVerifier } from "../crypto/index.ts";
import { authenticate, authPreimage } from "./auth.ts";
import {
  delegationBytes,
  encodeDelegation,
  parseDelegation,
  signDelegation,
  verifyDelegation,
} from "./delegation.ts";
import type { Delegation } from "./messages.ts";
import { parsePublication, signPublication, verifyPublication, type Publication } from "./publication.ts";
import vectors from "./signed-forms.vectors.json";

const crypto = createWebVerifier();
const tenantId = bytesToId("TenantId", new Uint8Array(32).fill(3));
const deviceKey = bytesToId("AuthorKey", new Uint8Array(32).fill(1));
const user = await crypto.createSealedSigningPair();
const userKey = bytesToId("AuthorKey", user.publicKey);
const delegation: Delegation = { deviceKey, userKey, tenantId, scope: "sync", expiresAtMs: 5000 };

describe("delegation", () => {
  const expected = { deviceKey, tenantId, nowMs: 4999 };

  test("vector: the fields", () => {
    const fixed = { ...delegation, userKey: bytesToId("AuthorKey", new Uint8Array(32).fill(2)) };
    expect(bytesToHex(encodeDelegation(fixed))).toBe(vectors.delegation);
  });

  test("holds for its device, tenant and time only", async () => {
    const bytes = await signDelegation(crypto, user.privateKey, delegation);
    expect(bytes.length).toBe(delegationBytes);
    expect(parseDelegation(bytes)).toEqual(delegation);
    expect(await verifyDelegation(crypto, bytes, expected)).toEqual({ kind: "valid", delegation });
    const other = { deviceKey: userKey, tenantId: bytesToId("TenantId", new Uint8Array(32)), nowMs: 5000 };
    const reasons = { deviceKey: "device", tenantId: "tenant", nowMs: "expired" } as const;
    for (const field of ["deviceKey", "tenantId", "nowMs"] as const) {
      const verdict = await verifyDelegation(crypto, bytes, { ...expected, [field]: other[field] });
      expect(verdict).toEqual({ kind: "invalid", reason: reasons[field] });
    }
  });

  test("every changed byte and every cut is refused", async () => {
    const bytes = await signDelegation(crypto, user.privateKey, delegation);
    for (let at = 0; at < bytes.length; at++) {
      const changed = bytes.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect((await verifyDelegation(crypto, changed, { ...expected, nowMs: 0 })).kind).toBe("invalid");
      expect(parseDelegation(bytes.subarray(0, at))).toBeUndefined();
    }
    const plain = concatBytes(
      encodeDelegation(delegation),
      await crypto.sign(user.privateKey, encodeDelegation(delegation)),
    );
    expect(await verifyDelegation(crypto, plain, expected)).toEqual({ kind: "invalid", reason: "signature" });
  });
});

describe("publication", () => {
  const publication: Publication = {
    genesis: utf8ToBytes("genesis"),
    publicInfosKey: {
      keyId: bytesToId("KeyId", new Uint8Array(16).fill(4)),
      epoch: 1,
      secret: new Uint8Array(32).fill(5),
    },
    createdAtMs: 1_700_000_000_000,
    origin: "https://relay.example",
    directoryCommits: [Uint8Array.of(1, 2, 3), Uint8Array.of(4)],
  };

  test("vector: the signed bytes", async () => {
    const signed = parsePublication(await signPublication(crypto, user.privateKey, publication));
    expect(bytesToHex(signed?.signedBytes ?? new Uint8Array(0))).toBe(vectors.publication);
  });

  test("comes back as it went in, under its admin's signature", async () => {
    const bytes = await signPublication(crypto, user.privateKey, publication);
    const signed = parsePublication(bytes);
    if (signed === undefined) throw new Error("not read");
    expect(signed.publication).toEqual(publication);
    expect(await verifyPublication(crypto, user.publicKey, signed)).toBe(true);
    const other = await crypto.createSealedSigningPair();
    expect(await verifyPublication(crypto, other.publicKey, signed)).toBe(false);
  });

  test("changed or cut anywhere it does not hold", async () => {
    const bytes = await signPublication(crypto, user.privateKey, publication);
    for (let at = 0; at < bytes.length; at++) {
      const changed = bytes.slice();
      changed[at] = (changed[at] ?? 0) ^ 1;
      const signed = parsePublication(changed);
      expect(signed !== undefined && (await verifyPublication(crypto, user.publicKey, signed))).toBe(false);
      const cut = parsePublication(bytes.subarray(0, at));
      expect(cut !== undefined && (await verifyPublication(crypto, user.publicKey, cut))).toBe(false);
    }
  });
});

describe("authentication", () => {
  const claim = {
    origin: "https://relay.example",
    serverKey: new Uint8Array(32).fill(6),
    tenantId,
    key: deviceKey,
    challenge: Uint8Array.of(7, 7, 7),
    clientNonce: new Uint8Array(16).fill(8),
  };

  test("vector: what is signed", () => expect(bytesToHex(authPreimage(claim))).toBe(vectors.auth));

  test.each([
    ["no object", null],
    ["no challenge", {}],
    ["a challenge that is not base64url", { challenge: "!" }],
    ["a challenge over 1 KiB", { challenge: "A".repeat(2000) }],
  ])("%s is malformed", async (_name, answer) => {
    const http = { origin: claim.origin, postJson: async () => answer };
    const signer = { key: userKey, privateKey: user.privateKey };
    const target = { tenantId, serverKey: claim.serverKey };
    await expect(authenticate(http, crypto, signer, target)).rejects.toMatchObject({
      code: "protocol/malformed",
    });
  });

  test("a token of another size is malformed, a good one is taken", async () => {
    const signer = { key: userKey, privateKey: user.privateKey };
    const target = { tenantId, serverKey: claim.serverKey };
    const http = (token: string) => ({
      origin: claim.origin,
      postJson: async (path: string) =>
        path.endsWith("challenge") ? { challenge: "AAAA" } : { token, expiresInMs: 5 },
    });
    await expect(authenticate(http("AAAA"), crypto, signer, target)).rejects.toMatchObject({
      code: "protocol/malformed",
    });
    const good = "A".repeat(43);
    expect(await authenticate(http(good), crypto, signer, target)).toEqual({
      token: new Uint8Array(32),
      expiresInMs: 5,
    });
  });
});
