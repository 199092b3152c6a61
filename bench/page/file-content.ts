/** What the files of the bench hold: bytes that do not compress, told from their place, so that what comes back can be checked. */

export const chunkBytes = 256 * 1024;
export const partBytes = 4 * 1024 * 1024;
export const mebibyte = 1024 * 1024;

const stampBytes = 4;
let noise: Uint8Array<ArrayBuffer> | undefined;

/** A mebibyte of the file, by its number. */
export function makePiece(index: number): Uint8Array<ArrayBuffer> {
  if (noise === undefined) {
    noise = new Uint8Array(mebibyte);
    for (let from = 0; from < mebibyte; from += 65_536)
      crypto.getRandomValues(noise.subarray(from, from + 65_536));
  }
  const piece = noise.slice();
  new DataView(piece.buffer).setUint32(0, index);
  return piece;
}

/** A file of so many mebibytes on the disk, as one that a user chooses is. */
export async function makeFile(mebibytes: number): Promise<File> {
  const folder = await navigator.storage.getDirectory();
  const handle = await folder.getFileHandle(`film-${mebibytes}.mp4`, { create: true });
  const writing = await handle.createWritable();
  for (let index = 0; index < mebibytes; index++) await writing.write(makePiece(index));
  await writing.close();
  return handle.getFile();
}

/** Checks what comes back, in whatever pieces: each mebibyte begins with its number, and none is missing. */
export class Checker {
  #bytes = 0;

  take(piece: Uint8Array): void {
    const to = this.#bytes + piece.length;
    for (let at = Math.ceil(this.#bytes / mebibyte) * mebibyte; at + stampBytes <= to; at += mebibyte) {
      const from = at - this.#bytes;
      const stamp = new DataView(piece.buffer, piece.byteOffset + from, stampBytes).getUint32(0);
      if (stamp !== at / mebibyte) throw new Error(`Mebibyte ${at / mebibyte} came back as ${stamp}`);
    }
    this.#bytes = to;
  }

  end(sizeBytes: number): void {
    if (this.#bytes !== sizeBytes) throw new Error(`${this.#bytes} of ${sizeBytes} bytes came back`);
  }
}
