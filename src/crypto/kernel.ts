/**
 * Hashing and small encryptions in WebAssembly: at once, without a promise. The platform's calls cost more than the work where messages
 * are small. For threads that may compile WebAssembly.
 *
 * Guarantees
 * - results are those of the platform, bit for bit
 * - of keys and plaintexts nothing is left in the module's memory behind a call
 */
import type { PlainMessage, Verifier } from "./crypto.ts";
import { hashParts } from "./hash.ts";
import { cipherFunctions, cipherTables } from "./kernel-cipher.ts";
import { hashFunctions } from "./kernel-hash.ts";
import { encodeModule } from "./wasm-code.ts";

const places = {
  tables: 0,
  nonce: 128,
  stream: 144,
  keys: 256,
  hashKeys: 512,
  sum: 704,
  maskEnd: 752,
  state: 768,
  tail: 800,
  digest: 928,
  /** what is worked on */
  room: 960,
} as const;
const secretPlaces = { from: places.nonce, to: places.maskEnd - 16 } as const;
const pageBytes = 65_536;
const pageCount = 20;
const roomBytes = pageCount * pageBytes - places.room - 64;
const tagBytes = 16;
const digestBytes = 32;
/** Beyond it the platform is faster. */
const maxMessageBytes = 1024;
const maxAdditionalBytes = 4096;

interface Exports {
  readonly memory: WebAssembly.Memory;
  expand(at: number): void;
  seal(nonceAt: number, dataAt: number, dataBytes: number, moreAt: number, moreBytes: number): void;
  digest(at: number, sizeBytes: number, to: number): void;
}

/** What the module is good for. */
export interface Kernel {
  readonly sha256: Verifier["sha256"];
  /** @see Crypto.encryptSmall */
  readonly encryptSmall: (
    secret: Uint8Array,
    messages: readonly PlainMessage[],
  ) => readonly (Uint8Array<ArrayBuffer> | undefined)[];
}

/**
 * Compile it.
 *
 * @throws whatever the platform says when it has no WebAssembly with vectors, or its policy forbids it
 */
export async function compileKernel(): Promise<Kernel> {
  const cipher = cipherFunctions(0, places);
  const hash = hashFunctions(cipher.length, places);
  const { instance } = await WebAssembly.instantiate(encodeModule([...cipher, ...hash], pageCount));
  const exports = instance.exports as unknown as Exports;
  const memory = new Uint8Array(exports.memory.buffer as ArrayBuffer);
  memory.set(cipherTables, places.tables);
  memory.fill(255, places.maskEnd - tagBytes, places.maskEnd);
  return {
    sha256: (...parts) => digest(exports, memory, parts),
    encryptSmall: (secret, messages) => encryptSmall(exports, memory, { secret, messages }),
  };
}

function digest(
  exports: Exports,
  memory: Uint8Array<ArrayBuffer>,
  parts: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  let sizeBytes = 0;
  for (const part of parts) sizeBytes += part.length;
  if (sizeBytes > roomBytes) return hashParts(...parts);
  let at: number = places.room;
  for (const part of parts) {
    memory.set(part, at);
    at += part.length;
  }
  exports.digest(places.room, sizeBytes, places.digest);
  memory.fill(0, places.tail, places.digest);
  memory.fill(0, places.room, at);
  return memory.slice(places.digest, places.digest + digestBytes);
}

function encryptSmall(
  exports: Exports,
  memory: Uint8Array<ArrayBuffer>,
  { secret, messages }: { readonly secret: Uint8Array; readonly messages: readonly PlainMessage[] },
): readonly (Uint8Array<ArrayBuffer> | undefined)[] {
  const { room } = places;
  const moreAt = room + tagBytes;
  const dataAt = moreAt + maxAdditionalBytes;
  memory.set(secret, room);
  exports.expand(room);
  try {
    return messages.map(({ nonce, plaintext, additionalData }) => {
      if (plaintext.length > maxMessageBytes || additionalData.length > maxAdditionalBytes) return undefined;
      memory.set(nonce, room);
      memory.set(additionalData, moreAt);
      memory.set(plaintext, dataAt);
      exports.seal(room, dataAt, plaintext.length, moreAt, additionalData.length);
      return memory.slice(dataAt, dataAt + plaintext.length + tagBytes);
    });
  } finally {
    memory.fill(0, secretPlaces.from, secretPlaces.to);
    memory.fill(0, room, dataAt + maxMessageBytes + tagBytes);
  }
}
