import { beforeAll, describe, expect, test } from "vitest";
import { createWebCrypto } from "../crypto/index.ts";
import { bytesToHex, concatBytes, isCofferError, utf8ToBytes, type CofferErrorCode } from "../std/index.ts";
import { createIdentity, createVault, readVault, unlockVault, type UnlockedIdentity } from "./index.ts";
import { createSeededCrypto } from "./seeded-crypto.ts";

const password = "tall ships sail at noon";
const crypto = createSeededCrypto("vault");
/** kind, id, time, parameters of Argon2id, salt, box */
const slotBytes = 1 + 8 + 8 + 7 + 17 + 60;
const parametersAt = 74 + 1 + 8 + 8;
let vault: Uint8Array<ArrayBuffer>;
let identity: UnlockedIdentity;
let freshVault: () => Promise<{ vault: Uint8Array<ArrayBuffer>; identity: UnlockedIdentity }>;

async function failure(
  run: Promise<unknown> | (() => unknown),
): Promise<{ code: CofferErrorCode; details: object } | undefined> {
  try {
    await (typeof run === "function" ? run() : run);
    return undefined;
  } catch (error) {
    if (!isCofferError(error)) throw error;
    return { code: error.code, details: error.details };
  }
}
const codeOf = async (run: Promise<unknown> | (() => unknown)): Promise<CofferErrorCode | undefined> =>
  (await failure(run))?.code;

/** As an attacker would: change bytes, then make the checksum right again. */
function forge(bytes: Uint8Array, change: (body: Uint8Array) => Uint8Array): Uint8Array<ArrayBuffer> {
  const body = change(bytes.slice(0, -16));
  return concatBytes(body, crypto.sha256(utf8ToBytes("coffer/vault-checksum/v1\0"), body).subarray(0, 16));
}

beforeAll(async () => {
  freshVault = async () =>
    createVault(crypto, {
      secrets: await createIdentity(crypto, "cn=ada/o=acme"),
      password,
      nowMs: 1_700_000_000_000,
    });
  ({ vault, identity } = await freshVault());
});

describe("vault", () => {
  test("opens with its password to the identity that was put in", async () => {
    const opened = await unlockVault(crypto, vault, password);
    expect(opened.publicIdentity).toEqual(identity.publicIdentity);
    expect(opened.publicIdentity.userName).toBe("cn=ada/o=acme");
    const message = utf8ToBytes("hello");
    expect(
      await crypto.verify(
        identity.signing.publicKey,
        await crypto.sign(opened.signing.privateKey, message),
        message,
      ),
    ).toBe(true);
    const context = { info: message, additionalData: message };
    const sealed = await crypto.sealTo(identity.encryption.publicKey, message, context);
    expect(await crypto.openSealed(opened.encryption, sealed, context)).toEqual(message);
    const nonce = new Uint8Array(12);
    for (const key of ["bagKey", "profileKey"] as const) {
      const ciphertext = await crypto.encrypt(identity[key], nonce, message, message);
      expect(await crypto.decrypt(opened[key], nonce, ciphertext, message)).toEqual(message);
      expect(opened[key].extractable).toBe(false);
    }
    expect([opened.signing.privateKey.extractable, opened.encryption.privateKey.extractable]).toEqual([
      false,
      false,
    ]);
  });

  test("locked, tells public keys and time, and shows no name", () => {
    const { signingKey, encryptionKey } = identity.publicIdentity;
    expect(readVault(vault)).toEqual({ signingKey, encryptionKey, createdAtMs: 1_700_000_000_000 });
    expect(bytesToHex(vault)).not.toContain(bytesToHex(utf8ToBytes("ada")));
  });

  test("uses one key for each purpose", async () => {
    const nonce = new Uint8Array(12);
    const ciphertext = await crypto.encrypt(identity.bagKey, nonce, nonce, nonce);
    expect(await crypto.decrypt(identity.profileKey, nonce, ciphertext, nonce)).toBeUndefined();
  });

  test("wipes the secrets that went in", async () => {
    const secrets = await createIdentity(crypto, "ada");
    await createVault(crypto, { secrets, password, nowMs: 1 });
    expect([...secrets.signingSecret, ...secrets.encryptionSecret].every((byte) => byte === 0)).toBe(true);
  });

  test("refuses weak passwords and impossible names, and keeps the secrets then", async () => {
    const secrets = await createIdentity(crypto, "ada");
    expect(await codeOf(createVault(crypto, { secrets, password: "1234567", nowMs: 1 }))).toBe(
      "input/weak-password",
    );
    expect(await codeOf(createVault(crypto, { secrets, password: "password1!", nowMs: 1 }))).toBe(
      "input/weak-password",
    );
    expect(secrets.signingSecret.some((byte) => byte !== 0)).toBe(true);
    for (const name of [
      "",
      " ada",
      "a\nb",
      "a\u0000",
      "\ud800",
      "a\u202eb",
      "x".repeat(257),
      "ø".repeat(129),
    ]) {
      expect(await codeOf(createIdentity(crypto, name))).toBe("input/invalid");
    }
    expect(
      await codeOf(createVault(crypto, { secrets: { ...secrets, userName: "\n" }, password, nowMs: 1 })),
    ).toBe("input/invalid");
  });

  test("tells a wrong password from a damaged vault", async () => {
    for (const wrong of ["tall ships sail at moon", "x", `${password} `]) {
      expect(await codeOf(unlockVault(crypto, vault, wrong))).toBe("key/wrong-password");
    }
    for (let at = 0; at < vault.length; at++) {
      const flipped = vault.with(at, (vault[at] ?? 0) ^ (1 << (at % 8)));
      expect(await codeOf(unlockVault(crypto, flipped, password))).toBe("entry/corrupt");
    }
  });

  test("never opens, not in part either, when any bit was changed on purpose", async () => {
    const bodyStart = 74 + slotBytes;
    for (let at = 0; at < vault.length - 16; at++) {
      for (const bit of [at % 8, (at + 3) % 8]) {
        const changed = forge(vault, (body) => body.with(at, (body[at] ?? 0) ^ (1 << bit)));
        const found = await failure(unlockVault(crypto, changed, password));
        // A changed head or slot gives no master at all; a changed body is found under the master.
        const codes = at < bodyStart ? ["key/wrong-password", "entry/corrupt"] : ["entry/corrupt"];
        expect(codes).toContain(found?.code);
        if (at < bodyStart) expect(found?.details).not.toMatchObject({ reason: "body" });
      }
    }
  });

  test("refuses parts of another vault of the same password", async () => {
    const other = (await freshVault()).vault;
    expect(other.length).toBe(vault.length);
    const bodyStart = 74 + slotBytes;
    for (const [from, to] of [
      [0, 1],
      [1, 33],
      [33, 65],
      [65, 73],
      [74, bodyStart],
      [bodyStart, bodyStart + 60],
      [bodyStart + 60, vault.length],
    ] as const) {
      const mixed = forge(vault, (body) =>
        concatBytes(
          body.subarray(0, from),
          other.subarray(from, Math.min(to, body.length)),
          body.subarray(to),
        ),
      );
      const code = await codeOf(unlockVault(crypto, mixed, password));
      if (bytesToHex(mixed) !== bytesToHex(vault))
        expect(["key/wrong-password", "entry/corrupt"]).toContain(code);
    }
    const swapped = forge(vault, (body) =>
      concatBytes(
        body.subarray(0, bodyStart),
        body.subarray(bodyStart + 60, bodyStart + 120),
        body.subarray(bodyStart, bodyStart + 60),
        body.subarray(bodyStart + 120),
      ),
    );
    expect(await codeOf(unlockVault(crypto, swapped, password))).toBe("entry/corrupt");
  });

  test("gives a verdict for any length and version", async () => {
    for (let end = 0; end < vault.length; end++)
      expect(await codeOf(() => readVault(vault.subarray(0, end)))).toBe("entry/corrupt");
    expect(await codeOf(() => readVault(new Uint8Array(10_000_000)))).toBe("entry/corrupt");
    expect(await codeOf(() => readVault(concatBytes(vault, new Uint8Array(1))))).toBe("entry/corrupt");
    expect(await failure(() => readVault(vault.with(0, 3)))).toMatchObject({
      code: "entry/corrupt",
      details: { reason: "version" },
    });
    expect(await codeOf(() => readVault(vault.with(73, 0)))).toBe("entry/corrupt");
    expect(await codeOf(() => readVault(vault.with(73, 9)))).toBe("entry/corrupt");
    expect(await codeOf(() => readVault(vault.with(74, 4)))).toBe("entry/corrupt");
  });

  test("has room for slots: a second one opens what the first does not", async () => {
    const withGarbageSlot = forge(vault, (body) => {
      const slot = body.slice(74, 74 + slotBytes);
      slot[slotBytes - 1] = (slot[slotBytes - 1] ?? 0) ^ 1;
      slot[1] = (slot[1] ?? 0) ^ 1;
      return concatBytes(body.subarray(0, 73), new Uint8Array([2]), slot, body.subarray(74));
    });
    expect(readVault(withGarbageSlot).signingKey).toBe(identity.publicIdentity.signingKey);
    // The master comes from the second slot; the body then shows that a slot was slipped in.
    expect(await failure(unlockVault(crypto, withGarbageSlot, password))).toMatchObject({
      code: "entry/corrupt",
      details: { reason: "body" },
    });
  });
});

describe("vault with real password functions", () => {
  const real = createWebCrypto();

  test("opens in any Unicode form of the password; other parameters are refused before any work", async () => {
    const cheap = createSeededCrypto("real", "real");
    const secrets = await createIdentity(cheap, "ada");
    const made = await createVault(cheap, { secrets, password: "Ame\u0301lie Poulain", nowMs: 5 });
    const opened = await unlockVault(real, made.vault, "Am\u00e9lie Poulain");
    expect(opened.publicIdentity).toEqual(made.identity.publicIdentity);
    expect(await codeOf(unlockVault(real, made.vault, "Amelie Poulain"))).toBe("key/wrong-password");
    const withMemory = (memoryKiB: number): Uint8Array =>
      forge(made.vault, (body) => {
        new DataView(body.buffer).setUint32(parametersAt + 1, memoryKiB);
        return body;
      });
    for (const memoryKiB of [0, 8, 19_455, 1_048_577, 0xffff_ffff]) {
      expect(await codeOf(unlockVault(real, withMemory(memoryKiB), password))).toBe("key/parameters");
    }
    const passes = forge(made.vault, (body) => body.with(parametersAt + 5, 1));
    expect(await codeOf(unlockVault(real, passes, password))).toBe("key/parameters");
    expect(await codeOf(unlockVault(real, withMemory(19_457), "Am\u00e9lie Poulain"))).toBe(
      "key/wrong-password",
    );
    expect(await codeOf(unlockVault(real, made.vault, "x".repeat(1_000_000)))).toBe("input/too-large");
    expect(await codeOf(unlockVault(real, made.vault, ""))).toBe("input/invalid");
  });
});
