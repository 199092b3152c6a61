/**
 * Padding that hides a plaintext's size: `varint size ‖ plaintext ‖ zero bytes`, as long as PADMÉ says.
 *
 * A length of about 2^e keeps only the highest log2(e) + 1 bits of its size, so at most 12 % is added and all
 * sizes of a magnitude fall into a few classes.
 *
 * @see Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", §4
 */
import { assert, ByteReader } from "../std/index.ts";
import { entryLimits, type EntryType } from "./entry.ts";

/** Size of the GCM tag that ends a ciphertext. */
export const tagBytes = 16;

/** The size after padding of a plaintext of `sizeBytes` (below 2^30). */
export function paddedSizeBytes(sizeBytes: number): number {
  return padme(varintBytes(sizeBytes) + sizeBytes);
}

/** Pad a plaintext into `target`, which is as long as it will be, and all zero. */
export function padInto(target: Uint8Array, plaintext: Uint8Array): void {
  assert(target.length === paddedSizeBytes(plaintext.length), "entry: padding has its size");
  let at = 0;
  let rest = plaintext.length;
  for (; rest >= 128; rest >>>= 7) target[at++] = (rest & 127) | 128;
  target[at++] = rest;
  target.set(plaintext, at);
}

/** The plaintext as a view, or `undefined` for anything that {@link padInto} would not have written. */
export function unpad(padded: Uint8Array): Uint8Array | undefined {
  const reader = new ByteReader(padded);
  const plaintext = reader.sized(padded.length);
  if (reader.error !== undefined || paddedSizeBytes(plaintext.length) !== padded.length) return undefined;
  return isZero(reader.fixed(reader.remaining)) ? plaintext : undefined;
}

/** A chunk of a file ends in 8 KiB of them, which a callback for each would take longer than its decryption. */
function isZero(bytes: Uint8Array): boolean {
  let any = 0;
  for (let at = 0; at < bytes.length; at++) any |= bytes[at] ?? 0;
  return any === 0;
}

function padme(sizeBytes: number): number {
  if (sizeBytes < 2) return sizeBytes;
  const exponent = 31 - Math.clz32(sizeBytes);
  const keptBits = 32 - Math.clz32(exponent);
  const mask = (1 << Math.max(0, exponent - keptBits)) - 1;
  return (sizeBytes + mask) & ~mask;
}

function varintBytes(value: number): number {
  let count = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) count++;
  return count;
}

/** The longest plaintext of an entry: snapshots and chunks are blobs, everything else is a change. */
export function maxPlaintextBytes(entryType: EntryType): number {
  const isBlob = entryType === "doc_snapshot" || entryType === "attachment_chunk";
  return isBlob ? entryLimits.blobBytes : entryLimits.changeBytes;
}

/** The ciphertext's size for a plaintext's: padded, with its tag. */
export function sealedSizeBytes(plaintextBytes: number): number {
  return paddedSizeBytes(plaintextBytes) + tagBytes;
}
