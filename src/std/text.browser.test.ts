import { describe, expect, it } from "vitest";
import { bytesToBase64url, bytesToHex, parseBase64url, parseHex } from "./index.ts";

/** Digits of 4 or 6 bits, most significant first, the last one filled up with zeros: the dull way. */
function digits(bytes: Uint8Array, alphabet: string): string {
  const bitCount = Math.log2(alphabet.length);
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, "0")).join("");
  const groups = bits.match(new RegExp(`.{1,${bitCount}}`, "g")) ?? [];
  return groups.map((group) => alphabet[Number.parseInt(group.padEnd(bitCount, "0"), 2)]).join("");
}

const hexAlphabet = "0123456789abcdef";
const urlAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

describe("bytes as text in a browser, by whatever it has of its own", () => {
  it("is the same text, and comes back", () => {
    for (const sizeBytes of [...Array.from({ length: 70 }, (_, size) => size), 5000]) {
      const bytes = crypto.getRandomValues(new Uint8Array(sizeBytes + 3)).subarray(3);
      expect(bytesToHex(bytes)).toBe(digits(bytes, hexAlphabet));
      expect(bytesToBase64url(bytes)).toBe(digits(bytes, urlAlphabet));
      expect(parseHex(bytesToHex(bytes))).toEqual(new Uint8Array(bytes));
      expect(parseBase64url(bytesToBase64url(bytes))).toEqual(new Uint8Array(bytes));
    }
  });
});
