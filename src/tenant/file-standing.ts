/**
 * How it stands with the commits that are parts of files, as the ledger says, for sync, which moves their chunks and holds no keys; and what
 * becomes of chunks that came before it was known.
 *
 * | the commit | its chunks |
 * |---|---|
 * | accepted | are kept as named, sent to servers that lack them, and given to others |
 * | refused | go at once |
 * | neither, since what it waits for is not here, or nobody has the keys | are given to nobody, may go on a full disk or by a budget, and go after a week |
 */
import {
  isUnjudged,
  type ChunkStore,
  type Standing,
  type StandingOf,
  type StoredPart,
} from "../sync/index.ts";
import type { TenantCore } from "./core.ts";
import type { JudgeOutcome } from "./judge.ts";
import type { Links } from "./links.ts";

/** chunks that nobody vouches for are erased after this time: whoever added them has ended, one way or the other */
export const unnamedForMs = 7 * 24 * 60 * 60 * 1000;

/** How it stands with the commit of a part. Locked, nothing is known of any. */
export function standingOf(
  { ledger }: Pick<TenantCore, "ledger">,
  { commitHash, dbId }: Parameters<StandingOf>[0],
): Standing {
  const row = ledger.find(commitHash);
  if (row === undefined || row.verdict === "waiting") return "unknown";
  return row.verdict === "accepted" && row.dbId === dbId ? "accepted" : "refused";
}

/** Of the parts whose chunks came before anybody had judged them, those that count now, and those that go. */
export async function settleUnjudged(core: TenantCore, chunks: ChunkStore): Promise<void> {
  const gone: StoredPart[] = [];
  for (const part of (await chunks.parts()).filter(isUnjudged)) {
    const standing = core.isPurged(part.docId) ? "refused" : standingOf(core, part);
    const isOld = core.nowMs() - part.usedAtMs > unnamedForMs;
    if (standing === "accepted") await vouchFor(chunks, part);
    else if (standing === "refused" || isOld) gone.push(part);
  }
  await chunks.erase(gone);
}

/** A part may be sent, and this device sees to it that a server has it. */
export function vouchFor(chunks: ChunkStore, { commitHash }: Pick<StoredPart, "commitHash">): Promise<void> {
  return chunks.edit(commitHash, (part) =>
    part.isNamed ? undefined : { ...part, isNamed: true, isOwn: true },
  );
}

/** Has what waits for verdicts on files hear of them: chunks that came before, and those that peers hold. */
export class FileVerdicts {
  #isDue = false;

  /** A record was judged. */
  note({ judged, quarantined }: Pick<JudgeOutcome, "judged" | "quarantined">): void {
    const isOfFile = judged?.commit.entries[0]?.header?.entryType === "attachment_chunk";
    this.#isDue ||= isOfFile || quarantined.length > 0;
  }

  /** A slice of records was judged. What fails is done at the next opening. */
  tell({ chunks, files, peers }: Pick<Links, "chunks" | "files" | "peers">): void {
    if (!this.#isDue) return;
    this.#isDue = false;
    files.settleUnjudged().then(
      (isSettled) => isSettled && chunks.wake(),
      () => undefined,
    );
    peers.bring();
  }
}
