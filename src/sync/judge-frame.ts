/**
 * Judges of a frame what needs keys or the device log, before the engine decides: signatures, hashes, what is here.
 */
import type { DbId, TenantId } from "../std/index.ts";
import { copyBytes } from "../std/index.ts";
import type { Verifier } from "../crypto/index.ts";
import { parseCommit, verifyCommit } from "../entry/index.ts";
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
  readonly state: Pick<EngineState, "databases" | "needsFull">;
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
    case "error":
    case "end":
      return frame;
    case "hello":
    case "auth":
    case "pull":
    case "push":
      return { type: "unexpected" };
  }
}

async function judgeItems(
  crypto: Verifier,
  context: JudgingContext,
  frame: CommitsFrame,
): Promise<readonly JudgedItem[] | undefined> {
  const { log } = context;
  const isRepeated = mayRepeat(context.state, frame);
  const items: JudgedItem[] = [];
  for (const item of frame.items) {
    if ("leaf" in item) {
      const isHere = await log.has(item.leaf);
      items.push({ commitHash: item.leaf, bytes: undefined, isGenuine: false, isHere });
      continue;
    }
    const judged = await judgeCommit(crypto, context.tenantId, frame.dbId, item.commit);
    if (judged === undefined) return undefined;
    const isHere = isRepeated ? await log.has(judged.commitHash) : log.hasSeen(judged.commitHash);
    items.push({ ...judged, bytes: copyBytes(item.commit), isHere });
  }
  return items;
}

/** After a new epoch, or when own commits come whole, most of what comes is here already; in the steady state nothing is. */
function mayRepeat(state: JudgingContext["state"], frame: CommitsFrame): boolean {
  const known = state.databases.get(frame.dbId);
  if (known === undefined) return true;
  return known.epoch !== frame.epoch || known.audit !== undefined || state.needsFull.has(frame.dbId);
}

async function judgeCommit(
  crypto: Verifier,
  tenantId: TenantId,
  dbId: DbId,
  bytes: Uint8Array,
): Promise<Pick<JudgedItem, "commitHash" | "isGenuine"> | undefined> {
  const verdict = await verifyCommit(crypto, bytes);
  if (verdict.kind === "verified") {
    const { commitHash, entries, header } = verdict.commit;
    // Its hash covers what is missing too: taken for the commit, it would keep the whole one away for ever.
    if (entries.some(({ ciphertext }) => ciphertext === undefined)) return undefined;
    return { commitHash, isGenuine: header.tenantId === tenantId && header.dbId === dbId };
  }
  // Where only the signature fails, the hash still tells which leaf it is, so that the rest of the run can be proven.
  const parsed = parseCommit(crypto, bytes);
  return parsed.kind === "verified" ? { commitHash: parsed.commit.commitHash, isGenuine: false } : undefined;
}
