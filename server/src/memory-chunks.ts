import {
  bytesToHex,
  CofferError,
  copyBytes,
  type AuthorKey,
  type DocId,
  type TenantId,
} from "../../src/std/index.ts";
import type { ChunkStorage, ChunkUsage, NewChunk } from "./chunk-storage.ts";

/** The chunks of tenants in memory. */
export interface MemoryChunks extends Omit<ChunkStorage, "findCommit"> {
  /** Forget a tenant. */
  readonly remove: (tenantId: TenantId) => void;
}

interface KeptChunk extends Pick<NewChunk, "author" | "bytes"> {
  readonly docIds: Set<DocId>;
}

type Guarded = <Result>(run: () => Result) => Promise<Result>;

/** Keep chunks in plain objects. `hasTenant`: whether a tenant is there. */
export function createMemoryChunks(
  guarded: Guarded,
  hasTenant: (tenantId: TenantId) => boolean,
): MemoryChunks {
  const tenants = new Map<TenantId, Map<string, KeptChunk>>();
  const chunksOf = (tenantId: TenantId): Map<string, KeptChunk> =>
    tenants.get(tenantId) ?? new Map<string, KeptChunk>();
  const add = (tenantId: TenantId, chunk: NewChunk): "stored" | "present" => {
    if (!hasTenant(tenantId)) throw new CofferError("store/failed", { message: "There is no such tenant." });
    const chunks = chunksOf(tenantId);
    tenants.set(tenantId, chunks);
    const name = bytesToHex(chunk.hash);
    const { author, bytes, docId } = chunk;
    const known = chunks.get(name)?.docIds.add(docId);
    if (known !== undefined) return "present";
    chunks.set(name, { author, bytes: copyBytes(bytes), docIds: new Set([docId]) });
    return "stored";
  };
  const removeDocs = (tenantId: TenantId, docIds: readonly DocId[]): void => {
    const chunks = chunksOf(tenantId);
    for (const [name, kept] of chunks) {
      for (const docId of docIds) kept.docIds.delete(docId);
      if (kept.docIds.size === 0) chunks.delete(name);
    }
  };
  const usageOf = (tenantId: TenantId, author: AuthorKey): ChunkUsage => {
    const all = [...chunksOf(tenantId).values()];
    const sum = (some: readonly KeptChunk[]): number =>
      some.reduce((total, { bytes }) => total + bytes.length, 0);
    return { tenantBytes: sum(all), authorBytes: sum(all.filter((chunk) => chunk.author === author)) };
  };
  return {
    addChunk: (tenantId, chunk) => guarded(() => add(tenantId, chunk)),
    chunkSizes: (tenantId, asked) =>
      guarded(() =>
        asked.map(({ docId, hash }) => {
          const kept = chunksOf(tenantId).get(bytesToHex(hash));
          return kept?.docIds.has(docId) === true ? kept.bytes.length : undefined;
        }),
      ),
    readChunk: (tenantId, hash) => guarded(() => chunksOf(tenantId).get(bytesToHex(hash))?.bytes),
    removeChunks: (tenantId, docIds) => guarded(() => removeDocs(tenantId, docIds)),
    chunkUsage: (tenantId, author) => guarded(() => usageOf(tenantId, author)),
    remove: (tenantId) => void tenants.delete(tenantId),
  };
}
