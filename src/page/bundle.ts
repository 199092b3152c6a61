/** Files between the devices of a tenant on the page: they go the way of backups. */
import { CofferError } from "../std/index.ts";
import { throwIfAborted } from "./abort.ts";
import type { BundleOptions, BundleReport, Bundles, BundleSize } from "./bundle-types.ts";
import { handOn, iterateExport, takeIn, type RunningExport } from "./byte-streams.ts";
import type { Session } from "./session.ts";

type BundleSource = { readonly id: string; readonly session: Session };

/** no summary is larger; what is, need not be read to be refused */
const maxSummaryBytes = 8 * 1024 * 1024;

/** what a bundle holds of files where nothing is said: what a chat or a mail still carries, with some patience */
const defaultFileBytes = 64 * 1024 * 1024;

/** What this device has, in a few bytes. */
export async function summarize({ id, session }: BundleSource): Promise<Uint8Array> {
  return session.call((api) => api.summarize(id));
}

/** How many bytes of files a bundle would hold. */
export async function measureBundle(
  { id, session }: BundleSource,
  { files, since, signal }: BundleOptions = {},
): Promise<BundleSize> {
  throwIfAborted(signal);
  const summary = await bytesOf(since);
  return session.call((api) => api.measureBundle(id, summary, maxFileBytesOf(files)));
}

function maxFileBytesOf(files: BundleOptions["files"] = defaultFileBytes): number {
  if (typeof files === "number") return files;
  return files ? Number.MAX_SAFE_INTEGER : 0;
}

/** Hand a stream the next piece of a bundle; without one it was given up. */
export async function readBundle(
  { id, session }: BundleSource,
  bundle: RunningExport<BundleOptions | undefined>,
  stream?: ReadableStreamDefaultController<Uint8Array>,
): Promise<void> {
  await handOn(bundle, stream, (options) =>
    iterateExport(session, options?.signal, async () => {
      const summary = await bytesOf(options?.since);
      return session.call((api) => api.openBundleExport(id, summary, maxFileBytesOf(options?.files)));
    }),
  );
}

/** Take in a bundle, piece by piece. */
export async function importBundle(
  { id, session }: BundleSource,
  file: Parameters<Bundles["importBundle"]>[0],
  { signal, onProgress }: NonNullable<Parameters<Bundles["importBundle"]>[1]> = {},
): Promise<BundleReport> {
  return takeIn(session, file, {
    open: async () => session.call((api) => api.openBundleImport(id)),
    finish: async (importId) => session.call((api) => api.finishBundleImport(importId), "stores"),
    signal,
    onProgress,
  });
}

async function bytesOf(summary: BundleOptions["since"]): Promise<Uint8Array | undefined> {
  if (!(summary instanceof Blob)) return summary;
  if (summary.size > maxSummaryBytes)
    throw new CofferError("input/too-large", { sizeBytes: summary.size, maxBytes: maxSummaryBytes });
  return new Uint8Array(await summary.arrayBuffer());
}
