/**
 * Judges of a frame what needs keys or the device log, before the engine decides: signatures, hashes, what is here.
 */
import { copyBytes, type CommitHash, type TenantId } from "../std/index.ts";
import type { Verifier } from "../crypto/index.ts";
import { directoryDbId, parseCommit, presenceOf, verifyCommit, type Commit } from "../entry/index.ts";
import type { LackingCommit } from "./conversation-types.ts";
import type { EngineState, JudgedFrame, JudgedItem } from "./engine-types.ts";
import type { LocalLog } from "./local-log.ts";
import { verifyHead, verifyTenantHead } from "./merkle.ts";
import type { Frame } from "./messages.ts";

type CommitsFrame = Extract<Frame, { type: "commits" }>;

/** What a frame is judged against. */
export interface JudgingContext {
  readonly tenantId: TenantId;
  readonly serverKey: Uint8Array;
  readonly log: LocalLog;
  /** as a conversation is given it */
  readonly lacking?: (() => readonly LackingCommit[]) | undefined;
  readonly state: Pick<EngineState, "asLeaves" | "databases" | "needsFull">;
}

/** Judge one frame that came from a server. */
export async function judgeFrame(
  crypto: Verifier,
  context: JudgingContext,
  frame: Frame,
): Promise<JudgedFrame> {
  const { serverKey, tenantId } = context;
  switch (frame.type) {
    case "commits":
      return { ...frame, items: await judgeItems(crypto, context, frame) };
    case "head":
      return { type: "head", head: frame, isSigned: await verifyHead(crypto, serverKey, tenantId, frame) };
    case "tenant-head":
      return {
        type: "tenant-head",
        head: frame,
        isSigned: await verifyTenantHead(crypto, serverKey, tenantId, frame),
      };
    case "ack":
    case "need":
    case "error":
    case "end":
      return frame;
    case "hello":
    case "auth":
    case "pull":
    case "push":
    case "ranges":
    case "peer":
    case "databases":
    case "note":
    case "whisper":
      return { type: "unexpected" };
  }
}

async function judgeItems(
  crypto: Verifier,
  context: JudgingContext,
  frame: CommitsFrame,
): Promise<readonly JudgedItem[] | undefined> {
  const { log, state } = context;
  // Of a log that is named by leaves only, what lacks ciphertexts here may be had of this server.
  const wholeLeaves = state.asLeaves.has(frame.dbId)
    ? await log.whole(frame.items.flatMap((item) => ("leaf" in item ? item.leaf : [])))
    : undefined;
  const items: JudgedItem[] = [];
  const commits: Commit[] = [];
  for (const item of frame.items) {
    if ("leaf" in item) {
      const isHere = wholeLeaves?.has(item.leaf) ?? (await log.has(item.leaf));
      items.push({ commitHash: item.leaf, bytes: undefined, isGenuine: false, isHere });
      continue;
    }
    const judged = await judgeCommit(crypto, context, frame, item.commit);
    if (judged === undefined) return undefined;
    const { commit, isGenuine } = judged;
    commits.push(commit);
    items.push({ commitHash: commit.commitHash, bytes: copyBytes(item.commit), isGenuine, isHere: false });
  }
  const held = await log.held(commits, mayRepeat(context.state, frame));
  const wanted = wantedOnceMore(context, frame);
  const isHere = (hash: CommitHash): boolean => held.has(hash) || wanted?.has(hash) === false;
  return items.map((item) => (isHere(item.commitHash) ? { ...item, isHere: true } : item));
}

/**
 * What is taken of commits that come once more: what is lacked, so that nothing comes back that was erased here; `undefined` where they
 * come for the first time.
 */
function wantedOnceMore(
  { lacking, state }: JudgingContext,
  { dbId, epoch, fromSeq }: CommitsFrame,
): ReadonlySet<CommitHash> | undefined {
  const known = state.databases.get(dbId);
  const isOnceMore = known?.epoch === epoch && fromSeq < known.size;
  return isOnceMore ? new Set(lacking?.().map(({ commitHash }) => commitHash)) : undefined;
}

/** After a new epoch, when own commits come whole, or once more, most of what comes is here already; in the steady state nothing is. */
function mayRepeat(state: JudgingContext["state"], frame: CommitsFrame): boolean {
  const known = state.databases.get(frame.dbId);
  if (known === undefined) return true;
  if (frame.fromSeq < known.size) return true;
  return known.epoch !== frame.epoch || known.audit !== undefined || state.needsFull.has(frame.dbId);
}

/** Whether of a commit as much is there as has to be: see {@link judgeCommit}. */
export function isEnough(crypto: Pick<Verifier, "sha256">, commit: Commit): boolean {
  const { tenantId, dbId } = commit.header;
  const presence = presenceOf(commit);
  return presence === "whole" || (presence === "partial" && dbId !== directoryDbId(crypto, tenantId));
}

/**
 * Judge one commit. It may lack ciphertexts: its author may have erased them before sending, and nobody else can tell whether the server
 * did. What is missing waits in the log, and is filled in by a copy that has it. A directory that lacks some says nothing at all.
 */
async function judgeCommit(
  crypto: Verifier,
  { tenantId }: JudgingContext,
  { dbId }: CommitsFrame,
  bytes: Uint8Array,
): Promise<{ readonly commit: Commit; readonly isGenuine: boolean } | undefined> {
  const verdict = await verifyCommit(crypto, bytes);
  // Where only the signature fails, the hash still tells which leaf it is, so that the rest of the run can be proven.
  const parsed = verdict.kind === "verified" ? verdict : parseCommit(crypto, bytes);
  if (parsed.kind === "forged") return undefined;
  const { commit } = parsed;
  if (!isEnough(crypto, commit)) return undefined;
  const isHere = commit.header.tenantId === tenantId && commit.header.dbId === dbId;
  return { commit, isGenuine: verdict.kind === "verified" && isHere };
}
