/** The calls about files. */
import {
  attachmentLimits,
  encodePart,
  newAttachmentId,
  readPart,
  type Part,
} from "../src/attachment/index.ts";
import { CofferError, type CommitHash } from "../src/std/index.ts";
import {
  chunksOf,
  nameParts,
  pinPart,
  readPartPieces,
  readPartRange,
  Serial,
  Upload,
  type FetchChunk,
  type FilePlace,
  type PartRange,
} from "../src/tenant/index.ts";
import { freeChunks } from "../src/sync/index.ts";
import type { AttachmentCalls } from "./attachment-api.ts";
import { requireDocId, type WorkerHost } from "./host.ts";
import { readFields, readList, readNatural } from "./page-messages.ts";

/** What a page can have under way; more is a page that has lost count. */
const maxOpen = 16;

/** One file that is being taken in. Its pieces are taken one after the other, whatever the page sends. */
interface OpenUpload {
  readonly upload: Upload;
  readonly calls: Serial;
}

/** Answer the calls about files. */
export function attachmentCalls(host: WorkerHost): AttachmentCalls {
  const uploads = new Map<number, OpenUpload>();
  let lastId = 0;
  const require = (id: number): OpenUpload => {
    const open = uploads.get(id);
    if (open === undefined) throw new CofferError("aborted");
    return open;
  };
  return {
    async openUpload(database, docId, isShared = false) {
      const place = placeOf(host, database, docId);
      if (uploads.size >= maxOpen) throw new CofferError("input/too-large", { open: maxOpen });
      lastId += 1;
      uploads.set(lastId, {
        upload: new Upload(place, { isShared: isShared === true }),
        calls: new Serial(),
      });
      return lastId;
    },

    async writeUpload(uploadId, piece) {
      const { calls, upload } = require(uploadId);
      try {
        // Read at once, taken in in turn; the next piece does not wait until this one is stored.
        const reading = bytesOf(piece);
        reading.catch(() => undefined);
        const { stored } = await calls.run(async () => ({ stored: upload.write(await reading) }));
        await stored;
      } catch (error) {
        // What was taken in before is no file without it.
        uploads.delete(uploadId);
        throw error;
      }
    },

    async finishUpload(uploadId) {
      const { calls, upload } = require(uploadId);
      uploads.delete(uploadId);
      const parts = await calls.run(() => upload.finish());
      const { world } = await host.ready();
      const atMs = Math.max(0, world.env.nowMs());
      return { atMs, id: newAttachmentId(world.crypto.randomBytes(16)), parts: parts.map(encodePart) };
    },

    async abortUpload(uploadId) {
      uploads.delete(uploadId);
    },

    async nameParts(database, parts) {
      const { session } = host.database(database);
      await nameParts(session.core, readParts(parts));
      session.links.chunks.wake();
    },

    async readPart(database, docId, part, range) {
      const place = placeOf(host, database, docId);
      return readPartRange(place, readRange(part, range), fetcherOf(place));
    },

    async readPieces(database, docId, part, range) {
      const place = placeOf(host, database, docId);
      return readPartPieces(place, readRange(part, range), fetcherOf(place));
    },

    ...keptFileCalls(host),
  };
}

type KeptFileCalls = Pick<
  AttachmentCalls,
  "watchFile" | "unwatchFile" | "pinPart" | "freeParts" | "limitFiles"
>;

/** Answer the calls about what is kept of files here. */
function keptFileCalls(host: WorkerHost): KeptFileCalls {
  return {
    async watchFile(database, parts, subscription) {
      const { session } = host.database(database);
      session.links.files.watch(readNatural(subscription, "subscription"), readParts(parts));
      host.watched.set(subscription, session);
    },

    async unwatchFile(subscription) {
      host.watched.get(subscription)?.links.files.unwatch(subscription);
      host.watched.delete(subscription);
    },

    async pinPart(database, docId, part, isPinned) {
      const place = placeOf(host, database, docId);
      await pinPart(place, requirePart(part), isPinned, fetcherOf(place));
    },

    async freeParts(database, parts) {
      const { session } = host.database(database);
      let freedBytes = 0;
      for (const commitHash of readParts(parts)) freedBytes += await chunksOf(session.core).evict(commitHash);
      return freedBytes;
    },

    async limitFiles(tenantId, limits) {
      const { core, links } = host.tenant(tenantId);
      const { budgetBytes, freeBytes } = readFields(limits, "limits");
      links.files.start();
      if (budgetBytes !== undefined)
        await links.files.limit(budgetBytes === null ? undefined : readNatural(budgetBytes, "budgetBytes"));
      if (freeBytes !== undefined) await freeChunks(chunksOf(core), readNatural(freeBytes, "freeBytes"));
      // What went is weighed by one round, and what that took by another.
      await links.files.settled();
      await links.files.settled();
      const { sums } = links.files;
      if (sums === undefined) throw new CofferError("store/closed");
      return sums;
    },
  };
}

function fetcherOf({ session }: FilePlace): FetchChunk {
  return (known, index) => session.links.chunks.fetch(known, index);
}

function readParts(parts: unknown): readonly CommitHash[] {
  return readList(parts, "parts", attachmentLimits.parts).map((part) => requirePart(part).commitHash);
}

function placeOf(host: WorkerHost, subscription: number, docId: unknown): FilePlace {
  const { database, session } = host.database(subscription);
  return { database, session, docId: requireDocId(docId) };
}

function readRange(part: unknown, range: unknown): PartRange {
  const fields = readFields(range, "range");
  const from = readNatural(fields["from"], "range.from");
  const to = readNatural(fields["to"], "range.to");
  return { part: requirePart(part), from, to };
}

function requirePart(part: unknown): Part {
  const read = readPart(part);
  if (read === undefined) throw new CofferError("input/invalid", { at: "part" });
  return read;
}

async function bytesOf(piece: unknown): Promise<Uint8Array> {
  const size = piece instanceof Blob ? piece.size : piece instanceof Uint8Array ? piece.length : undefined;
  if (size === undefined) throw new CofferError("input/invalid", { at: "piece" });
  if (size > attachmentLimits.partBytes) throw new CofferError("input/too-large", { at: "piece" });
  if (piece instanceof Uint8Array) return piece;
  try {
    return new Uint8Array(await (piece as Blob).arrayBuffer());
  } catch (cause) {
    throw new CofferError(
      "input/invalid",
      { at: "piece", message: "The file cannot be read any more." },
      { cause },
    );
  }
}
