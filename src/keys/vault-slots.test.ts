import { beforeAll, describe, expect, test } from "vitest";
import { isCofferError, type CofferErrorCode } from "../std/index.ts";
import {
  changeVault,
  createIdentity,
  createRecoveryCode,
  createVault,
  readVaultSlots,
  unlockVault,
  type NewSlot,
  type UnlockedIdentity,
  type UnlockSecret,
} from "./index.ts";
import { readRecoveryCode } from "./recovery-code.ts";
import { createSeededCrypto } from "./seeded-crypto.ts";

const password = "tall ships sail at noon";
const crypto = createSeededCrypto("slots");
let vault: Uint8Array<ArrayBuffer>;
let identity: UnlockedIdentity;
let code: string;
const passkey = {
  kind: "passkey",
  credentialId: new Uint8Array(64).fill(3),
  output: new Uint8Array(32).fill(4),
  salt: new Uint8Array(32).fill(5),
} as const;

const failureOf = async (run: Promise<unknown>): Promise<[CofferErrorCode, unknown] | undefined> =>
  run.then(
    () => undefined,
    (error: unknown) => {
      if (!isCofferError(error)) throw error;
      return [error.code, error.details["reason"] ?? error.details["what"]];
    },
  );
const opens = async (bytes: Uint8Array, secret: string | UnlockSecret): Promise<boolean> => {
  const opened = await unlockVault(crypto, bytes, secret).catch((error: unknown) => {
    if (!isCofferError(error) || error.code !== "key/wrong-password") throw error;
  });
  if (opened !== undefined) expect(opened.publicIdentity).toEqual(identity.publicIdentity);
  return opened !== undefined;
};
const add = async (to: Uint8Array, slot: NewSlot, secret: string | UnlockSecret = password) =>
  changeVault(crypto, to, { secret, add: slot, nowMs: 20 });

beforeAll(async () => {
  const secrets = await createIdentity(crypto, "cn=ada/o=acme");
  ({ vault, identity } = await createVault(crypto, { secrets, password, nowMs: 10 }));
  code = createRecoveryCode(crypto);
});

describe("ways into a vault", () => {
  test("each opens it, alone, to the same identity and the same keys", async () => {
    const both = (await add((await add(vault, { kind: "recovery-code", code })).vault, passkey)).vault;
    expect(await opens(vault, passkey)).toBe(false);
    for (const secret of [password, { kind: "recovery-code", code } as const, passkey])
      expect(await opens(both, secret)).toBe(true);
    const opened = await unlockVault(crypto, both, passkey);
    const nonce = new Uint8Array(12);
    for (const key of ["bagKey", "profileKey"] as const)
      expect(
        await crypto.decrypt(
          opened[key],
          nonce,
          await crypto.encrypt(identity[key], nonce, nonce, nonce),
          nonce,
        ),
      ).toEqual(nonce);
    expect(readVaultSlots(both).map(({ parameters, addedAtMs }) => [parameters.kind, addedAtMs])).toEqual([
      ["password", 10],
      ["recovery-code", 20],
      ["passkey", 20],
    ]);
  });

  test("one that was not put in opens nothing: other code, other output, other credential", async () => {
    const both = (await add((await add(vault, { kind: "recovery-code", code })).vault, passkey)).vault;
    const output = passkey.output.with(31, 5);
    expect(await opens(both, { kind: "recovery-code", code: createRecoveryCode(crypto) })).toBe(false);
    expect(await opens(both, { ...passkey, output })).toBe(false);
    expect(await opens(both, { ...passkey, output: output.subarray(0, 31) })).toBe(false);
    expect(await opens(both, { ...passkey, credentialId: passkey.credentialId.with(0, 9) })).toBe(false);
    expect(await opens(both, code)).toBe(false);
  });

  test("any of them can add and remove others; the removed one opens nothing then, the others do", async () => {
    const first = await add(vault, { kind: "recovery-code", code });
    const [passwordSlot] = readVaultSlots(first.vault);
    const changed = await changeVault(crypto, first.vault, {
      secret: { kind: "recovery-code", code },
      add: { kind: "password", password: "low boats row at dawn" },
      remove: () => [passwordSlot!.id],
      nowMs: 30,
    });
    expect(await opens(changed.vault, password)).toBe(false);
    expect(await opens(changed.vault, "low boats row at dawn")).toBe(true);
    expect(await opens(changed.vault, { kind: "recovery-code", code })).toBe(true);
    expect(readVaultSlots(changed.vault).at(-1)?.id).toBe(changed.added);
    // A slot of the vault before, put back by who cannot open it, opens nothing.
    expect(await failureOf(unlockVault(crypto, withSlotsOf(changed.vault, first.vault), password))).toEqual([
      "entry/corrupt",
      "body",
    ]);
  });

  test("nobody changes them without opening the vault; the last one and unknown ones stay", async () => {
    const change = { nowMs: 1, add: { kind: "recovery-code", code } } as const;
    expect(
      await failureOf(changeVault(crypto, vault, { ...change, secret: "low boats row at dawn" })),
    ).toEqual(["key/wrong-password", undefined]);
    const [slot] = readVaultSlots(vault);
    const removing = (id: string) => ({ secret: password, nowMs: 1, remove: () => [id] });
    expect(await failureOf(changeVault(crypto, vault, removing(slot!.id)))).toEqual([
      "input/invalid",
      "last way in",
    ]);
    expect((await failureOf(changeVault(crypto, vault, removing("00".repeat(8)))))?.[0]).toBe(
      "input/unknown-id",
    );
    expect((await failureOf(add(vault, { kind: "password", password: "1234" })))?.[0]).toBe(
      "input/weak-password",
    );
    const { salt: _salt, ...saltless } = passkey;
    for (const bad of [
      saltless,
      { ...passkey, output: new Uint8Array(31) },
      { ...passkey, credentialId: new Uint8Array(0) },
      { ...passkey, credentialId: new Uint8Array(1024) },
    ])
      expect((await failureOf(add(vault, bad)))?.[0]).toBe("input/invalid");
  });

  test("a vault holds eight, four of them passwords; one more is refused and nothing is lost", async () => {
    let full = vault;
    for (let i = 0; i < 3; i++) full = (await add(full, { kind: "password", password })).vault;
    expect((await failureOf(add(full, { kind: "password", password })))?.[0]).toBe("input/too-large");
    for (let i = 0; i < 4; i++)
      full = (await add(full, { ...passkey, credentialId: new Uint8Array([i]) })).vault;
    expect((await failureOf(add(full, passkey)))?.[0]).toBe("input/too-large");
    expect(readVaultSlots(full)).toHaveLength(8);
    expect(await opens(full, password)).toBe(true);
  });

  test("locked, they tell kinds, times and what an authenticator is asked, and no name", async () => {
    const both = (await add(vault, passkey)).vault;
    const { credentialId, salt } = passkey;
    expect(readVaultSlots(both)[1]?.parameters).toEqual({ kind: "passkey", credentialId, salt });
  });

  test("any changed bit of any of them is refused, whoever opens", async () => {
    const both = (await add((await add(vault, { kind: "recovery-code", code })).vault, passkey)).vault;
    for (let at = 0; at < both.length; at++) {
      const flipped = both.with(at, (both[at] ?? 0) ^ (1 << (at % 8)));
      expect((await failureOf(unlockVault(crypto, flipped, passkey)))?.[0]).toBe("entry/corrupt");
    }
  });
});

/** The vault with the first slot of another one in place of its own first. */
function withSlotsOf(to: Uint8Array, from: Uint8Array): Uint8Array {
  const size = 1 + 8 + 8 + 7 + 17 + 60;
  const passwordAt = to.length;
  const body = to.slice(0, passwordAt - 16);
  // The recovery code's slot comes first now; the password's old slot is put behind it, over the new one.
  const recoveryBytes = 1 + 8 + 8 + 32 + 60;
  body.set(from.subarray(74, 74 + size), 74 + recoveryBytes);
  const sum = crypto.sha256(new TextEncoder().encode("coffer/vault-checksum/v1\0"), body).subarray(0, 16);
  const changed = new Uint8Array(to.length);
  changed.set(body);
  changed.set(sum, body.length);
  return changed;
}

describe("recovery code", () => {
  test("is eight groups of four, read however it was typed", () => {
    expect(code).toMatch(/^([0-9A-HJKMNP-TV-Z]{4}-){7}[0-9A-HJKMNP-TV-Z]{4}$/);
    const random = readRecoveryCode(crypto, code);
    expect(random).toHaveLength(18);
    for (const typed of [
      code.toLowerCase(),
      code.replaceAll("-", " "),
      code.replaceAll("-", ""),
      ` ${code.replaceAll("0", "o").replaceAll("1", "l")}\n`,
      code.replaceAll("-", "–"),
    ])
      expect(readRecoveryCode(crypto, typed)).toEqual(random);
  });

  test("a slip is told from a wrong code, and no text does harm", async () => {
    let caught = 0;
    for (let at = 0; at < code.length; at++) {
      if (code[at] === "-") continue;
      const slip = `${code.slice(0, at)}${code[at] === "7" ? "8" : "7"}${code.slice(at + 1)}`;
      caught +=
        (await failureOf(Promise.resolve().then(() => readRecoveryCode(crypto, slip))))?.[1] ===
        "recovery code"
          ? 1
          : 0;
    }
    expect(caught).toBe(32);
    for (const text of ["", "x", "U".repeat(32), "é".repeat(32), "0".repeat(100_000_000)])
      expect((await failureOf(Promise.resolve().then(() => readRecoveryCode(crypto, text))))?.[0]).toBe(
        "input/invalid",
      );
    expect((await failureOf(unlockVault(crypto, vault, { kind: "recovery-code", code: "x" })))?.[0]).toBe(
      "key/wrong-password",
    );
  });

  test("codes are all different", () => {
    const codes = Array.from({ length: 500 }, () => createRecoveryCode(crypto));
    expect(new Set(codes).size).toBe(500);
  });
});
