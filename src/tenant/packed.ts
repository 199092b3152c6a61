/**
 * Bytes made smaller before they are sealed, and whole again after they were opened.
 *
 * | field | size |
 * |---|---|
 * | form | u8: 0 as they are, 1 deflated |
 * | of the deflated: size of the whole | u32, 1 to 64 MiB |
 * | bytes, or the raw deflate stream (RFC 1951) | the rest |
 *
 * What does not shrink is kept as it is. Reading stops where the stream holds more than it tells, so that a few bytes cannot fill the
 * memory.
 */
import { ByteReader, ByteWriter } from "../std/index.ts";

const form = { plain: 0, deflated: 1 } as const;
const maxWholeBytes = 64 * 1024 * 1024;
/** Less than this is not worth a stream. */
const minWholeBytes = 256;

/** Make bytes smaller, if they get smaller: see the table above. */
export async function packBytes(whole: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  if (whole.length >= minWholeBytes && whole.length <= maxWholeBytes) {
    const deflated = await run(new CompressionStream("deflate-raw"), whole, whole.length);
    if (deflated !== undefined) {
      const writer = new ByteWriter(deflated.length + 5).u8(form.deflated).u32(whole.length);
      return writer.fixed(deflated).toBytes();
    }
  }
  return new ByteWriter(whole.length + 1).u8(form.plain).fixed(whole).toBytes();
}

/** The whole of packed bytes; `undefined` when they are damaged, or hold more or less than they tell. */
export async function unpackBytes(
  packed: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const reader = new ByteReader(packed);
  const found = reader.u8();
  if (reader.error !== undefined) return undefined;
  if (found === form.plain) return packed.subarray(1);
  const sizeBytes = reader.u32();
  if (found !== form.deflated || reader.error !== undefined) return undefined;
  if (sizeBytes === 0 || sizeBytes > maxWholeBytes) return undefined;
  const whole = await run(new DecompressionStream("deflate-raw"), packed.subarray(5), sizeBytes);
  return whole?.length === sizeBytes ? whole : undefined;
}

/** What comes out of a stream; `undefined` when it is more than `atMostBytes`, or the stream fails. */
async function run(
  stream: CompressionStream | DecompressionStream,
  bytes: Uint8Array<ArrayBuffer>,
  atMostBytes: number,
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  const writer = stream.writable.getWriter();
  const reader = stream.readable.getReader();
  const written = writer.write(bytes).then(() => writer.close());
  // A failure reaches the reader as well.
  written.catch(() => undefined);
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      sizeBytes += next.value.length;
      if (sizeBytes > atMostBytes) {
        await reader.cancel();
        return undefined;
      }
      chunks.push(next.value);
    }
  } catch {
    return undefined;
  }
  const whole = new Uint8Array(sizeBytes);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
