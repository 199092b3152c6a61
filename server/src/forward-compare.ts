/**
 * What another server lacks of a log, where it is not known how far it has it: at the first time, or when one of the two began a new epoch,
 * as it does after it was restored from a backup. The two compare their sets of commits, see `src/sync/reconcile.ts`.
 *
 * ```
 * A  RANGES ─► B     a few fingerprints, finer where they differ
 * A ◄─ RANGES, NEED  B's answer; and what B has without some ciphertexts
 * ```
 * What B alone has is not asked for: who forwards reads nothing. Where they cannot agree in so many rounds, B lacks everything: what is sent
 * twice does no harm.
 */
import type { DbId, TenantId } from "../../src/std/index.ts";
import { isCofferError } from "../../src/std/index.ts";
import { answerReconcile, beginReconcile, type Range } from "../../src/sync/index.ts";
import type { RelayCrypto } from "./directories.ts";
import type { ForwardLink } from "./forward-link.ts";
import { idToCommitHash, type LogSets } from "./log-sets.ts";
import { rangesOf, type SeqRanges } from "./seq-ranges.ts";

export interface CompareParts {
  readonly crypto: RelayCrypto;
  readonly link: Pick<ForwardLink, "compare">;
  readonly logSets: LogSets;
}

/** What another server lacks of a log. */
export interface Comparison {
  /** the epoch of the tenant's directory there */
  readonly farEpoch: number | undefined;
  /** places in this log; more than it lacks where these would be too many ranges */
  readonly lacking: SeqRanges;
}

const maxRounds = 24;
const maxRanges = 4096;

/** Ask what another server lacks of a log; everything, where it does not know the question. @throws `net/…`, `access/…` */
export async function compareLog(
  { crypto, link, logSets }: CompareParts,
  tenantId: TenantId,
  dbId: DbId,
): Promise<Comparison> {
  const everything = { from: 0, to: Number.MAX_SAFE_INTEGER };
  const { seqByHash, set } = await logSets.read(tenantId, dbId);
  const salt = crypto.randomBytes(8);
  const lacking = new Set<number>();
  const note = (commitHash: string): void => {
    const seq = seqByHash.get(commitHash);
    if (seq !== undefined) lacking.add(seq);
  };
  let ranges = beginReconcile(crypto, set, salt);
  let farEpoch: number | undefined;
  for (let round = 0; ranges.length > 0; round++) {
    const answer =
      round < maxRounds ? await link.compare(tenantId, { dbId, salt, ranges }).catch(orUnknown) : undefined;
    const isSame = farEpoch === undefined || answer?.farEpoch === farEpoch;
    if (answer === undefined || !isSame)
      return { farEpoch: answer?.farEpoch ?? farEpoch, lacking: [everything] };
    ({ farEpoch } = answer);
    for (const commitHash of answer.incomplete) note(commitHash);
    const own = answerReconcile(crypto, set, salt, answer.ranges);
    for (const { hash } of own.deliver) note(idToCommitHash(hash));
    ranges = unasked(own.ranges);
  }
  return {
    farEpoch,
    lacking: rangesOf(
      [...lacking].sort((a, b) => a - b),
      maxRanges,
    ),
  };
}

/** A server of an older version takes commits alone. */
function orUnknown(cause: unknown): undefined {
  if (!isCofferError(cause) || cause.code !== "protocol/malformed") throw cause;
}

/** Without what only the other side has. */
function unasked(ranges: readonly Range[]): readonly Range[] {
  const rest = ranges.map((range): Range => {
    const { mode, upTo } = range;
    return mode === "want" ? { upTo, mode: "skip" } : range;
  });
  return rest.some(({ mode }) => mode !== "skip") ? rest : [];
}
