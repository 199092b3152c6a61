/**
 * What a device knows of the chunks of one commit: a part, as its chunk store keeps it.
 *
 * | field | size |
 * |---|---|
 * | version | u8, 1 |
 * | flags | u8: 1 a document names it, 2 it stays here, 4 it was written here, or a backup or another device brought it. Neither 1 nor 4: another device brought it, and nobody here has judged its commit yet |
 * | dbId, docId | 16, 16 |
 * | createdAt | u64, milliseconds since 1970, as its commit says: a server finds the commit by it |
 * | usedAt | u64, milliseconds since 1970 |
 * | count | u8, 1…16 |
 * | count × hash, size, isHere | 32, u32, u8 |
 * | remotes | u8, at most 16 |
 * | remotes × remoteId, received | text of at most 512 bytes, u16: a bit for each chunk that the remote has a receipt for |
 */
import {
  assert,
  ByteReader,
  ByteWriter,
  bytesToId,
  idToBytes,
  type CommitHash,
  type DbId,
  type DocId,
} from "../std/index.ts";

const version = 1;
const flagsOf = { named: 1, pinned: 2, own: 4 } as const;
const maxRemotes = 16;
const maxRemoteIdBytes = 512;

/** So many chunks has a part at most, and so large is a ciphertext. */
export const chunkLimits = { perPart: 16, ciphertextBytes: 300 * 1024 } as const;

/** A chunk as a device knows of it. */
export interface KnownChunk {
  /** SHA-256 of its ciphertext */
  readonly hash: Uint8Array;
  readonly sizeBytes: number;
  readonly isHere: boolean;
}

/** What a device has of the chunks of one commit. */
export interface StoredPart {
  readonly commitHash: CommitHash;
  readonly dbId: DbId;
  readonly docId: DocId;
  /** a document names it: it may be sent */
  readonly isNamed: boolean;
  /** it is never evicted */
  readonly isPinned: boolean;
  /** written on this device, or brought by a backup or another device: this device sees to it that a server has it */
  readonly isOwn: boolean;
  readonly createdAtMs: number;
  readonly usedAtMs: number;
  readonly chunks: readonly KnownChunk[];
  /** by remote: a bit for each chunk that it gave a receipt for */
  readonly received: ReadonlyMap<string, number>;
}

/** Write a part: see the table above. */
export function encodeStoredPart(part: StoredPart): Uint8Array<ArrayBuffer> {
  const { chunks, createdAtMs, dbId, docId, received, usedAtMs } = part;
  assert(chunks.length >= 1 && chunks.length <= chunkLimits.perPart, "chunks: 1 to 16 in a part");
  const flags =
    (part.isNamed ? flagsOf.named : 0) |
    (part.isPinned ? flagsOf.pinned : 0) |
    (part.isOwn ? flagsOf.own : 0);
  const writer = new ByteWriter(64 + chunks.length * 37).u8(version).u8(flags);
  writer
    .fixed(idToBytes(dbId), 16)
    .fixed(idToBytes(docId), 16)
    .u64(createdAtMs)
    .u64(usedAtMs)
    .u8(chunks.length);
  for (const { hash, isHere, sizeBytes } of chunks)
    writer
      .fixed(hash, 32)
      .u32(sizeBytes)
      .u8(isHere ? 1 : 0);
  const remotes = [...received].slice(-maxRemotes);
  writer.u8(remotes.length);
  for (const [remoteId, bits] of remotes) writer.text(remoteId).u16(bits);
  return writer.toBytes();
}

/** Read a part; `undefined` for anything that {@link encodeStoredPart} would not have written. */
export function parseStoredPart(commitHash: CommitHash, bytes: Uint8Array): StoredPart | undefined {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== version) reader.fail("version");
  const flags = reader.u8();
  if (flags > 7) reader.fail("flags");
  const dbId = reader.fixed(16);
  const docId = reader.fixed(16);
  const createdAtMs = reader.u64();
  const usedAtMs = reader.u64();
  const count = reader.u8();
  if (count < 1 || count > chunkLimits.perPart) reader.fail("count");
  const chunks: KnownChunk[] = [];
  while (chunks.length < count && reader.error === undefined) {
    const hash = reader.fixed(32);
    const sizeBytes = reader.u32();
    const isHere = reader.u8();
    if (isHere > 1 || sizeBytes > chunkLimits.ciphertextBytes) reader.fail("chunk");
    chunks.push({ hash, sizeBytes, isHere: isHere === 1 });
  }
  const remotes = reader.u8();
  if (remotes > maxRemotes) reader.fail("remotes");
  const received = new Map<string, number>();
  for (let index = 0; index < remotes && reader.error === undefined; index++)
    received.set(reader.text(maxRemoteIdBytes), reader.u16());
  if (!reader.finish() || received.size !== remotes) return undefined;
  return {
    commitHash,
    dbId: bytesToId("DbId", dbId),
    docId: bytesToId("DocId", docId),
    isNamed: (flags & flagsOf.named) !== 0,
    isPinned: (flags & flagsOf.pinned) !== 0,
    isOwn: (flags & flagsOf.own) !== 0,
    createdAtMs,
    usedAtMs,
    chunks,
    received,
  };
}

/** Whether chunks of this part came before anybody here had judged its commit: what was written here is this device's own. */
export function isUnjudged({ isNamed, isOwn }: Pick<StoredPart, "isNamed" | "isOwn">): boolean {
  return !isNamed && !isOwn;
}

/** Whether some remote gave a receipt for a chunk. */
export function isReceived({ received }: StoredPart, index: number): boolean {
  return [...received.values()].some((bits) => (bits & (1 << index)) !== 0);
}

/** In which order parts are sent: newest first, by the minute; of those of one minute the smallest first. */
export function byTurn(a: StoredPart, b: StoredPart): number {
  const minuteOf = ({ createdAtMs }: StoredPart): number => Math.floor(createdAtMs / 60_000);
  const sizeOf = ({ chunks }: StoredPart): number =>
    chunks.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  return minuteOf(b) - minuteOf(a) || sizeOf(a) - sizeOf(b);
}
