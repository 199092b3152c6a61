/**
 * Holds what other authors saw of servers' logs against what this device is shown, and says in its own commits what it saw.
 *
 * A claim that no size proven here decides is decided by the leaves of the log, once in a while and from the last proven size before it:
 * they are believed only when they lead to the head that is kept, so the server in doubt cannot help itself by them. The thread that speaks
 * with a server does it; a device whose tenant is locked reads no commits, and has nothing to hold against a log.
 */
import { bytesToHex, isCofferError, type CommitHash, type DbId } from "../std/index.ts";
import { deriveLogKeyId, type SeenHead } from "../entry/index.ts";
import {
  readKeptHeads,
  readServerKey,
  SeenClaims,
  type BrokenClaim,
  type DatabaseState,
  type SignedHead,
  type UndecidedLog,
} from "../sync/index.ts";
import type { AlarmEvent } from "../../worker/api.ts";
import type { TenantCore } from "./core.ts";
import { askLeaves } from "./audit-logs.ts";
import { Gaps } from "./gaps.ts";
import type { JudgeOutcome } from "./judge.ts";
import type { LinkHooks } from "./links.ts";

/** between two questions for leaves of one server */
const askAgainMs = 10_000;
/** how long a server may take to say them */
const askedWithinMs = 20_000;
/** a thread that does not speak with servers looks so often for what another has proven */
const lookAgainMs = 10_000;
const prefixBytes = 16;
const toldLimit = 1024;

interface ProvenServer {
  readonly logKeyId: Uint8Array;
  /** hex */
  readonly name: string;
  askedAtMs: number;
  completeAtMs: number;
}

/** What is seen of servers' logs, here and by others. */
export class Witness {
  readonly #core: TenantCore;
  readonly #onAlarm: LinkHooks["onAlarm"];
  readonly #claims: SeenClaims;
  /** by address; only those that this thread speaks with */
  readonly #servers = new Map<string, Promise<ProvenServer | undefined>>();
  readonly #newest = new Map<DbId, { readonly timeMs: number; readonly seen: SeenHead }>();
  readonly #gaps = new Gaps();
  /** what was told: one alarm says it of all that an author saw of a log, or that is missing of theirs */
  readonly #told = new Set<string>();
  readonly #closing = new AbortController();
  #lookedAtMs = -Infinity;
  #isAsking = false;

  constructor(core: TenantCore, { onAlarm }: Pick<LinkHooks, "onAlarm">) {
    this.#core = core;
    this.#onAlarm = onAlarm;
    this.#claims = new SeenClaims(core.world.crypto);
    core.writers.seen = (dbId) => this.#seen(dbId);
  }

  /** Read what is kept of servers' heads, for the commits that are written next. Never throws. */
  async look(): Promise<void> {
    const { store, tenantId, unlocked, world } = this.#core;
    if (unlocked === undefined) return;
    this.#lookedAtMs = world.env.nowMs();
    try {
      for (const { heads, serverKey } of await readKeptHeads(world.crypto, store, tenantId)) {
        const logKeyId = deriveLogKeyId(world.crypto, unlocked.bag.namesKey, serverKey);
        for (const head of heads) this.#keep(logKeyId, head);
      }
    } catch (error) {
      if (!isCofferError(error)) throw error;
    }
  }

  /**
   * In the thread that speaks with a server: its logs stand proven here, or did when the conversation began. `completeAtMs`: when it had
   * shown everything; another thread hears of that too, and has not seen what was shown.
   */
  async proven(url: string, databases: readonly DatabaseState[], completeAtMs = 0): Promise<void> {
    const server = await this.#server(url);
    if (server === undefined) return;
    for (const database of databases) {
      if (database.head !== undefined) this.#keep(server.logKeyId, database.head);
      this.#tell(url, this.#claims.shown(server.name, database));
    }
    if (completeAtMs > server.completeAtMs) {
      server.completeAtMs = completeAtMs;
      this.#tell(url, this.#claims.complete(server.name, completeAtMs));
      for (const { author, commitHash, dbId } of this.#gaps.complete(this.#core.ledger, completeAtMs))
        this.#tellOnce(`gap ${dbId} ${author}`, "gap", `${dbId} of ${author}, before ${commitHash}`);
    }
    await this.#ask(url, server);
  }

  /** A commit was judged: what its author, who may write, says of a log is looked at, and what it follows. */
  note({ claim, judged }: Pick<JudgeOutcome, "claim" | "judged">): void {
    const nowMs = this.#core.world.env.nowMs();
    if (judged !== undefined) this.#gaps.note(this.#core.ledger, judged.row, nowMs);
    const broken = claim === undefined ? undefined : this.#claims.note(claim, nowMs);
    if (broken === undefined) return;
    for (const [url, known] of this.#servers)
      void known.then((server) => server?.name === claim?.logKeyId && this.#tell(url, [broken]));
  }

  close(): void {
    this.#closing.abort();
  }

  #seen(dbId: DbId): SeenHead | undefined {
    const { env } = this.#core.world;
    if (this.#servers.size === 0 && env.nowMs() - this.#lookedAtMs >= lookAgainMs) void this.look();
    return this.#newest.get(dbId)?.seen;
  }

  #keep(logKeyId: Uint8Array, { dbId, epoch, root, size, timeMs }: SignedHead): void {
    if (size === 0 || timeMs < (this.#newest.get(dbId)?.timeMs ?? 0)) return;
    const seen = { logKeyId, epoch, size, rootPrefix: root.slice(0, prefixBytes) };
    this.#newest.set(dbId, { timeMs, seen });
  }

  async #server(url: string): Promise<ProvenServer | undefined> {
    const known = await this.#servers.get(url);
    if (known !== undefined || this.#closing.signal.aborted) return known;
    const finding = this.#find(url);
    this.#servers.set(url, finding);
    return finding;
  }

  async #find(url: string): Promise<ProvenServer | undefined> {
    const { store, unlocked, world } = this.#core;
    if (unlocked === undefined) return undefined;
    const { namesKey } = unlocked.bag;
    try {
      const serverKey = await readServerKey(store, world.openTransport(url).http.origin);
      const logKeyId = deriveLogKeyId(world.crypto, namesKey, serverKey);
      // Not in the first moments of a link, which are for what is new.
      return { logKeyId, name: bytesToHex(logKeyId), askedAtMs: world.env.nowMs(), completeAtMs: 0 };
    } catch (error) {
      if (!isCofferError(error)) throw error;
      return undefined;
    }
  }

  /** Have open claims decided by the leaves of their logs, where there are some and the server was not asked just now. Never throws. */
  async #ask(url: string, server: ProvenServer): Promise<void> {
    const { env } = this.#core.world;
    if (this.#isAsking || env.nowMs() - server.askedAtMs < askAgainMs || !env.isOnline()) return;
    const logs = this.#claims.undecided(server.name);
    if (logs.length === 0) return;
    server.askedAtMs = env.nowMs();
    this.#isAsking = true;
    try {
      const leaves = await this.#leaves(url, logs);
      for (const log of logs)
        this.#tell(url, this.#claims.settle(server.name, log, leaves.get(log.dbId) ?? []));
    } catch (error) {
      if (!isCofferError(error)) throw error;
    } finally {
      this.#isAsking = false;
    }
  }

  async #leaves(
    url: string,
    logs: readonly UndecidedLog[],
  ): Promise<ReadonlyMap<DbId, readonly CommitHash[]>> {
    const { store, tenantId, world } = this.#core;
    const { http } = world.openTransport(url);
    const kept = await readKeptHeads(world.crypto, store, tenantId);
    const server = kept.find(({ origin }) => origin === http.origin);
    if (server === undefined) return new Map();
    const { serverKey } = server;
    const heads = server.heads.filter((head) =>
      logs.some(
        ({ begin, dbId, epoch }) => dbId === head.dbId && epoch === head.epoch && begin.size < head.size,
      ),
    );
    const begins = new Map(logs.map(({ begin, dbId }) => [dbId, begin]));
    const options = { begins, closing: this.#closing.signal, withinMs: askedWithinMs };
    return askLeaves(this.#core, http, { heads, serverKey }, options);
  }

  #tell(url: string, broken: readonly BrokenClaim[]): void {
    for (const { claim, kind } of broken) {
      const { author, commitHash, dbId } = claim;
      const detail = `${dbId} as ${author} saw it at ${url}: ${commitHash}`;
      this.#tellOnce(`${kind} ${url} ${dbId} ${author}`, kind, detail);
    }
  }

  #tellOnce(name: string, kind: AlarmEvent["kind"], detail: string): void {
    if (this.#told.has(name) || this.#told.size >= toldLimit) return;
    this.#told.add(name);
    this.#onAlarm(kind, detail);
  }
}
