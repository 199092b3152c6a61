/**
 * How large a picture says it is, before anything is decoded: a file of a few kilobytes can be a picture of gigabytes.
 *
 * | form | where |
 * |---|---|
 * | PNG | `IHDR`, the first chunk: u32 width, u32 height |
 * | GIF | behind the signature: u16 width, u16 height, little-endian |
 * | BMP | at 18: i32 width, i32 height, little-endian |
 * | WebP | `VP8 ` at 26: 14 bits each; `VP8L` at 21: 14 bits each; `VP8X` at 24: u24 each, less one |
 * | JPEG | the first SOF marker: u16 height, u16 width |
 * | AVIF | every `ispe` box near the beginning: u32 width, u32 height; the largest counts |
 */

/** So much of a file is looked at: a JPEG's size stands behind what cameras write into it. */
export const sizeHeadBytes = 512 * 1024;

interface Size {
  readonly width: number;
  readonly height: number;
}

/** Read the size out of a picture's first bytes; `undefined`: it is no picture of a known form. Never throws. */
export function readPictureSize(bytes: Uint8Array): Size | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const has = (at: number, text: string): boolean =>
    Array.from(text).every((character, index) => bytes[at + index] === character.charCodeAt(0));
  try {
    const size = has(0, "\x89PNG\r\n\x1a\n")
      ? { width: view.getUint32(16), height: view.getUint32(20) }
      : has(0, "GIF8")
        ? { width: view.getUint16(6, true), height: view.getUint16(8, true) }
        : has(0, "BM")
          ? { width: Math.abs(view.getInt32(18, true)), height: Math.abs(view.getInt32(22, true)) }
          : has(0, "RIFF") && has(8, "WEBP")
            ? webpSize(view, has)
            : has(0, "\xff\xd8")
              ? jpegSize(view)
              : has(4, "ftyp")
                ? avifSize(view, has)
                : undefined;
    return size !== undefined && size.width > 0 && size.height > 0 ? size : undefined;
  } catch {
    // It ends before it says.
    return undefined;
  }
}

type Has = (at: number, text: string) => boolean;

function webpSize(view: DataView, has: Has): Size | undefined {
  if (has(12, "VP8 "))
    return { width: view.getUint16(26, true) & 0x3fff, height: view.getUint16(28, true) & 0x3fff };
  if (has(12, "VP8L")) {
    const bits = view.getUint32(21, true);
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 };
  }
  if (!has(12, "VP8X")) return undefined;
  const read = (at: number): number => (view.getUint16(at, true) | (view.getUint8(at + 2) << 16)) + 1;
  return { width: read(24), height: read(27) };
}

function jpegSize(view: DataView): Size | undefined {
  for (let at = 2; ;) {
    if (view.getUint8(at) !== 0xff) return undefined;
    const marker = view.getUint8(at + 1);
    // Fill bytes may stand before a marker.
    if (marker === 0xff) at += 1;
    else if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker))
      return { width: view.getUint16(at + 7), height: view.getUint16(at + 5) };
    else at += 2 + Math.max(2, view.getUint16(at + 2));
  }
}

function avifSize(view: DataView, has: Has): Size | undefined {
  if (!has(8, "avif") && !has(8, "avis") && !has(8, "mif1")) return undefined;
  let largest: Size | undefined;
  const end = Math.min(view.byteLength - 16, 4096);
  for (let at = 12; at < end; at++) {
    if (!has(at, "ispe")) continue;
    const size = { width: view.getUint32(at + 8), height: view.getUint32(at + 12) };
    if (largest === undefined || size.width * size.height > largest.width * largest.height) largest = size;
  }
  return largest;
}
