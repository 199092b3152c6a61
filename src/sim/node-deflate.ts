/**
 * The streams that pack and unpack bytes, without threads: those of Node answer in real time, and a story must not depend on it.
 * What they read and write is the same.
 */
import { deflateRawSync, inflateRawSync } from "node:zlib";

class WholeStream {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Uint8Array>;

  constructor(turn: (bytes: Uint8Array) => Uint8Array) {
    const parts: Uint8Array[] = [];
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>({
      transform: (part) => void parts.push(part),
      flush: (controller) => controller.enqueue(turn(Buffer.concat(parts))),
    });
    this.readable = readable;
    this.writable = writable;
  }
}

function requireRaw(format: string): void {
  if (format !== "deflate-raw") throw new TypeError(`${format} is not simulated`);
}

/** Let this process pack and unpack at once. Only what runs simulations calls it. */
export function packAtOnce(): void {
  Object.assign(globalThis, {
    CompressionStream: class extends WholeStream {
      constructor(format: string) {
        super((bytes) => new Uint8Array(deflateRawSync(bytes)));
        requireRaw(format);
      }
    },
    DecompressionStream: class extends WholeStream {
      constructor(format: string) {
        super((bytes) => new Uint8Array(inflateRawSync(bytes)));
        requireRaw(format);
      }
    },
  });
}
