import { bytesToId, CofferError } from "../../src/std/index.ts";
import {
  answerReconcile,
  encodeFrame,
  protocolVersion,
  syncLimits,
  type Frame,
  type ReconcileItem,
} from "../../src/sync/index.ts";
import type { RelayCrypto } from "./directories.ts";
import type { Authenticator } from "./auth.ts";
import type { LogSet, LogSets } from "./log-sets.ts";
import type { Session } from "./sessions.ts";
import type { RelayReader } from "./storage.ts";

export interface ReconcileParts {
  readonly crypto: RelayCrypto;
  readonly storage: Pick<RelayReader, "readCommits">;
  readonly authenticator: Authenticator;
  readonly logSets: LogSets;
}

type RangesFrame = Extract<Frame, { type: "ranges" }>;

/** Commits of one answer; who lacks more asks again from the start. */
const maxAnswerBytes = 4 * 1024 * 1024;

/**
 * Answer one side of a reconciliation: HELLO and RANGES come, what the caller lacks goes as PUSH, then RANGES where something is open,
 * then END; its `more` says that not everything fitted. Nothing of it is kept.
 *
 * @throws `protocol/malformed`, `protocol/version`, `access/…`
 */
export async function reconcile(
  parts: ReconcileParts,
  session: Session,
  frames: readonly Frame[],
): Promise<AsyncGenerator<Uint8Array<ArrayBuffer>, void>> {
  const asked = readRequest(frames);
  const { dbId, salt } = asked;
  const log = await parts.logSets.read(session.tenantId, dbId);
  const { ranges, deliver } = answerReconcile(parts.crypto, log.set, salt, asked.ranges);
  return answer();

  async function* answer(): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
    let budgetBytes = maxAnswerBytes;
    let batch: Uint8Array[] = [];
    let batchBytes = 0;
    const take = (): Uint8Array<ArrayBuffer> => {
      const bytes = encodeFrame({ type: "push", dbId, commits: batch });
      [batch, batchBytes] = [[], 0];
      return bytes;
    };
    for (const item of deliver) {
      if (budgetBytes <= 0) break;
      const commit = await readCommit(parts, session, { dbId, log, item });
      if (batch.length > 0 && batchBytes + commit.length > syncLimits.frameTargetBytes) {
        yield take();
        await parts.authenticator.authorize(session);
      }
      batch.push(commit);
      batchBytes += commit.length;
      budgetBytes -= commit.length;
    }
    if (batch.length > 0) yield take();
    if (ranges.length > 0) yield encodeFrame({ type: "ranges", dbId, salt, ranges });
    yield encodeFrame({ type: "end", more: budgetBytes <= 0 });
  }
}

function readRequest([hello, asked, ...more]: readonly Frame[]): RangesFrame {
  if (hello?.type !== "hello") throw new CofferError("protocol/malformed");
  if (hello.version !== protocolVersion) throw new CofferError("protocol/version");
  if (asked?.type !== "ranges" || more.length > 0) throw new CofferError("protocol/malformed");
  return asked;
}

async function readCommit(
  { storage }: ReconcileParts,
  { tenantId }: Session,
  {
    dbId,
    log,
    item,
  }: { readonly dbId: RangesFrame["dbId"]; readonly log: LogSet; readonly item: ReconcileItem },
): Promise<Uint8Array> {
  const fromSeq = log.seqByHash.get(bytesToId("CommitHash", item.hash));
  const range = fromSeq === undefined ? undefined : { fromSeq, maxCount: 1, maxBytes: 1 };
  const [row] = range === undefined ? [] : await storage.readCommits(tenantId, dbId, range);
  if (row?.bytes === undefined)
    throw new CofferError("store/failed", { message: "A log is shorter than it says." });
  return row.bytes;
}
