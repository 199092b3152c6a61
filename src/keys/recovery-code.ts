/**
 * A recovery code: 144 random bits to be kept on paper.
 *
 * It is written in eight groups of four digits of Crockford's Base32, and read in either case, with any spaces and dashes, and with the
 * digits that people mistake for each other (O for 0, I and L for 1). Its last 16 bits are a checksum, so that a slip of the pen is told
 * from a code of another vault.
 *
 * | part | size |
 * |---|---|
 * | random | 18 |
 * | checksum | 2, SHA-256("coffer/recovery-checksum/v1\0" ‖ random), cut |
 *
 * @see https://www.crockford.com/base32.html
 */
import { CofferError, concatBytes, equalBytes, utf8ToBytes } from "../std/index.ts";
import type { Crypto } from "../crypto/index.ts";

const randomBytes = 18;
const checksumBytes = 2;
const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const digitCount = ((randomBytes + checksumBytes) * 8) / 5;
const maxTypedLength = 256;
const checksumDomain = utf8ToBytes("coffer/recovery-checksum/v1\0");

/** Make a new code. */
export function createRecoveryCode(crypto: Pick<Crypto, "randomBytes" | "sha256">): string {
  const random = crypto.randomBytes(randomBytes);
  const code = encodeBase32(concatBytes(random, checksumOf(crypto, random)));
  random.fill(0);
  return (code.match(/.{4}/g) ?? []).join("-");
}

/** Read a code as somebody typed it: its random bytes. @throws `input/invalid` when it is none, or mistyped */
export function readRecoveryCode(crypto: Pick<Crypto, "sha256">, typed: string): Uint8Array<ArrayBuffer> {
  const bytes = typed.length > maxTypedLength ? undefined : decodeBase32(typed);
  const random = bytes?.subarray(0, randomBytes);
  if (
    bytes === undefined ||
    random === undefined ||
    !equalBytes(bytes.subarray(randomBytes), checksumOf(crypto, random))
  )
    throw new CofferError("input/invalid", {
      what: "recovery code",
      message: "This is no recovery code. It has eight groups of four letters and digits: look for a slip.",
    });
  return random.slice();
}

function checksumOf(crypto: Pick<Crypto, "sha256">, random: Uint8Array): Uint8Array {
  return crypto.sha256(checksumDomain, random).subarray(0, checksumBytes);
}

function encodeBase32(bytes: Uint8Array): string {
  let text = "";
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) text += digits.charAt((held >> (bits - 5)) & 31);
  }
  return text;
}

function decodeBase32(typed: string): Uint8Array<ArrayBuffer> | undefined {
  const text = typed.replaceAll(/[\s\u002d\u2010-\u2015]/gu, "").toUpperCase();
  const clear = text.replaceAll("O", "0").replaceAll(/[IL]/g, "1");
  if (clear.length !== digitCount) return undefined;
  const bytes: number[] = [];
  let bits = 0;
  let held = 0;
  for (const character of clear) {
    const value = digits.indexOf(character);
    if (value < 0) return undefined;
    held = ((held << 5) | value) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push((held >> bits) & 0xff);
  }
  return new Uint8Array(bytes);
}
