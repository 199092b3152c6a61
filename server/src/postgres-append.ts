import { assert, CofferError, equalBytes, idToBytes } from "../../src/std/index.ts";
import { appendOutcomes, bytesAt, numberAt, unitesState, type Querier } from "./postgres-schema.ts";
import type { AppendedCommit, AppendRequest, AppendResult, NewCommit } from "./storage.ts";

/** Append in a transaction that is open; what stored bytes differ from is a conflict, or united with them. */
export type AppendPart = (client: Querier, request: AppendRequest) => Promise<AppendResult>;

export interface PostgresAppend {
  append(request: AppendRequest): Promise<AppendResult>;
  readonly part: AppendPart;
  /** Everything that was asked for has its answer. */
  settled(): Promise<void>;
}

export interface PostgresAppendParts {
  readonly db: Querier;
  readonly inTransaction: <Result>(run: (client: Querier) => Promise<Result>) => Promise<Result>;
  readonly nowMs: () => number;
}

/** A commit on its way, and the replica that brings it. */
interface Item {
  readonly commit: NewCommit;
  readonly replicaId: Uint8Array;
}

interface Waiting {
  readonly request: AppendRequest;
  readonly resolve: (result: AppendResult) => void;
  readonly reject: (cause: unknown) => void;
}

const maxBatchItems = 2048;
const maxBatchBytes = 8 * 1024 * 1024;

/**
 * Create the writing half. While a log is written by this node, what comes for it waits and goes together with the next statement: one
 * flush of the disk for all of them, and no timer.
 *
 * ```
 * node A, log L   [1 2] ──statement──►
 *                  3 4 5 wait          [3 4 5] ──statement──►
 * node B, log L              waits for the row's lock ─────► …
 * ```
 */
export function createPostgresAppend(parts: PostgresAppendParts): PostgresAppend {
  const waitingByLog = new Map<string, Waiting[]>();
  const running = new Set<Promise<void>>();
  const epochNow = (): number => Math.floor(parts.nowMs() / 1000);
  const part: AppendPart = (client, request) =>
    appendUniting(client, request, itemsOf([request]), epochNow());

  async function writeLog(name: string, waiting: Waiting[]): Promise<void> {
    while (waiting.length > 0) await writeBatch(takeBatch(waiting));
    waitingByLog.delete(name);
  }

  async function writeBatch(batch: readonly Waiting[]): Promise<void> {
    try {
      const requests = batch.map(({ request }) => request);
      const result = await write(parts, requests, epochNow());
      let first = 0;
      for (const { request, resolve } of batch) {
        const end = first + request.commits.length;
        resolve(
          result.kind === "stale" ? result : { kind: "appended", results: result.results.slice(first, end) },
        );
        first = end;
      }
    } catch (cause) {
      for (const { reject } of batch) reject(cause);
    }
  }

  return {
    part,
    append: (request) =>
      new Promise((resolve, reject) => {
        const name = `${request.tenantId}/${request.dbId}`;
        const known = waitingByLog.get(name);
        const waiting = known ?? [];
        waiting.push({ request, resolve, reject });
        if (known !== undefined) return;
        waitingByLog.set(name, waiting);
        const run = writeLog(name, waiting).finally(() => running.delete(run));
        running.add(run);
      }),
    async settled() {
      while (running.size > 0) await Promise.all(running);
    },
  };
}

/** The requests from the front that were judged with one directory, up to a size. */
function takeBatch(waiting: Waiting[]): readonly Waiting[] {
  const [first] = waiting;
  let items = 0;
  let sizeBytes = 0;
  let count = 0;
  for (const { request } of waiting) {
    items += request.commits.length;
    sizeBytes += request.commits.reduce((sum, { bytes }) => sum + bytes.length, 0);
    const fits = items <= maxBatchItems && sizeBytes <= maxBatchBytes;
    if (count > 0 && (!fits || request.directorySize !== first?.request.directorySize)) break;
    count++;
    // What is appended to the directory changes its size for whoever waits.
    if (request.commits.length === 0) break;
  }
  return waiting.splice(0, count);
}

function itemsOf(requests: readonly AppendRequest[]): readonly Item[] {
  return requests.flatMap(({ commits, replicaId }) => commits.map((commit) => ({ commit, replicaId })));
}

/** One statement; a transaction only where stored bytes differ and may be united, and for commits that lack something. */
async function write(
  { db, inTransaction }: PostgresAppendParts,
  requests: readonly AppendRequest[],
  epoch: number,
): Promise<AppendResult> {
  const [request] = requests;
  assert(request !== undefined, "postgres: a batch holds a request");
  const items = itemsOf(requests);
  const mayUnite = items.some(({ commit }) => commit.unite !== undefined);
  if (items.some(({ commit }) => commit.isPartial === true))
    return inTransaction((client) => appendUniting(client, request, items, epoch));
  try {
    return toResult(await callAppend(db, request, items, { epoch, mayUnite }));
  } catch (cause) {
    if (!isUniting(cause)) throw cause;
    return inTransaction((client) => appendUniting(client, request, items, epoch));
  }
}

function isUniting(cause: unknown): boolean {
  return cause instanceof Error && "code" in cause && cause.code === unitesState;
}

interface Outcome {
  readonly outcome: number;
  readonly seq: number;
}

async function callAppend(
  db: Querier,
  { tenantId, dbId, directorySize }: AppendRequest,
  items: readonly Item[],
  { epoch, mayUnite }: { readonly epoch: number; readonly mayUnite: boolean },
): Promise<readonly Outcome[]> {
  const { rows } = await db.query("SELECT * FROM coffer.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)", [
    idToBytes(tenantId),
    idToBytes(dbId),
    directorySize,
    epoch,
    mayUnite,
    items.map(({ commit }) => Buffer.from(idToBytes(commit.commitHash))),
    items.map(({ commit }) => Buffer.from(idToBytes(commit.author))),
    items.map(({ commit }) => commit.createdAtMs),
    items.map(({ replicaId }) => Buffer.from(replicaId)),
    items.map(({ commit: { bytes } }) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)),
  ]);
  const outcomes = rows.map((row) => ({ outcome: numberAt(row, "outcome"), seq: numberAt(row, "at") }));
  if (outcomes[0]?.outcome === appendOutcomes["no-tenant"])
    throw new CofferError("store/failed", { message: "There is no such tenant." });
  return outcomes;
}

function toResult(outcomes: readonly Outcome[]): AppendResult {
  if (outcomes[0]?.outcome === appendOutcomes.stale) return { kind: "stale" };
  return { kind: "appended", results: outcomes.map(toAppended) };
}

function toAppended({ outcome, seq }: Outcome): AppendedCommit {
  if (outcome === appendOutcomes.stored) return { status: "stored", seq };
  return { status: outcome === appendOutcomes.present ? "present" : "conflict", seq };
}

/** As {@link write}, in a transaction: the log's row is locked, so that what is read stays until it is replaced. */
async function appendUniting(
  client: Querier,
  request: AppendRequest,
  items: readonly Item[],
  epoch: number,
): Promise<AppendResult> {
  if (items.length === 0) return { kind: "appended", results: [] };
  const outcomes = await callAppend(client, request, items, { epoch, mayUnite: false });
  const result = toResult(outcomes);
  if (result.kind === "stale") return result;
  const results: AppendedCommit[] = [];
  for (const [index, appended] of result.results.entries()) {
    const item = items[index];
    if (appended.status === "stored" && item?.commit.isPartial === true)
      await markPartial(client, request, appended.seq);
    const isOther = appended.status === "conflict" && item !== undefined;
    results.push(isOther ? await unite(client, request, item, appended.seq) : appended);
  }
  return { kind: "appended", results };
}

async function markPartial(client: Querier, { tenantId, dbId }: AppendRequest, seq: number): Promise<void> {
  await client.query(
    `UPDATE coffer.commits SET is_partial = true FROM coffer.logs JOIN coffer.tenants ON logs.tenant = tenants.id
     WHERE commits.log = logs.id AND tenants.tenant = $1 AND logs.db = $2 AND commits.seq = $3`,
    [idToBytes(tenantId), idToBytes(dbId), seq],
  );
}

/** Put what is made of both in the place of stored bytes, where the two are copies of one commit. */
async function unite(
  client: Querier,
  { tenantId, dbId }: AppendRequest,
  { commit }: Item,
  seq: number,
): Promise<AppendedCommit> {
  const found = await client.query(
    `SELECT commits.bytes, commits.author, logs.id AS log, tenants.id AS tenant FROM coffer.commits
     JOIN coffer.logs ON commits.log = logs.id JOIN coffer.tenants ON logs.tenant = tenants.id
     WHERE tenants.tenant = $1 AND logs.db = $2 AND commits.seq = $3`,
    [idToBytes(tenantId), idToBytes(dbId), seq],
  );
  const [row] = found.rows;
  const stored = bytesAt(row, "bytes");
  if (equalBytes(stored, commit.bytes)) return { status: "present", seq };
  const united = commit.unite?.(stored);
  if (united === undefined) return { status: "conflict", seq };
  if (equalBytes(stored, united.bytes)) return { status: "present", seq };
  const log = numberAt(row, "log");
  const added = united.bytes.length - stored.length;
  await client.query("UPDATE coffer.commits SET bytes = $1, is_partial = $2 WHERE log = $3 AND seq = $4", [
    united.bytes,
    united.isPartial === true,
    log,
    seq,
  ]);
  await client.query("UPDATE coffer.logs SET size_bytes = size_bytes + $1 WHERE id = $2", [added, log]);
  await client.query(
    "UPDATE coffer.usage SET size_bytes = size_bytes + $1 WHERE tenant = $2 AND author = $3",
    [added, numberAt(row, "tenant"), bytesAt(row, "author")],
  );
  return { status: "present", seq, isFilled: true };
}
