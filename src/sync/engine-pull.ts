/**
 * What the engine makes of COMMITS, HEAD and TENANT-HEAD: store what a signed head proves, notice what contradicts.
 */
import { equalBytes, type CommitHash, type DbId } from "../std/index.ts";
import type { DatabaseState, EngineState, JudgedFrame, JudgedItem, Run } from "./engine-types.ts";
import { appendLeaves, checkHead, digestHeads, rootOf } from "./merkle.ts";
import type { SignedHead } from "./messages.ts";
import { emit, fail, freeze, raise, set, setDatabase, setRound, wholeOutbox, type Turn } from "./turn.ts";

type JudgedOf<Type extends JudgedFrame["type"]> = Extract<JudgedFrame, { type: Type }>;
type OpenRun = Extract<Run, { kind: "open" }>;

/** Take COMMITS: they wait for the next frame, which must be their head. */
export function onCommits(turn: Turn, frame: JudgedOf<"commits">): void {
  const { state } = turn;
  if (state.run !== undefined || frame.items === undefined) return fail(turn, "protocol/malformed");
  const skip = (why: Extract<Run, { kind: "skipped" }>["why"]): void => {
    set(turn, { run: { kind: "skipped", dbId: frame.dbId, why } });
  };
  if (state.round.frozen.has(frame.dbId)) return skip("frozen");
  const base = baseOf(state.databases.get(frame.dbId), frame);
  if (base === undefined || frame.fromSeq > base.size) return skip("gap");
  if (frame.fromSeq < base.size) {
    fill(turn, base, frame);
    return skip("overlap");
  }
  if (frame.items.some((item) => item.bytes === undefined && !item.isHere)) {
    if (canBeRepaired(state, frame.dbId)) {
      set(turn, { needsRepair: new Set(state.needsRepair).add(frame.dbId) });
      return skip("incomplete");
    }
    // The device lost commits that it had pushed. Whole answers that still name them only are no answers.
    if (state.round.full.has(frame.dbId)) return fail(turn, "protocol/malformed");
    set(turn, { needsFull: new Set(state.needsFull).add(frame.dbId) });
    return skip("incomplete");
  }
  const next = appendLeaves(
    turn.crypto,
    base,
    frame.items.map((item) => item.commitHash),
  );
  const { dbId, epoch, fromSeq, items } = frame;
  set(turn, { run: { kind: "open", dbId, epoch, fromSeq, items, next } });
}

/** Commits whose place is proven came once more: what they bring is stored, and nothing of the log moves. */
function fill(turn: Turn, base: DatabaseState, { fromSeq, items = [] }: JudgedOf<"commits">): void {
  const records = fromSeq + items.length <= base.size ? items.flatMap(toRecord) : [];
  if (records.length > 0) emit(turn, { kind: "store", records, databases: [], outbox: undefined });
}

/** Whether what is missing here can be found by reconciling: once, and then the log must be shown whole. */
function canBeRepaired({ canRepair, link, repaired, round }: EngineState, dbId: DbId): boolean {
  return canRepair && link === "exchanging" && !repaired.has(dbId) && !round.full.has(dbId);
}

/** The state that a run continues: the known one, or nothing yet in a database or epoch that is new. */
function baseOf(
  known: DatabaseState | undefined,
  run: { readonly dbId: DbId; readonly epoch: number },
): DatabaseState | undefined {
  if (known?.epoch === run.epoch) return known;
  if (known === undefined || known.epoch < run.epoch) return startEpoch(known, run.dbId, run.epoch);
  return undefined;
}

/** Begin an epoch from its start. Where there was an older one with commits, the new one must be shown to contain them. */
function startEpoch(known: DatabaseState | undefined, dbId: DbId, epoch: number): DatabaseState {
  const hasPast = known !== undefined && (known.size > 0 || known.audit !== undefined);
  return {
    dbId,
    epoch,
    size: 0,
    frontier: [],
    headTimeMs: known?.headTimeMs ?? 0,
    audit: hasPast ? [] : undefined,
  };
}

/** Take a HEAD: it proves the run before it, or says alone where its log stands. */
export function onHead(turn: Turn, { head, isSigned }: JudgedOf<"head">): void {
  const { run } = turn.state;
  set(turn, { run: undefined });
  if (!isSigned || (run !== undefined && run.dbId !== head.dbId)) return fail(turn, "protocol/malformed");
  noteShownSize(turn, head);
  if (turn.state.round.frozen.has(head.dbId)) return;
  if (run?.kind === "open") return proveRun(turn, run, head);
  if (run?.why === "incomplete") {
    freeze(turn, head.dbId);
    return setRound(turn, { needsPull: true });
  }
  judgeHead(turn, head, run?.why === "overlap");
}

function noteShownSize(turn: Turn, head: SignedHead): void {
  const { shownSizes } = turn.state;
  if (head.size > (shownSizes.get(head.dbId) ?? 0))
    set(turn, { shownSizes: new Map(shownSizes).set(head.dbId, head.size) });
}

function proveRun(turn: Turn, run: OpenRun, head: SignedHead): void {
  if (head.epoch !== run.epoch || head.size !== run.next.size) return fail(turn, "protocol/malformed");
  const known = turn.state.databases.get(run.dbId);
  if (!equalBytes(rootOf(turn.crypto, run.next), head.root)) return contradict(turn, "fork", head, known);
  const base = baseOf(known, run) ?? startEpoch(known, run.dbId, run.epoch);
  if (base.epoch !== known?.epoch) leafEpoch(turn, base);
  const hashes = run.items.map((item) => item.commitHash);
  const database: DatabaseState = {
    ...base,
    ...run.next,
    headTimeMs: Math.max(base.headTimeMs, head.timeMs),
    head,
    audit: base.audit === undefined ? undefined : [...base.audit, hashes],
  };
  setDatabase(turn, database);
  setRound(turn, { hasProgress: true });
  settleReceipts(turn, database, hashes);
  for (const item of run.items) {
    if (item.bytes !== undefined && !item.isGenuine) raiseForged(turn, run.dbId, item.commitHash);
  }
  emit(turn, {
    kind: "store",
    records: run.items.flatMap(toRecord),
    databases: [database],
    outbox: turn.state.outbox,
    confirmed: isConfirming(turn.state, run.dbId)
      ? run.items.filter(isOnlyHere).map(({ commitHash }) => commitHash)
      : [],
  });
}

/** Whether it is remembered of commits that the server has them: where the outbox would send them once more. */
function isConfirming({ asLeaves, everWanted, putOff }: EngineState, dbId: DbId): boolean {
  return asLeaves.has(dbId) || putOff.length > 0 || everWanted.size > 0;
}

/** A log that begins anew holds mostly what is here: what is left of it is asked for as leaves. */
function leafEpoch(turn: Turn, { dbId, audit }: DatabaseState): void {
  if (audit !== undefined) set(turn, { asLeaves: new Set(turn.state.asLeaves).add(dbId) });
}

function isOnlyHere({ bytes, isHere }: JudgedItem): boolean {
  return bytes === undefined && isHere;
}

function toRecord({ commitHash, bytes, isGenuine, isHere }: JudgedItem) {
  return bytes === undefined || !isGenuine || isHere ? [] : [{ commitHash, bytes }];
}

function raiseForged(turn: Turn, dbId: DbId, commitHash: CommitHash): void {
  raise(turn, { kind: "quarantined", dbId, commitHashes: [commitHash], head: undefined, known: undefined });
}

/** What was acknowledged must be where the acknowledgement said, as soon as the proven log reaches that far. */
function settleReceipts(turn: Turn, database: DatabaseState, hashes: readonly CommitHash[]): void {
  if (turn.state.receipts.size === 0) return;
  const receipts = new Map(turn.state.receipts);
  for (const hash of hashes) receipts.delete(hash);
  const missing: CommitHash[] = [];
  for (const [hash, receipt] of receipts) {
    if (receipt.dbId !== database.dbId || receipt.seq >= database.size) continue;
    missing.push(hash);
    receipts.delete(hash);
  }
  set(turn, { receipts });
  if (missing.length === 0) return;
  raise(turn, {
    kind: "withheld",
    dbId: database.dbId,
    commitHashes: missing,
    head: undefined,
    known: database,
  });
}

/**
 * Judge a head that proves no run. A head that was signed before the newest one seen is an old answer that came late, and
 * says nothing; one that was signed later and shows less is evidence.
 */
function judgeHead(turn: Turn, head: SignedHead, closesOverlap: boolean): void {
  const known = turn.state.databases.get(head.dbId);
  if (known === undefined) return head.size > 0 ? setRound(turn, { needsPull: true }) : undefined;
  const isOld = head.timeMs <= known.headTimeMs;
  switch (checkHead(turn.crypto, known, head)) {
    case "match":
      setDatabase(turn, { ...known, headTimeMs: Math.max(known.headTimeMs, head.timeMs) });
      return;
    case "ahead":
      setRound(turn, { needsPull: true });
      return;
    case "fork":
      contradict(turn, "fork", head, known);
      return;
    case "rollback":
      if (!closesOverlap && !isOld) contradict(turn, "rollback", head, known);
      return;
    case "other-epoch":
      if (head.epoch > known.epoch) {
        const database = startEpoch(known, head.dbId, head.epoch);
        setDatabase(turn, database);
        leafEpoch(turn, database);
        setRound(turn, { needsPull: true });
        emit(turn, { kind: "store", records: [], databases: [database], outbox: undefined });
      } else if (!isOld) contradict(turn, "rollback", head, known);
  }
}

function contradict(
  turn: Turn,
  kind: "fork" | "rollback",
  head: SignedHead,
  known: DatabaseState | undefined,
): void {
  raise(turn, { kind, dbId: head.dbId, commitHashes: [], head, known });
  freeze(turn, head.dbId);
  setRound(turn, { isContradicted: true });
}

/** Take a TENANT-HEAD: it proves that nothing is missing, or that this round has not shown everything. */
export function onTenantHead(turn: Turn, { head, isSigned }: JudgedOf<"tenant-head">): void {
  if (!isSigned || turn.state.run !== undefined) return fail(turn, "protocol/malformed");
  const databases = [...turn.state.databases.values()].filter((database) => database.size > 0);
  const rows = databases.map((database) => ({ ...database, root: rootOf(turn.crypto, database) }));
  const isComplete =
    head.databaseCount === rows.length && equalBytes(digestHeads(turn.crypto, rows), head.digest);
  setRound(turn, { isComplete, tenantHead: head });
  if (!isComplete) return;
  set(turn, { verifiedCompleteAtMs: turn.state.nowMs });
  // Also of those that are empty now: a new epoch may have nothing of what the old one acknowledged.
  for (const { dbId, audit } of turn.state.databases.values()) {
    if (audit !== undefined) emit(turn, { kind: "audit", dbId, contained: audit, outbox: turn.state.outbox });
  }
}

/** Take the answer of an audit: raise what is missing, and push everything again. */
export function onAudited(turn: Turn, dbId: DbId, missing: readonly CommitHash[]): void {
  const database = turn.state.databases.get(dbId);
  if (database === undefined) return;
  const { epoch, size } = database;
  if (missing.length > 0) {
    raise(turn, { kind: "rollback", dbId, commitHashes: missing, head: undefined, known: { epoch, size } });
  }
  const done = { ...database, audit: undefined };
  const outbox = { ...turn.state.outbox, position: 0, everythingThrough: turn.state.lastPosition };
  setDatabase(turn, done);
  set(turn, { outbox, ...wholeOutbox });
  emit(turn, { kind: "store", records: [], databases: [done], outbox });
}
