/**
 * Which of many chunks a server has: asked in one request before they are brought, so that a server that was restored, or a second one, is
 * sent only what it lacks.
 *
 * `POST /v1/t/{tenant}/blobs`
 *
 * | question | size |
 * |---|---|
 * | version | u8, 1 |
 * | count | u16, 1…256 |
 * | count × hash, docId | 32, 16: the SHA-256 of a ciphertext, and the document that it goes with |
 *
 * | answer | size |
 * |---|---|
 * | version | u8, 1 |
 * | count × isHere, receipt | u8: 1, and 64 bytes, see `chunk-receipt.ts`; or 0, and nothing |
 *
 * A chunk is here when it is stored for this document: one that is here for another document alone is brought once more, so that it stays
 * when the other one is purged. Who asks believes a receipt that verifies, and nothing else: whatever a server answers, a chunk that it gave
 * none for is brought. A server that does not know the question is not asked again.
 */
import {
  ByteReader,
  ByteWriter,
  bytesToId,
  CofferError,
  concatBytes,
  idToBytes,
  toCofferError,
  type DocId,
} from "../std/index.ts";
import type { AsMember } from "./as-member.ts";
import { waitingOf, type ChunkLinkOptions } from "./chunk-link.ts";
import { verifyChunk } from "./chunk-receipt.ts";
import { readServerKey } from "./remote-slots.ts";
import { chunkLimits, type StoredPart } from "./stored-part.ts";

const version = 1;
const receiptBytes = 64;
const askedBytes = 32 + 16;
const maxCount = 256;

/** What a question is held to; below so many chunks a device brings them unasked. */
export const chunkQuestionLimits = {
  count: maxCount,
  bytes: 3 + maxCount * askedBytes,
  parts: maxCount / chunkLimits.perPart,
  fewest: 4,
} as const;

/** A chunk, and the document that it goes with. */
export interface AskedChunk {
  /** 32 bytes */
  readonly hash: Uint8Array;
  readonly docId: DocId;
}

/** Write a question: see the table above. */
export function encodeChunkQuestion(asked: readonly AskedChunk[]): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(3 + asked.length * askedBytes).u8(version).u16(asked.length);
  for (const { docId, hash } of asked) writer.fixed(hash, 32).fixed(idToBytes(docId), 16);
  return writer.toBytes();
}

/** Read a question; `undefined` for anything that is none. */
export function parseChunkQuestion(bytes: Uint8Array): readonly AskedChunk[] | undefined {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== version) reader.fail("version");
  const count = reader.u16();
  if (count < 1 || count > maxCount) reader.fail("count");
  const asked: { readonly hash: Uint8Array; readonly doc: Uint8Array }[] = [];
  while (asked.length < count && reader.error === undefined)
    asked.push({ hash: reader.fixed(32), doc: reader.fixed(16) });
  if (!reader.finish()) return undefined;
  return asked.map(({ doc, hash }) => ({ hash, docId: bytesToId("DocId", doc) }));
}

/** Write an answer: a receipt for each chunk that is here. */
export function encodeChunkAnswer(receipts: readonly (Uint8Array | undefined)[]): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(1 + receipts.length * (1 + receiptBytes)).u8(version);
  for (const receipt of receipts) {
    writer.u8(receipt === undefined ? 0 : 1);
    if (receipt !== undefined) writer.fixed(receipt, receiptBytes);
  }
  return writer.toBytes();
}

/** Read an answer about so many chunks; `undefined` for anything that is none. Whether its receipts are any is for the caller to verify. */
export function parseChunkAnswer(
  bytes: Uint8Array,
  count: number,
): readonly (Uint8Array | undefined)[] | undefined {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== version) reader.fail("version");
  const receipts: (Uint8Array | undefined)[] = [];
  while (receipts.length < count && reader.error === undefined) {
    const isHere = reader.u8();
    if (isHere > 1) reader.fail("flag");
    receipts.push(isHere === 1 ? reader.fixed(receiptBytes) : undefined);
  }
  return reader.finish() ? receipts : undefined;
}

/** Notes what a server has already of parts that wait for it, see {@link createChunkQuestion}. */
export type AskFirst = (
  options: ChunkLinkOptions,
  asMember: AsMember,
  asked: { readonly parts: readonly StoredPart[]; readonly signal: AbortSignal | undefined },
) => Promise<void>;

/**
 * Make the way to ask one server first. It notes a receipt for each chunk that the server has, as one that was sent has it; of few chunks
 * it asks nothing. At most {@link chunkQuestionLimits}`.parts` parts at once.
 */
export function createChunkQuestion(): AskFirst {
  let isUnknown = false;
  return async (options, asMember, { parts, signal }) => {
    const { http } = options;
    const waiting = parts.flatMap((part) => waitingOf(part, http.origin).map((index) => ({ part, index })));
    if (isUnknown || waiting.length < chunkQuestionLimits.fewest) return;
    const receipts = await ask(options, asMember, { waiting, signal }).catch((error: unknown) => {
      // As a server says that has never heard of it.
      isUnknown = ["input/unknown-id", "input/invalid"].includes(toCofferError(error).code);
      if (!isUnknown) throw error;
      return [];
    });
    for (const part of parts) {
      const bits = await receivedBits(
        options,
        part,
        waiting.flatMap(({ index, part: of }, at) => (of === part ? { index, receipt: receipts[at] } : [])),
      );
      if (bits === 0) continue;
      await options.chunks.edit(part.commitHash, (before) => {
        const received = new Map(before.received);
        received.set(http.origin, (received.get(http.origin) ?? 0) | bits);
        return { ...before, received };
      });
    }
  };
}

interface WaitingChunk {
  readonly part: StoredPart;
  readonly index: number;
}

/** @throws what asking throws, `protocol/malformed` for an answer that is none */
async function ask(
  { http, tenantId }: ChunkLinkOptions,
  asMember: AsMember,
  {
    signal,
    waiting,
  }: { readonly waiting: readonly WaitingChunk[]; readonly signal: AbortSignal | undefined },
): Promise<readonly (Uint8Array | undefined)[]> {
  const body = encodeChunkQuestion(
    waiting.flatMap(({ index, part: { chunks, docId } }) => {
      const hash = chunks[index]?.hash;
      return hash === undefined ? [] : { hash, docId };
    }),
  );
  const malformed = (): CofferError => new CofferError("protocol/malformed", { what: "blobs" });
  const answer = await asMember(async (token) => {
    const taken: Uint8Array[] = [];
    let roomBytes = 1 + waiting.length * (1 + receiptBytes);
    const onChunk = (chunk: Uint8Array): void => {
      roomBytes -= chunk.length;
      if (roomBytes < 0) throw malformed();
      taken.push(chunk.slice());
    };
    await http.exchange({ tenantId, token, body, endpoint: "blobs", onChunk, signal });
    return concatBytes(...taken);
  }, signal);
  const receipts = parseChunkAnswer(answer, waiting.length);
  if (receipts === undefined) throw malformed();
  return receipts;
}

/** The chunks of a part that there is a receipt for which verifies, a bit each. */
async function receivedBits(
  { crypto, http, store, tenantId }: ChunkLinkOptions,
  { chunks }: StoredPart,
  told: readonly { readonly index: number; readonly receipt: Uint8Array | undefined }[],
): Promise<number> {
  let bits = 0;
  for (const { index, receipt } of told) {
    const chunk = chunks[index];
    if (receipt === undefined || chunk === undefined) continue;
    const claim = { tenantId, hash: chunk.hash, sizeBytes: chunk.sizeBytes };
    if (await verifyChunk(crypto, await readServerKey(store, http.origin), claim, receipt))
      bits |= 1 << index;
  }
  return bits;
}
