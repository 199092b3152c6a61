/**
 * Chunks of files: stored when an accepted commit names them, handed to members.
 *
 * | request | answer |
 * |---|---|
 * | PUT /v1/t/{tenant}/blob/{hash}?db=&commit=&at=&entry= with the ciphertext | 201, or 200 when it was there: JSON `{ receipt }`, see `chunk-receipt.ts` |
 * | GET /v1/t/{tenant}/blob/{hash} | 200: the ciphertext; it never changes, and may be kept for ever. With `Range: bytes=…` of one range 206 and its bytes; 416 for one that cannot be had, or several |
 * | POST /v1/t/{tenant}/blobs with a question about up to 256 chunks | 200: which of them are here, with their receipts: `src/sync/chunk-question.ts` |
 *
 * `hash` is the SHA-256 of the ciphertext, base64url. `db`, `commit`, `at` (milliseconds) and `entry` say which entry of which commit
 * names it: one that the log of this tenant holds, of the type `attachment_chunk`, with this hash and size, and of no purged document.
 * So nobody stores here what no member with the right to write has signed for. Another server that forwards may PUT and ask, and not GET:
 * see `forward-auth.ts`.
 *
 * What is checked, cheapest first: session, revocation, rate, size, hash, commit, quota. A chunk whose commit is not here yet is
 * `directory/behind`: it is sent again later. Files share the quota of their tenant, and their author's; a tenant that is full of files still takes
 * commits, up to the quota by themselves. A question counts as a request for each sixteen chunks that it asks for.
 */
import type { SigningKeyPair } from "../../src/crypto/index.ts";
import { parseCommit, type CommitEntry, type CommitHeader } from "../../src/entry/index.ts";
import {
  bytesToBase64url,
  CofferError,
  equalBytes,
  parseId,
  type DbId,
  type TenantId,
} from "../../src/std/index.ts";
import {
  chunkLimits,
  chunkQuestionLimits,
  encodeChunkAnswer,
  parseChunkQuestion,
  signChunk,
} from "../../src/sync/index.ts";
import { readByteRange } from "./byte-range.ts";
import type { CommitPlace } from "./chunk-storage.ts";
import type { Directories, RelayCrypto } from "./directories.ts";
import { jsonResponse } from "./error-status.ts";
import type { Quotas } from "./quota.ts";
import { readBody } from "./request-body.ts";
import type { Session } from "./sessions.ts";
import type { RelayStorage } from "./storage.ts";

/** Who asks for chunks or brings them: a member, or another server at a rate of its own. */
export type ChunkBringer = Pick<Session, "tenantId" | "userKey"> & { readonly isForwarder?: true };

/** What chunks need of a relay. */
export interface ChunkParts {
  readonly crypto: RelayCrypto;
  readonly storage: RelayStorage;
  readonly directories: Directories;
  readonly quotas: Quotas;
  readonly signing: SigningKeyPair;
  /** a chunk is stored that a commit at this place names */
  readonly chunkStored: (tenantId: TenantId, dbId: DbId, seq: number) => void;
}

/** Store a chunk. @throws `input/…`, `entry/forged`, `store/quota`, `directory/behind` while its commit is not here */
export async function putChunk(
  parts: ChunkParts,
  { tenantId }: Pick<ChunkBringer, "tenantId">,
  hash: Uint8Array,
  request: Request,
): Promise<Response> {
  const { crypto, directories, storage } = parts;
  const named = readPlace(request);
  const bytes = await readBody(request, chunkLimits.ciphertextBytes);
  if (!equalBytes(crypto.sha256(bytes), hash)) throw new CofferError("entry/forged", { what: "chunk" });
  const { seq, header, entry } = await findEntry(parts, { ...named.place, tenantId }, named.entryIndex);
  const isNamed =
    entry?.header?.entryType === "attachment_chunk" &&
    entry.header.ciphertextSizeBytes === bytes.length &&
    equalBytes(entry.header.ciphertextHash, hash);
  if (!isNamed || entry.header === undefined) throw new CofferError("entry/forged", { what: "chunk" });
  const { docId } = entry.header;
  await refusePurged(directories, tenantId, docId);
  await requireRoom(parts, tenantId, { author: header.author, sizeBytes: bytes.length });
  const outcome = await storage.addChunk(tenantId, { hash, docId, author: header.author, bytes });
  // A purge that came in between looked for it before it was there.
  await refusePurged(directories, tenantId, docId).catch(async (cause: unknown) => {
    await storage.removeChunks(tenantId, [docId]);
    throw cause;
  });
  parts.chunkStored(tenantId, named.place.dbId, seq);
  const receipt = await signChunk(crypto, parts.signing.privateKey, {
    tenantId,
    hash,
    sizeBytes: bytes.length,
  });
  return jsonResponse({ receipt: bytesToBase64url(receipt) }, {}, outcome === "stored" ? 201 : 200);
}

/** Hand out a chunk, or a range of it. @throws `input/unknown-id` */
export async function getChunk(
  { storage }: ChunkParts,
  { tenantId }: Session,
  hash: Uint8Array,
  request: Request,
): Promise<Response> {
  const bytes = await storage.readChunk(tenantId, hash);
  if (bytes === undefined) throw new CofferError("input/unknown-id", { what: "chunk" });
  const size = bytes.length;
  const range = readByteRange(request.headers.get("Range"), size);
  if (range === "unsatisfiable")
    return new Response(null, {
      status: 416,
      headers: { "Content-Range": `bytes */${size}`, "Cache-Control": "no-store" },
    });
  const headers = {
    "Content-Type": "application/octet-stream",
    "Cache-Control": "private, max-age=31536000, immutable",
    "Accept-Ranges": "bytes",
    ETag: `"${bytesToBase64url(hash)}"`,
  };
  if (range === "whole") return new Response(new Uint8Array(bytes), { headers });
  const { from, to } = range;
  return new Response(new Uint8Array(bytes.subarray(from, to)), {
    status: 206,
    headers: { ...headers, "Content-Range": `bytes ${from}-${to - 1}/${size}` },
  });
}

/** so many chunks of a question cost as much as a request */
const askedPerRequest = 16;

/** Say which of many chunks are here. @throws `protocol/malformed`, `input/too-large`, `net/rate-limited` */
export async function answerChunks(
  { charge, crypto, signing, storage }: ChunkParts & { readonly charge: (bringer: ChunkBringer) => void },
  session: ChunkBringer,
  request: Request,
): Promise<Response> {
  const { tenantId } = session;
  const asked = parseChunkQuestion(await readBody(request, chunkQuestionLimits.bytes));
  if (asked === undefined) throw new CofferError("protocol/malformed");
  for (let paid = askedPerRequest; paid < asked.length; paid += askedPerRequest) charge(session);
  const sizes = await storage.chunkSizes(tenantId, asked);
  const receipts: (Uint8Array | undefined)[] = [];
  for (const [at, { hash }] of asked.entries()) {
    const sizeBytes = sizes[at];
    receipts.push(
      sizeBytes === undefined
        ? undefined
        : await signChunk(crypto, signing.privateKey, { tenantId, hash, sizeBytes }),
    );
  }
  return new Response(encodeChunkAnswer(receipts), {
    headers: { "Content-Type": "application/octet-stream", "Cache-Control": "no-store" },
  });
}

interface NamedEntry {
  readonly place: Omit<CommitPlace, "tenantId">;
  readonly entryIndex: number;
}

function readPlace(request: Request): NamedEntry {
  const { searchParams } = new URL(request.url);
  const dbId = parseId("DbId", searchParams.get("db"));
  const commitHash = parseId("CommitHash", searchParams.get("commit"));
  const [createdAtMs, entryIndex] = [searchParams.get("at"), searchParams.get("entry")].map((text) =>
    /^\d{1,16}$/.test(text ?? "") ? Number(text) : Number.NaN,
  );
  const isRead = Number.isSafeInteger(createdAtMs) && Number.isSafeInteger(entryIndex);
  if (dbId === undefined || commitHash === undefined || !isRead)
    throw new CofferError("input/invalid", {
      message: "The address does not say which entry names the chunk.",
    });
  return { place: { dbId, commitHash, createdAtMs: createdAtMs ?? 0 }, entryIndex: entryIndex ?? 0 };
}

async function findEntry(
  { crypto, storage }: ChunkParts,
  place: CommitPlace,
  entryIndex: number,
): Promise<{
  readonly seq: number;
  readonly header: CommitHeader;
  readonly entry: CommitEntry | undefined;
}> {
  const stored = await storage.findCommit(place);
  if (stored === undefined) throw new CofferError("directory/behind", { what: "chunk" });
  const verdict = parseCommit(crypto, stored.bytes, place.commitHash);
  if (verdict.kind === "forged")
    throw new CofferError("store/failed", { message: "A stored commit is damaged." });
  return { seq: stored.seq, header: verdict.commit.header, entry: verdict.commit.entries[entryIndex] };
}

async function refusePurged(
  directories: Directories,
  tenantId: CommitPlace["tenantId"],
  docId: Parameters<RelayStorage["removeChunks"]>[1][number],
): Promise<void> {
  const directory = await directories.read(tenantId);
  if (directory === undefined || directory.state.purgedDocs.has(docId))
    throw new CofferError("doc/deleted", { what: "chunk" });
}

async function requireRoom(
  { quotas, storage }: ChunkParts,
  tenantId: CommitPlace["tenantId"],
  { author, sizeBytes }: { readonly author: CommitHeader["author"]; readonly sizeBytes: number },
): Promise<void> {
  const [chunks, commits] = await Promise.all([
    storage.chunkUsage(tenantId, author),
    storage.tenantUsage(tenantId, [author]),
  ]);
  const ofAuthor = commits.byAuthor.get(author)?.sizeBytes ?? 0;
  const isFull =
    chunks.tenantBytes + commits.sizeBytes + sizeBytes > quotas.tenantBytes ||
    chunks.authorBytes + ofAuthor + sizeBytes > quotas.userBytes;
  if (isFull) throw new CofferError("store/quota", { what: "chunk" });
}
