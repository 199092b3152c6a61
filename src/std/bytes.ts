/** Join byte arrays into one. */
export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let sizeBytes = 0;
  for (const part of parts) sizeBytes += part.length;
  const joined = new Uint8Array(sizeBytes);
  let offset = 0;
  for (const part of parts) {
    joined.set(part, offset);
    offset += part.length;
  }
  return joined;
}

/** Tell whether two byte arrays are equal. Time depends on content: never for secrets. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Tell whether two byte arrays of one length are equal, in time that depends on the length only. */
export function equalBytesConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}

/** Compare byte arrays in lexical order: negative, zero or positive. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

const encoder = new TextEncoder();
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Encode text as UTF-8. */
export function utf8ToBytes(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text) as Uint8Array<ArrayBuffer>;
}

/** Up to this size the call to the browser's decoder costs more than the work: names and short fields are most of what is read. */
const shortBytes = 24;

/** Decode UTF-8 strictly; `undefined` when the bytes are not UTF-8. */
export function bytesToUtf8(bytes: Uint8Array): string | undefined {
  if (bytes.length <= shortBytes && isAscii(bytes))
    return Reflect.apply(String.fromCharCode, String, bytes) as string;
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Tell whether bytes are UTF-8, without making text of what is plain to see. */
export function isUtf8(bytes: Uint8Array): boolean {
  return isAscii(bytes) || bytesToUtf8(bytes) !== undefined;
}

function isAscii(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if ((bytes[i] ?? 0) > 127) return false;
  return true;
}

/** Browsers write bytes as text themselves, some five times as fast; not all of them do yet. */
const platform: { readonly toHex?: (this: Uint8Array) => string } = Uint8Array.prototype as object;
const hexPairs = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Write bytes as lower-case hexadecimal digits. */
export function bytesToHex(bytes: Uint8Array): string {
  if (platform.toHex !== undefined) return platform.toHex.call(bytes);
  let text = "";
  for (const byte of bytes) text += hexPairs[byte] ?? "";
  return text;
}

/** The value of a hexadecimal digit's code, 255 for all others. */
const hexValues = new Uint8Array(128).fill(255);
for (let value = 0; value < 16; value++) {
  const digit = value.toString(16);
  hexValues[digit.charCodeAt(0)] = value;
  hexValues[digit.toUpperCase().charCodeAt(0)] = value;
}

/** Read lower- or upper-case hexadecimal digits; `undefined` for anything else. */
export function parseHex(text: string): Uint8Array<ArrayBuffer> | undefined {
  if (text.length % 2 !== 0) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    const high = hexValues[text.charCodeAt(2 * i)] ?? 255;
    const low = hexValues[text.charCodeAt(2 * i + 1)] ?? 255;
    if (high > 15 || low > 15) return undefined;
    bytes[i] = high * 16 + low;
  }
  return bytes;
}

/** Own the bytes: a copy over a plain ArrayBuffer of exactly their size, which no one else can change or transfer. */
export function copyBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}
