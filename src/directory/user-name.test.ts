import fc from "fast-check";
import { expect, test } from "vitest";
import { createWebCrypto } from "../crypto/index.ts";
import { bytesToHex } from "../std/index.ts";
import { hashUserName } from "./user-name.ts";

const crypto = createWebCrypto();
const namesKey = new Uint8Array(32).fill(7);
const hash = (name: string, key = namesKey): string => bytesToHex(hashUserName(crypto, key, name));

test("a name's hash is the same in any case and Unicode form, and another under another key", () => {
  expect(hash("CN=Ada/O=Acme")).toBe(hash("cn=ada/o=acme"));
  expect(hash("Ame\u0301lie")).toBe(hash("AM\u00c9LIE"));
  expect(hash("Straße")).toBe(hash("STRASSE"));
  expect(hash("ΟΔΥΣΣΕΥΣ")).toBe(hash("οδυσσευς"));
  expect(hash("ﬁnn")).toBe(hash("Finn"));
  expect(hash("ada")).not.toBe(hash("adb"));
  expect(hash("ada")).not.toBe(hash("ada", new Uint8Array(32)));
  expect(hash("ada")).toBe("3c89dc1933a646a6085938a75b78a87a4a9471f86ff74d2fed8dbcedacd13a69");
});

test("case makes no difference in Latin and Cyrillic", () => {
  const letter = fc
    .oneof(fc.integer({ min: 0x20, max: 0x24f }), fc.integer({ min: 0x400, max: 0x52f }))
    .map((code) => String.fromCodePoint(code));
  fc.assert(
    fc.property(fc.string({ unit: letter }), (name) => {
      expect(hash(name.toUpperCase())).toBe(hash(name));
    }),
  );
});
