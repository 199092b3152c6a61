/** Bulk creation: cut into calls that a worker digests quickly, with progress and abortion between them. */
import { encodeInitialValue, type DraftValue } from "../draft/index.ts";
import { CofferError, toCofferError } from "../std/index.ts";
import { runCallers } from "./session.ts";
import type { CreateOptions } from "./types.ts";

/** What one call carries at most. */
export const chunkLimits = { values: 256, sizeBytes: 1024 * 1024 } as const;

/**
 * Store values in order, chunk by chunk.
 *
 * @param store stores one chunk and gives its ids
 * @returns the ids in the order of the values
 * @throws whatever stopped it, with `doneCount` documents stored before; `input/…` also with the `index` of
 *   the value
 */
export async function createInChunks(
  values: readonly unknown[],
  store: (chunk: readonly DraftValue[]) => Promise<readonly string[]>,
  { signal, onProgress }: CreateOptions = {},
): Promise<readonly string[]> {
  const ids: string[] = [];
  while (ids.length < values.length) {
    if (signal?.aborted === true)
      throw new CofferError("aborted", { doneCount: ids.length }, { cause: signal.reason });
    const chunk = encodeChunk(values, ids.length);
    try {
      ids.push(...(await store(chunk)));
    } catch (cause) {
      throw withPlace(toCofferError(cause), { doneCount: ids.length });
    }
    if (onProgress !== undefined)
      runCallers(() => onProgress({ doneCount: ids.length, totalCount: values.length }));
  }
  return ids;
}

function encodeChunk(values: readonly unknown[], from: number): readonly DraftValue[] {
  const chunk: DraftValue[] = [];
  let sizeBytes = 0;
  for (let index = from; index < values.length && chunk.length < chunkLimits.values; index += 1) {
    const value = encodeValue(values[index], index, from);
    sizeBytes += roughSizeBytes(value);
    if (chunk.length > 0 && sizeBytes > chunkLimits.sizeBytes) break;
    chunk.push(value);
  }
  return chunk;
}

function encodeValue(value: unknown, index: number, doneCount: number): DraftValue {
  try {
    return encodeInitialValue(value);
  } catch (cause) {
    throw withPlace(toCofferError(cause, "input/invalid"), { index, doneCount });
  }
}

function withPlace(error: CofferError, place: { doneCount: number; index?: number }): CofferError {
  return new CofferError(
    error.code,
    { ...error.details, ...place, message: error.message },
    { cause: error },
  );
}

/** About as many bytes as the value takes in a message: enough for cutting. */
function roughSizeBytes(value: DraftValue): number {
  if (typeof value === "string") return value.length;
  if (typeof value !== "object" || value === null || value instanceof Date) return 8;
  if (value instanceof Uint8Array) return value.length;
  if (value instanceof Map) return 16;
  return Object.entries(value).reduce(
    (sum, [key, item]: [string, DraftValue]) => sum + key.length + roughSizeBytes(item),
    8,
  );
}
