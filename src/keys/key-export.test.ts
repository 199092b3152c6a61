import fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import {
  bytesToBase64url,
  bytesToId,
  concatBytes,
  isCofferError,
  parseBase64url,
  utf8ToBytes,
  type CofferErrorCode,
} from "../std/index.ts";
import {
  createIdentity,
  createVault,
  encodeKeyExport,
  openKeyExport,
  type UnlockedIdentity,
} from "./index.ts";
import type { ExportDraft } from "./key-export.ts";
import { createSeededCrypto } from "./seeded-crypto.ts";

const crypto = createSeededCrypto("key export");
const tenantId = bytesToId("TenantId", new Uint8Array(32).fill(1));
const password = "lusab-babad-gutih-tugad";
const prefix = "mdb://key/";
const keyOf = (epoch: number, id = 4) => ({
  keyId: bytesToId("KeyId", new Uint8Array(16).fill(id)),
  epoch,
  secret: new Uint8Array(32).fill(epoch),
});

let identity: UnlockedIdentity;
let text: string;

const draftOf = (change: Partial<ExportDraft> = {}): ExportDraft => ({
  identity,
  tenantId,
  name: "salaries",
  keys: [keyOf(1), keyOf(2)],
  password,
  nowMs: 1_700_000_000_000,
  ...change,
});
const bytesOf = (uri: string): Uint8Array<ArrayBuffer> => parseBase64url(uri.slice(prefix.length))!;
const open = async (uri: string, change: { password?: string; tenantId?: typeof tenantId } = {}) =>
  openKeyExport(crypto, uri, { tenantId, password, ...change });

async function codeOf(run: Promise<unknown>): Promise<CofferErrorCode | undefined> {
  try {
    await run;
    return undefined;
  } catch (error) {
    if (!isCofferError(error)) throw error;
    return error.code;
  }
}

/** Change what is signed, and sign it again: what only the author's own software could do. */
async function resign(uri: string, change: (signed: Uint8Array) => Uint8Array): Promise<string> {
  const signed = change(bytesOf(uri).slice(0, -64));
  const message = concatBytes(utf8ToBytes("coffer/key/v1\0"), signed);
  const signature = await crypto.sign(identity.signing.privateKey, message);
  return prefix + bytesToBase64url(concatBytes(signed, signature));
}

beforeAll(async () => {
  const secrets = await createIdentity(crypto, "cn=anna/o=acme");
  ({ identity } = await createVault(crypto, { secrets, password: "tall ships sail", nowMs: 1 }));
  text = await encodeKeyExport(crypto, draftOf());
});

describe("an exported key", () => {
  it("comes back with its epochs, its name and who made it", async () => {
    expect(await open(text)).toEqual({
      name: "salaries",
      keys: [keyOf(1), keyOf(2)],
      author: identity.publicIdentity.signingKey,
      createdAtMs: 1_700_000_000_000,
    });
  });

  it("opens by its password alone, and in its tenant alone", async () => {
    expect(await codeOf(open(text, { password: `${password}!` }))).toBe("key/wrong-password");
    const other = bytesToId("TenantId", new Uint8Array(32).fill(2));
    expect(await codeOf(open(text, { tenantId: other }))).toBe("input/invalid");
  });

  it("is refused with any bit changed, whether or not it is signed again", async () => {
    const bytes = bytesOf(text);
    for (let at = 0; at < bytes.length; at++) {
      const flipped = bytes.with(at, (bytes[at] ?? 0) ^ (1 << (at % 8)));
      expect(await codeOf(open(prefix + bytesToBase64url(flipped))), `byte ${at}`).toBeDefined();
      if (at >= bytes.length - 64) continue;
      const again = await resign(text, (signed) => signed.with(at, (signed[at] ?? 0) ^ (1 << (at % 8))));
      expect(await codeOf(open(again)), `byte ${at}, signed again`).toBeDefined();
    }
  });

  it("is refused when it is cut, lengthened, or of another kind, by its code", async () => {
    for (const uri of [
      "",
      "mdb://key/",
      "mdb://key/AAAA",
      "mdb://join-response/AAAA",
      `${text}A`,
      text.slice(0, -4),
    ])
      expect(["input/invalid", "entry/forged", "protocol/version"], uri.slice(0, 40)).toContain(
        await codeOf(open(uri)),
      );
    expect(await codeOf(open(await resign(text, (signed) => signed.with(0, 2))))).toBe("protocol/version");
    expect(await codeOf(open(await resign(text, (signed) => signed.with(1, 2))))).toBe("input/invalid");
    expect(await codeOf(open(`mdb://key/${"A".repeat(17_000)}`))).toBe("input/too-large");
  });

  it("costs no password function unless its author signed it for this tenant", async () => {
    let derived = 0;
    const counting = {
      ...crypto,
      deriveFromPassword: async (...args: Parameters<typeof crypto.deriveFromPassword>) => {
        derived++;
        return crypto.deriveFromPassword(...args);
      },
    };
    const bytes = bytesOf(text);
    const flipped = prefix + bytesToBase64url(bytes.with(80, (bytes[80] ?? 0) ^ 1));
    const other = bytesToId("TenantId", new Uint8Array(32).fill(2));
    await codeOf(openKeyExport(counting, flipped, { tenantId, password }));
    await codeOf(openKeyExport(counting, text, { tenantId: other, password }));
    expect(derived).toBe(0);
    await openKeyExport(counting, text, { tenantId, password });
    expect(derived).toBe(1);
  });

  it("is not made under a weak password, of too many epochs, and not read as two keys or none", async () => {
    expect(await codeOf(encodeKeyExport(crypto, draftOf({ password: "12345678" })))).toBe(
      "input/weak-password",
    );
    const many = Array.from({ length: 201 }, (_, at) => keyOf(at + 1));
    expect(await codeOf(encodeKeyExport(crypto, draftOf({ keys: many })))).toBe("input/too-large");
    const most = await open(await encodeKeyExport(crypto, draftOf({ keys: many.slice(1) })));
    expect(most.keys).toHaveLength(200);
    for (const keys of [[], [keyOf(1), keyOf(1, 5)]])
      expect(await codeOf(open(await encodeKeyExport(crypto, draftOf({ keys }))))).toBe("entry/corrupt");
  });

  it("is no harm whatever it is", async () => {
    const bytes = bytesOf(text);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        fc.nat(bytes.length),
        async (edits, cut) => {
          const changed = bytes.slice();
          for (const [at, value] of edits) changed[at] = value;
          const whole = prefix + bytesToBase64url(changed.slice(0, cut === 0 ? undefined : cut));
          const code = await codeOf(open(whole));
          if (whole !== text) expect(code).toBeDefined();
        },
      ),
    );
  });
});
