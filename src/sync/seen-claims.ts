/**
 * What authors say in their commits of the logs of servers, held against what this device was shown of them: who was shown another history
 * cannot be joined with who was shown this one without being noticed.
 *
 * ```
 *   size   0 ───── p ─────────── p ── p ────────── p        p: shown and proven here, with the frontier
 *                  ▲        ▲                          ▲
 *   claims      decided   needs the leaves behind    open until the log is as long
 *                at once   the last p before it
 * ```
 *
 * - N1 a claim of a size that was proven here is decided at once
 * - N2 of each author the claim of the largest size is kept until it is decided: who saw that saw the smaller ones, too
 * - N3 what an author was proven to agree with is not asked about again, nor what is smaller
 * - N4 as much is kept as `limits` says, whatever authors say
 *
 * A claim is its author's word. Where it does not hold, the server has shown two histories, or the author lies: so what is found names both, and
 * stops nothing.
 */
import { equalBytes, type AuthorKey, type CommitHash, type DbId } from "../std/index.ts";
import type { Verifier } from "../crypto/index.ts";
import { appendLeaves, emptyFrontier, rootOf, type Frontier } from "./merkle.ts";
import type { RemoteState } from "./messages.ts";

const limits = { claims: 256, agreed: 1024, logs: 1024, points: 64 } as const;
/** An answer that was on its way when the claim came says nothing against it. */
const patienceMs = 30_000;

/** What an author says of a log. */
export interface SeenClaim {
  readonly author: AuthorKey;
  /** that says so */
  readonly commitHash: CommitHash;
  readonly dbId: DbId;
  /** hex; of the server's log, see `deriveLogKeyId` */
  readonly logKeyId: string;
  readonly epoch: number;
  readonly size: number;
  /** 16 bytes */
  readonly rootPrefix: Uint8Array;
}

/** A claim that does not hold: of another history (`fork`), or of one that is longer than the server shows here (`withheld`). */
export interface BrokenClaim {
  readonly kind: "fork" | "withheld";
  readonly claim: SeenClaim;
}

/** A log whose open claims its leaves decide: those from the end of `begin` on. */
export interface UndecidedLog {
  readonly dbId: DbId;
  readonly epoch: number;
  readonly begin: Frontier;
}

type ShownLog = Pick<RemoteState, "dbId" | "epoch" | "size" | "frontier">;

interface Log {
  readonly epoch: number;
  /** by size, the newest last */
  readonly points: Map<number, Frontier>;
  size: number;
}

interface OpenClaim {
  readonly claim: SeenClaim;
  readonly notedAtMs: number;
}

/** The claims on the logs of one tenant. */
export class SeenClaims {
  readonly #crypto: Pick<Verifier, "sha256">;
  readonly #logs = new Map<string, Log>();
  readonly #open = new Map<string, OpenClaim>();
  readonly #agreed = new Map<string, Pick<SeenClaim, "epoch" | "size">>();

  constructor(crypto: Pick<Verifier, "sha256">) {
    this.#crypto = crypto;
  }

  /** A log is proven to stand so. @returns the claims of that size that do not hold */
  shown(logKeyId: string, { dbId, epoch, frontier, size }: ShownLog): readonly BrokenClaim[] {
    if (size === 0) return [];
    const name = `${logKeyId} ${dbId}`;
    const known = this.#logs.get(name);
    if (known !== undefined && known.epoch > epoch) return [];
    const log = known?.epoch === epoch ? known : { epoch, points: new Map<number, Frontier>(), size };
    log.points.delete(size);
    putNewest(log.points, size, { size, frontier }, limits.points);
    log.size = Math.max(log.size, size);
    putNewest(this.#logs, name, log, limits.logs);
    return this.#claimsOn(logKeyId, dbId).flatMap((claim) => this.#decide(claim) ?? []);
  }

  /** An author who may write says something of a log. @returns the claim when it does not hold */
  note(claim: SeenClaim, nowMs: number): BrokenClaim | undefined {
    const name = nameOf(claim);
    const agreed = this.#agreed.get(name);
    if (agreed !== undefined && !isBeyond(claim, agreed)) return undefined;
    const open = this.#open.get(name)?.claim;
    if (open !== undefined && !isBeyond(claim, open)) return undefined;
    putNewest(this.#open, name, { claim, notedAtMs: nowMs }, limits.claims);
    return this.#decide(claim);
  }

  /** The logs of a server whose leaves would decide claims. */
  undecided(logKeyId: string): readonly UndecidedLog[] {
    const sizes = new Map<DbId, number>();
    for (const { claim } of this.#open.values()) {
      const log = this.#logs.get(`${claim.logKeyId} ${claim.dbId}`);
      if (claim.logKeyId !== logKeyId || log?.epoch !== claim.epoch || claim.size > log.size) continue;
      sizes.set(claim.dbId, Math.min(claim.size, sizes.get(claim.dbId) ?? Infinity));
    }
    return [...sizes].map(([dbId, size]) => {
      const log = this.#logs.get(`${logKeyId} ${dbId}`);
      const before = [...(log?.points.values() ?? [])].filter((point) => point.size < size);
      const begin = before.reduce((best, point) => (point.size > best.size ? point : best), emptyFrontier);
      return { dbId, epoch: log?.epoch ?? 0, begin };
    });
  }

  /**
   * Decide by leaves that are proven to lie under a head.
   *
   * @param leaves from the end of `begin` on
   */
  settle(
    logKeyId: string,
    { begin, dbId, epoch }: UndecidedLog,
    leaves: readonly CommitHash[],
  ): readonly BrokenClaim[] {
    const claims = this.#claimsOn(logKeyId, dbId).filter(
      (claim) => claim.epoch === epoch && claim.size > begin.size && claim.size <= begin.size + leaves.length,
    );
    let at = begin;
    const broken: BrokenClaim[] = [];
    for (const claim of claims.toSorted((a, b) => a.size - b.size)) {
      at = appendLeaves(this.#crypto, at, leaves.slice(at.size - begin.size, claim.size - begin.size));
      broken.push(...this.#close(claim, at));
    }
    return broken;
  }

  /**
   * A server has shown everything it has.
   *
   * @returns claims of more, when they have been known for so long that the answer must have had it
   */
  complete(logKeyId: string, atMs: number): readonly BrokenClaim[] {
    const broken: BrokenClaim[] = [];
    for (const [name, { claim, notedAtMs }] of this.#open) {
      const log = this.#logs.get(`${claim.logKeyId} ${claim.dbId}`);
      if (claim.logKeyId !== logKeyId || notedAtMs + patienceMs > atMs) continue;
      if (log?.epoch !== claim.epoch || claim.size <= log.size) continue;
      this.#open.delete(name);
      broken.push({ kind: "withheld", claim });
    }
    return broken;
  }

  #claimsOn(logKeyId: string, dbId: DbId): readonly SeenClaim[] {
    const claims = [...this.#open.values()].map(({ claim }) => claim);
    return claims.filter((claim) => claim.logKeyId === logKeyId && claim.dbId === dbId);
  }

  #decide(claim: SeenClaim): BrokenClaim | undefined {
    const log = this.#logs.get(`${claim.logKeyId} ${claim.dbId}`);
    // A log that began anew shows nothing of what was before.
    if (log !== undefined && log.epoch > claim.epoch) this.#open.delete(nameOf(claim));
    const point = log?.epoch === claim.epoch ? log.points.get(claim.size) : undefined;
    return point === undefined ? undefined : this.#close(claim, point)[0];
  }

  #close(claim: SeenClaim, { frontier }: Frontier): readonly BrokenClaim[] {
    const name = nameOf(claim);
    this.#open.delete(name);
    const root = rootOf(this.#crypto, { frontier });
    if (!equalBytes(root.subarray(0, claim.rootPrefix.length), claim.rootPrefix))
      return [{ kind: "fork", claim }];
    putNewest(this.#agreed, name, { epoch: claim.epoch, size: claim.size }, limits.agreed);
    return [];
  }
}

function nameOf({ author, dbId, logKeyId }: SeenClaim): string {
  return `${logKeyId} ${dbId} ${author}`;
}

function isBeyond(one: Pick<SeenClaim, "epoch" | "size">, other: Pick<SeenClaim, "epoch" | "size">): boolean {
  return one.epoch > other.epoch || (one.epoch === other.epoch && one.size > other.size);
}

/** Put something behind all others, and drop the oldest beyond a limit. */
function putNewest<Key, Value>(map: Map<Key, Value>, key: Key, value: Value, limit: number): void {
  map.delete(key);
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= limit) break;
    map.delete(oldest);
  }
}
