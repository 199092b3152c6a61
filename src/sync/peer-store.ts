/**
 * A device's store as its peers see it: what it has, what it gives, what it takes. It needs no key of the tenant, so that whoever holds
 * sealed commits can pass them on.
 *
 * | a question | its answer |
 * |---|---|
 * | DATABASES: what the asker has | DATABASES: what is here |
 * | RANGES of one database | PUSH with what the asker lacks, at most 4 MiB and the commit that passes them; RANGES where something is open |
 * | PUSH, several | an ACK for each |
 *
 * Questions and answers end with END. Guarantees
 * - P1 what is taken is genuine: structure, hashes and signature hold, and it is of this tenant; nobody judged its author, so it is stored
 *      as what a server sends, unjudged
 * - P2 what came is acknowledged after it is stored
 * - P3 what a peer sends never takes more room than `receiveBytes` in a link's life
 */
import {
  CofferError,
  equalBytes,
  type AuthorKey,
  type CommitHash,
  type DbId,
  type TenantId,
} from "../std/index.ts";
import type { Verifier } from "../crypto/index.ts";
import { fillCommit, parseCommit, verifyCommit, type Commit } from "../entry/index.ts";
import type { Store } from "../store/index.ts";
import { digestSets, hashesOf, type DeviceSet, type DeviceSets } from "./device-sets.ts";
import { isEnough } from "./judge-frame.ts";
import { sendableTo } from "./local-log.ts";
import { syncLimits, type Frame, type PushResult } from "./messages.ts";
import { peerLimits } from "./peer-limits.ts";
import { answerReconcile } from "./reconcile.ts";
import { ReconcileSet } from "./reconcile-set.ts";
import type { ReceivedCommit } from "./repair.ts";

type FrameOf<Type extends Frame["type"]> = Extract<Frame, { type: Type }>;

/** What a peer speaks for. */
export interface PeerPlace {
  readonly crypto: Pick<Verifier, "sha256" | "verify" | "randomBytes">;
  readonly store: Store;
  readonly sets: DeviceSets;
  readonly tenantId: TenantId;
  /** whose device this is: they may send their own commits without what they erased; `undefined` for a relay */
  readonly userKey: AuthorKey | undefined;
  /** Whether a commit may be stored here, where more is known than its signature; default: any that is genuine. */
  readonly admits?: ((commit: Commit) => boolean | Promise<boolean>) | undefined;
  /** what may still come; counted down */
  readonly room: { receiveBytes: number };
}

/** What a peer gives, without what it takes. */
export type PeerSource = Omit<PeerPlace, "room">;

/** The origin of records that came from peers: not written here, and lacking at every server. */
export const peerOrigin = "peer";

const noSet: DeviceSet = { set: ReconcileSet.of([]), positions: new Map() };
const readCount = 64;

/** Answer one question. @throws `protocol/malformed` when it is none, `input/too-large` when there is no room, `store/…` */
export async function answerPeer(place: PeerPlace, question: readonly Frame[]): Promise<readonly Frame[]> {
  const [first] = question;
  if (question.length === 1 && first?.type === "databases") {
    const databases = digestSets(place.crypto, await place.sets.read());
    return [{ type: "databases", databases: databases.slice(0, syncLimits.databasesPerTenant) }];
  }
  if (question.length === 1 && first?.type === "ranges") return answerRanges(place, first);
  const pushed = question.filter((frame) => frame.type === "push");
  if (pushed.length === 0 || pushed.length < question.length) throw new CofferError("protocol/malformed");
  const answer: Frame[] = [];
  for (const frame of pushed)
    answer.push({ type: "ack", dbId: frame.dbId, results: await takeCommits(place, frame) });
  return answer;
}

async function answerRanges(place: PeerPlace, asked: FrameOf<"ranges">): Promise<readonly Frame[]> {
  const { dbId, salt } = asked;
  const own = (await place.sets.read()).get(dbId) ?? noSet;
  const { ranges, deliver } = answerReconcile(place.crypto, own.set, salt, asked.ranges);
  const { frames, rest } = await readPush(place, dbId, hashesOf(deliver));
  const open: readonly Frame[] = ranges.length > 0 ? [{ type: "ranges", dbId, salt, ranges }] : [];
  return [...frames, ...open, { type: "end", more: rest.length > 0 }];
}

/** Read commits that are here as PUSH frames, as far as a message goes; what may not be sent is passed over. */
export async function readPush(
  place: PeerSource,
  dbId: DbId,
  hashes: readonly CommitHash[],
): Promise<{ readonly frames: readonly FrameOf<"push">[]; readonly rest: readonly CommitHash[] }> {
  const { positions } = (await place.sets.read()).get(dbId) ?? noSet;
  const frames: { type: "push"; dbId: DbId; commits: Uint8Array[] }[] = [];
  let sizeBytes = 0;
  let frameBytes = 0;
  for (let at = 0; at < hashes.length; at += readCount) {
    const some = hashes.slice(at, at + readCount);
    const places = some.flatMap((hash) => positions.get(hash) ?? []);
    for (const { commitHash, bytes } of await place.store.readRecords(places)) {
      const parsed = parseCommit(place.crypto, bytes, commitHash);
      if (parsed.kind !== "verified" || sendableTo(parsed.commit, place.userKey) !== dbId) continue;
      if (sizeBytes > peerLimits.commitBytes)
        return { frames, rest: hashes.slice(hashes.indexOf(commitHash)) };
      const last = frames.at(-1);
      const isFull = frameBytes + bytes.length > syncLimits.frameTargetBytes;
      if (last === undefined || isFull || last.commits.length === syncLimits.commitsPerFrame) {
        frames.push({ type: "push", dbId, commits: [bytes] });
        frameBytes = 0;
      } else last.commits.push(bytes);
      frameBytes += bytes.length;
      sizeBytes += bytes.length;
    }
  }
  return { frames, rest: [] };
}

/** Judge commits that came, and keep those that are genuine. @throws as {@link keepCommits} */
async function takeCommits(
  place: PeerPlace,
  { dbId, commits }: FrameOf<"push">,
): Promise<readonly PushResult[]> {
  const results: PushResult[] = [];
  const genuine: Commit[] = [];
  for (const bytes of commits) {
    const verdict = await judgeCommit(place, dbId, bytes);
    const { commitHash } = verdict;
    // Whatever is no commit has no hash to speak of.
    if (commitHash === undefined) throw new CofferError("protocol/malformed");
    if (verdict.kind === "genuine") genuine.push(verdict.commit);
    results.push(
      verdict.kind === "genuine"
        ? { commitHash, status: "accepted", seq: 0, code: undefined }
        : { commitHash, status: "refused", seq: 0, code: "entry/forged" },
    );
  }
  await storeGenuine(place, dbId, genuine);
  return results;
}

/** What was found about a commit that came from somewhere. */
export type ReceivedVerdict =
  | { readonly kind: "genuine"; readonly commitHash: CommitHash; readonly commit: Commit }
  /** without a hash it is no commit at all */
  | { readonly kind: "forged"; readonly commitHash: CommitHash | undefined };

/** Judge bytes that are said to be a commit of this tenant and that database, all but its author's rights. Never throws. */
export async function judgeCommit(place: PeerPlace, dbId: DbId, bytes: Uint8Array): Promise<ReceivedVerdict> {
  const parsed = parseCommit(place.crypto, bytes);
  if (parsed.kind === "forged") return { kind: "forged", commitHash: undefined };
  const { commit } = parsed;
  const { commitHash, header } = commit;
  const isGenuine =
    header.tenantId === place.tenantId &&
    header.dbId === dbId &&
    isEnough(place.crypto, commit) &&
    (await verifyCommit(place.crypto, bytes)).kind === "verified" &&
    (await isAdmitted(place, commit));
  return isGenuine ? { kind: "genuine", commitHash, commit } : { kind: "forged", commitHash };
}

/**
 * Keep commits that are genuine, of this tenant and database.
 *
 * @throws `input/too-large` when they would take more room than there is, `store/…`
 */
export async function keepCommits(
  place: PeerPlace,
  dbId: DbId,
  commits: readonly ReceivedCommit[],
): Promise<void> {
  const admitted: Commit[] = [];
  for (const { bytes } of commits) {
    const parsed = parseCommit(place.crypto, bytes);
    if (parsed.kind === "verified" && (await isAdmitted(place, parsed.commit))) admitted.push(parsed.commit);
  }
  await storeGenuine(place, dbId, admitted);
}

async function isAdmitted({ admits }: PeerPlace, commit: Commit): Promise<boolean> {
  return admits === undefined || admits(commit);
}

/**
 * Store commits that were judged genuine, those that are not here with as much.
 *
 * @returns how many these were @throws as {@link keepCommits}
 */
export async function storeGenuine(
  place: PeerPlace,
  dbId: DbId,
  commits: readonly Commit[],
): Promise<number> {
  const { positions } = (await place.sets.read()).get(dbId) ?? noSet;
  const kept = new Map<CommitHash, Commit>();
  for (const commit of commits)
    if (await bringsMore(place, commit, positions.get(commit.commitHash)))
      kept.set(commit.commitHash, commit);
  const records = [...kept].map(([commitHash, { bytes }]) => ({
    commitHash,
    bytes: new Uint8Array(bytes),
    origin: peerOrigin,
  }));
  if (records.length === 0) return 0;
  const sizeBytes = records.reduce((sum, { bytes }) => sum + bytes.length, 0);
  if (sizeBytes > place.room.receiveBytes)
    throw new CofferError("input/too-large", { sizeBytes, leftBytes: place.room.receiveBytes });
  await place.store.write({ records });
  place.room.receiveBytes -= sizeBytes;
  return records.length;
}

/** Whether a commit is not here, or brings ciphertexts that the copy here lacks. */
async function bringsMore(place: PeerPlace, commit: Commit, position: number | undefined): Promise<boolean> {
  const [record] = position === undefined ? [] : await place.store.readRecords([position]);
  if (record === undefined) return true;
  if (equalBytes(record.bytes, commit.bytes)) return false;
  const held = parseCommit(place.crypto, record.bytes);
  return held.kind !== "verified" || fillCommit(held.commit, commit) !== undefined;
}
