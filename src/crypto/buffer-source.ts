import { copyBytes } from "../std/index.ts";

/** The same bytes as WebCrypto takes them: copied only when their memory is shared between threads. */
export function toBufferSource(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return isUnshared(bytes) ? bytes : copyBytes(bytes);
}

function isUnshared(bytes: Uint8Array): bytes is Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer;
}
