/** What an application has made of a file that it adds: extractors are run, and what they find is stored beside the file. */
import {
  derivedField,
  derivedLimits,
  derivedTypeOf,
  encodeDerived,
  readPart,
  type AttachmentRecord,
} from "../attachment/index.ts";
import { CofferError, createPageEnv } from "../std/index.ts";
import { throwIfAborted, unlessAborted } from "./abort.ts";
import type { Extracted, Extractor, ExtractRun, ExtractVerdict } from "./attachment-types.ts";
import { inBackground, runCallers } from "./session.ts";

/** An extractor has so long; those of the library end by themselves sooner. */
const withinMs = 60_000;

/** A file whose bytes are stored, to make something of. */
export interface Derivation {
  readonly record: AttachmentRecord;
  /** The file itself. */
  readonly read: (signal: AbortSignal) => Promise<Blob>;
  /** Store what was made. @returns its parts */
  readonly store: (content: Blob, signal: AbortSignal | undefined) => Promise<readonly Uint8Array[]>;
}

/** What was made, for the document to name. */
export interface Made {
  readonly fields: Readonly<Record<string, Uint8Array>>;
  readonly parts: readonly Uint8Array[];
}

/**
 * Run extractors on a file, one after the other; whatever they do, the file itself is none the worse.
 *
 * @throws aborted by the caller's signal, store/quota
 */
export async function derive(
  file: Derivation,
  { extractors = [], onExtracted, signal }: ExtractRun & { readonly signal?: AbortSignal },
): Promise<Made> {
  const { id, sizeBytes: ofBytes } = file.record;
  const fields: Record<string, Uint8Array> = {};
  const parts: Uint8Array[] = [];
  for (const extractor of extractors) {
    throwIfAborted(signal);
    const { gives } = extractor;
    const field = derivedField(id, gives);
    if (field in fields) continue;
    const found = await run(extractor, file, signal);
    let verdict: ExtractVerdict = { gives, ...found };
    if (found.kind === "found") {
      const { content } = found;
      const type = derivedTypeOf(gives, typeOf(content), content.size);
      if (type === undefined) verdict = { gives, ...misfitOf(content, derivedLimits[gives]) };
      else {
        const [bytes] = await file.store(content, signal);
        const part = readPart(bytes);
        if (bytes === undefined || part === undefined) throw new CofferError("input/invalid");
        fields[field] = encodeDerived({ type, ofBytes, part });
        parts.push(bytes);
        verdict = { gives, kind: "found" };
      }
    }
    if (onExtracted !== undefined) runCallers(() => onExtracted(verdict));
  }
  return { fields, parts };
}

const typeOf = ({ type }: Blob): string => type.split(";")[0] ?? "";

/** Run one, as long as it may; what it does wrong is a verdict. @throws aborted by the caller's signal */
async function run(
  extractor: Extractor,
  { read, record: { name, type } }: Derivation,
  signal: AbortSignal | undefined,
): Promise<Extracted> {
  const ended = new AbortController();
  const late = new AbortController();
  const stop = (): void => ended.abort();
  signal?.addEventListener("abort", stop);
  const release = createPageEnv().setTimer(withinMs, () => late.abort());
  try {
    const blob = await unlessAborted(signal, read(ended.signal));
    const working = Promise.resolve(extractor.extract(blob, { name, type, signal: ended.signal }));
    inBackground(working);
    return checked(await unlessAborted(late.signal, unlessAborted(signal, working)));
  } catch (cause) {
    throwIfAborted(signal);
    if (cause instanceof CofferError && cause.code.startsWith("net/"))
      return { kind: "refused", reason: "unavailable" };
    return { kind: "refused", reason: late.signal.aborted ? "too-slow" : "damaged" };
  } finally {
    release();
    signal?.removeEventListener("abort", stop);
    ended.abort();
  }
}

const reasons: readonly unknown[] = ["damaged", "protected", "too-large", "too-slow", "unavailable"];

/** An application's own extractor is held to what it promised. */
function checked(extracted: Extracted): Extracted {
  if (extracted.kind === "found") return extracted.content instanceof Blob ? extracted : damaged;
  if (extracted.kind === "refused") return reasons.includes(extracted.reason) ? extracted : damaged;
  return { kind: "nothing" };
}

const damaged = { kind: "refused", reason: "damaged" } as const;

/** Why what was found cannot be kept. */
function misfitOf({ size }: Blob, maxBytes: number): Exclude<Extracted, { readonly kind: "found" }> {
  if (size === 0) return { kind: "nothing" };
  return size > maxBytes ? { kind: "refused", reason: "too-large" } : damaged;
}
