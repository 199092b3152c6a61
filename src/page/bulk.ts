/** Bulk creation and bulk edits: cut into calls that a worker digests quickly, with progress and abortion between them. */
import type { DraftOperation, DraftValue } from "../draft/index.ts";
import { CofferError, toCofferError, type ErrorDetails } from "../std/index.ts";
import { throwIfAborted } from "./abort.ts";
import type { DatabaseCore } from "./database.ts";
import { adminProof } from "./directory.ts";
import type { AdminOptions } from "./directory-types.ts";
import { unreadable } from "./doc-errors.ts";
import { inBackground, runCallers } from "./session.ts";
import type { CreateOptions, Database, Doc } from "./types.ts";

/** What one call carries at most. */
const limits = { values: 512, sizeBytes: 1024 * 1024, drafts: 64 } as const;

type Step = { readonly doneCount: number; readonly totalCount: number };

/** So many calls are under way at once, so that the worker always has the next one when it is through with one. */
const callsAtOnce = 2;
let runCount = 0;

/**
 * Store values in order, call by call. What can be aborted waits for each call before the next is sent.
 *
 * @returns the ids in the order of the values
 * @throws whatever stopped it, with `doneCount` documents stored before; `input/…` also with the `index` of
 *   the value
 */
export async function createDocuments(
  core: DatabaseCore,
  values: readonly unknown[],
  options: CreateOptions = {},
): Promise<readonly string[]> {
  const ids: string[] = [];
  const underWay: { readonly count: number; readonly stored: Promise<readonly string[]> }[] = [];
  const atOnce = options.signal === undefined ? callsAtOnce : 1;
  const run = ++runCount;
  let sentCount = 0;
  let takeChunk = (): readonly DraftValue[] => encodeChunk(core, values, 0);
  /** Resolves once the message is posted, and the next one encoded. */
  const send = async (): Promise<void> => {
    let post: () => void = () => undefined;
    const posted = new Promise<void>((resolve) => {
      post = resolve;
    });
    let count = 0;
    const storing = async (): Promise<readonly string[]> => {
      const chunk = takeChunk();
      count = chunk.length;
      sentCount += count;
      return core.call((api) => {
        const stored = api.createDocuments(core.subscription, chunk, { run });
        takeChunk = encodeAhead(core, values, sentCount);
        post();
        return stored;
      }, "stores");
    };
    const stored = storing();
    // What cannot be sent is told when what was sent before is seen to; nothing is sent behind it.
    stored.catch(() => {
      sentCount = values.length;
      post();
    });
    underWay.push({ count, stored });
    await posted;
  };
  await inSteps(core, values.length, options, async () => {
    while (underWay.length < atOnce && sentCount < values.length) await send();
    const [next] = underWay.splice(0, 1);
    ids.push(...((await next?.stored) ?? []));
    return next?.count ?? 0;
  });
  return ids;
}

/** Encode the next chunk while the worker is at this one. What is wrong with it is told when its turn comes. */
function encodeAhead(
  core: DatabaseCore,
  values: readonly unknown[],
  from: number,
): () => readonly DraftValue[] {
  try {
    const chunk = encodeChunk(core, values, from);
    return () => chunk;
  } catch (cause) {
    return () => {
      throw cause;
    };
  }
}

/** Create a document, and open it. */
export async function createDocument(core: DatabaseCore, value: unknown): Promise<Doc> {
  return create(core, value);
}

/** Create a document sealed under a named key, and open it. */
export async function createEncryptedDocument(
  core: DatabaseCore,
  keyName: string,
  value: unknown,
): Promise<Doc> {
  return create(core, value, { keyName });
}

/** Create a document that some people alone can read. */
export async function createDocumentFor(
  core: DatabaseCore,
  recipients: Parameters<Database["createDocumentFor"]>[0],
  value: unknown,
  options: AdminOptions,
): Promise<Doc> {
  const { groups = [], users = [] } = recipients;
  const { tenantId } = core.place;
  // What cannot be encoded makes no key.
  core.encode(value);
  const keyName = await core.call((api) =>
    api.createListKey(tenantId, { groups, users }, adminProof(options)),
  );
  return create(core, value, { keyName });
}

/** Who can read what is written to a document now. */
export async function getRecipients(core: DatabaseCore, doc: Doc | string): Promise<readonly string[]> {
  return core.call((api) => api.recipientsOf(core.subscription, idOf(core, doc)));
}

/** Change who can read what is written to a document. */
export async function changeRecipients(
  core: DatabaseCore,
  doc: Doc | string,
  { add = [], remove = [], ...admin }: Parameters<Database["changeRecipients"]>[1],
): Promise<void> {
  await core.call((api) =>
    api.changeRecipients(core.subscription, idOf(core, doc), { add, remove }, adminProof(admin)),
  );
}

function idOf(core: DatabaseCore, doc: Doc | string): string {
  return typeof doc === "string" ? doc : core.own(doc).place.id;
}

async function create(
  core: DatabaseCore,
  value: unknown,
  options?: { readonly keyName: string },
): Promise<Doc> {
  const values = [core.encode(value)];
  const [id] = await core.call((api) => api.createDocuments(core.subscription, values, options), "stores");
  if (id === undefined) throw new CofferError("worker/failed");
  return core.openDoc(id);
}

/**
 * Run one edit on many documents, call by call: those of one call are recorded before any of them is sent.
 *
 * @returns the ids of those that it changed
 * @throws whatever stopped it, with `doneCount` documents seen to before, and the `docId` that it stopped at
 */
export async function changeDocs(
  core: DatabaseCore,
  ids: readonly string[],
  edit: (draft: never, id: string) => void,
  { durability = "relaxed", ...options }: NonNullable<Parameters<Database["changeDocs"]>[2]> = {},
): Promise<readonly string[]> {
  const { subscription } = core;
  const once = [...new Set(ids)];
  const changed: string[] = [];
  await inSteps(core, once.length, options, async (doneCount) => {
    const part = once.slice(doneCount, doneCount + limits.drafts);
    const read = await core.call((api) => api.readDocuments(subscription, part));
    const drafts = read.flatMap(({ docId, snapshot: { value, heads: baseHeads, status } }) => {
      if (value === undefined) throw unreadable(status, docId);
      const operations = recordOne(core, docId, value, edit);
      return operations.length === 0 ? [] : [{ docId, baseHeads, operations }];
    });
    if (drafts.length > 0) {
      const written = await core.call(
        (api) => api.changeDocuments(subscription, drafts, durability),
        "stores",
      );
      changed.push(...written.map(({ docId }) => docId));
    }
    return part.length;
  });
  return changed;
}

function recordOne(
  core: DatabaseCore,
  docId: string,
  value: Parameters<DatabaseCore["record"]>[0],
  edit: (draft: never, id: string) => void,
): readonly DraftOperation[] {
  try {
    return core.record(value, (draft) => edit(draft as never, docId)).operations;
  } catch (cause) {
    throw withPlace(toCofferError(cause), { docId });
  }
}

/** Do steps until all is done; `step` tells how many more are. */
async function inSteps(
  core: DatabaseCore,
  totalCount: number,
  { signal, onProgress }: CreateOptions,
  step: (doneCount: number) => Promise<number>,
): Promise<void> {
  let doneCount = 0;
  while (doneCount < totalCount) {
    throwIfAborted(signal, { doneCount });
    try {
      doneCount += await step(doneCount);
    } catch (cause) {
      throw withPlace(toCofferError(cause), { doneCount });
    }
    const done: Step = { doneCount, totalCount };
    if (onProgress !== undefined) runCallers(() => onProgress(done));
  }
  if (totalCount >= limits.values) inBackground(core.call((api) => api.measureStorage()));
}

function encodeChunk(core: DatabaseCore, values: readonly unknown[], from: number): readonly DraftValue[] {
  const chunk: DraftValue[] = [];
  let sizeBytes = 0;
  for (let index = from; index < values.length && chunk.length < limits.values; index += 1) {
    const value = encodeValue(core, values[index], index);
    sizeBytes += roughSizeBytes(value);
    if (chunk.length > 0 && sizeBytes > limits.sizeBytes) break;
    chunk.push(value);
  }
  return chunk;
}

function encodeValue(core: DatabaseCore, value: unknown, index: number): DraftValue {
  try {
    return core.encode(value);
  } catch (cause) {
    throw withPlace(toCofferError(cause), { index });
  }
}

function withPlace(error: CofferError, place: ErrorDetails): CofferError {
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
