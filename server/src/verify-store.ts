import { createDirectory, foldCommit, foldLines, type OpenedCommit } from "../../src/directory/index.ts";
import { createContentKey, verifyCommit, type Commit } from "../../src/entry/index.ts";
import { equalBytes, type AuthorKey, type DbId, type TenantId } from "../../src/std/index.ts";
import { emptyFrontier, type Frontier } from "../../src/sync/index.ts";
import { findOnly, isTorn, openRecords, type RelayCrypto } from "./directories.ts";
import { extendFrontier } from "./log-frontier.ts";
import { listAllTenants, type LogState, type RelayReader, type StoredCommit, type Usage } from "./storage.ts";
import { readTenantRecord } from "./tenant-record.ts";

/** Something that is not as it must be. */
export interface Damage {
  readonly tenantId: TenantId;
  readonly dbId?: DbId;
  readonly seq?: number;
  readonly what:
    | "tenant"
    | "directory"
    | "gap"
    | "signature"
    | "hash"
    | "place"
    | "node"
    | "size"
    | "usage"
    | "unreadable";
}

export interface VerifyReport {
  readonly tenantCount: number;
  readonly logCount: number;
  readonly commitCount: number;
  readonly sizeBytes: number;
  readonly damages: readonly Damage[];
}

/** So many are listed; there may be more. */
const maxDamages = 100;
const pageBytes = 4 * 1024 * 1024;

/**
 * Prove a whole store anew: every commit's hash and signature, its tenant and database, the gapless order, every Merkle node,
 * every sum, that ids follow from genesis records and that directories fold. Nothing that was computed before is trusted.
 *
 * Who runs it gives a reader that sees one moment ({@link RelayReader}); a store that is written meanwhile looks damaged.
 */
export async function verifyStore(crypto: RelayCrypto, storage: RelayReader): Promise<VerifyReport> {
  const check = new StoreCheck(crypto, storage);
  for await (const tenantId of listAllTenants(storage)) await check.tenant(tenantId);
  return check.report();
}

class StoreCheck {
  readonly #crypto: RelayCrypto;
  readonly #storage: RelayReader;
  readonly #damages: Damage[] = [];
  #tenantCount = 0;
  #logCount = 0;
  #commitCount = 0;
  #sizeBytes = 0;

  constructor(crypto: RelayCrypto, storage: RelayReader) {
    this.#crypto = crypto;
    this.#storage = storage;
  }

  report(): VerifyReport {
    return {
      tenantCount: this.#tenantCount,
      logCount: this.#logCount,
      commitCount: this.#commitCount,
      sizeBytes: this.#sizeBytes,
      damages: this.#damages,
    };
  }

  async tenant(tenantId: TenantId): Promise<void> {
    this.#tenantCount++;
    const byAuthor = new Map<AuthorKey, Usage>();
    const fold = await this.#openDirectory(tenantId);
    for (const log of await this.#storage.listLogs(tenantId)) {
      this.#logCount++;
      const isDirectory = log.dbId === fold?.dbId;
      await this.#log({ tenantId, log, byAuthor }, isDirectory ? fold.add : undefined);
      if (isDirectory && !fold.isWhole()) this.#damaged({ tenantId, dbId: log.dbId, what: "directory" });
    }
    const usage = await this.#storage.tenantUsage(tenantId, [...byAuthor.keys()]);
    for (const [author, { commitCount, sizeBytes }] of byAuthor) {
      const told = usage.byAuthor.get(author);
      if (told?.commitCount !== commitCount || told.sizeBytes !== sizeBytes)
        this.#damaged({ tenantId, what: "usage" });
    }
  }

  #damaged(damage: Damage): void {
    if (this.#damages.length < maxDamages) this.#damages.push(damage);
  }

  /** What folds a tenant's directory commit by commit, and tells whether each holds. */
  async #openDirectory(tenantId: TenantId): Promise<DirectoryFold | undefined> {
    try {
      const record = await this.#storage.readTenant(tenantId);
      if (record === undefined) throw new Error("a listed tenant is there");
      const { root, publicInfosKey } = readTenantRecord(this.#crypto, record);
      const findKey = findOnly(await createContentKey(this.#crypto, publicInfosKey));
      const empty = createDirectory(this.#crypto, tenantId, root.adminKey);
      let state = empty;
      if (state.dbId !== record.directoryDbId) throw new Error("a directory's id follows from its tenant's");
      const all: OpenedCommit[] = [];
      let isLine = true;
      const add = async (commit: Commit): Promise<boolean> => {
        const records = await openRecords(this.#crypto, commit, findKey);
        const folded = foldCommit(state, commit, records);
        if (folded.kind === "applied") ({ state } = folded);
        else if (folded.kind === "rejected" || folded.kind === "known") return false;
        // From a second line, or a merge that came before it, on all is one question, asked at the end.
        else isLine = false;
        all.push({ commit, records });
        return true;
      };
      const isWhole = (): boolean => isLine || !isTorn(foldLines(empty, all), all.length);
      return { dbId: state.dbId, add, isWhole };
    } catch {
      this.#damaged({ tenantId, what: "tenant" });
      return undefined;
    }
  }

  async #log(place: LogPlace, add: ((commit: Commit) => Promise<boolean>) | undefined): Promise<void> {
    const { tenantId, log } = place;
    const { dbId } = log;
    let frontier: Frontier = emptyFrontier;
    let sizeBytes = 0;
    while (frontier.size < log.size) {
      const page = await this.#readPage(place, frontier.size);
      if (page === undefined) return;
      const { rows, nodes } = page;
      if (rows.length === 0) return this.#damaged({ tenantId, dbId, seq: frontier.size, what: "gap" });
      for (const [index, row] of rows.entries()) {
        if (row.seq !== frontier.size)
          return this.#damaged({ tenantId, dbId, seq: frontier.size, what: "gap" });
        await this.#commit(place, row, add);
        const extended = extendFrontier(this.#crypto, frontier, row.commitHash);
        const node = nodes[index];
        if (node === undefined || !equalBytes(node, extended.node))
          this.#damaged({ tenantId, dbId, seq: row.seq, what: "node" });
        frontier = { size: frontier.size + 1, frontier: extended.frontier };
        sizeBytes += row.bytes?.length ?? 0;
      }
    }
    if (sizeBytes !== log.sizeBytes) this.#damaged({ tenantId, dbId, what: "size" });
  }

  async #readPage(
    { tenantId, log: { dbId, size } }: LogPlace,
    fromSeq: number,
  ): Promise<{ readonly rows: readonly StoredCommit[]; readonly nodes: readonly Uint8Array[] } | undefined> {
    const range = { fromSeq, maxCount: Math.min(1024, size - fromSeq), maxBytes: pageBytes };
    try {
      const rows = await this.#storage.readCommits(tenantId, dbId, range);
      const seqs = rows.map(({ seq }) => seq);
      return { rows, nodes: await this.#storage.readNodes(tenantId, dbId, seqs) };
    } catch {
      this.#damaged({ tenantId, dbId, seq: fromSeq, what: "unreadable" });
      return undefined;
    }
  }

  async #commit(
    { tenantId, log, byAuthor }: LogPlace,
    { seq, commitHash, bytes = new Uint8Array(0) }: StoredCommit,
    add: ((commit: Commit) => Promise<boolean>) | undefined,
  ): Promise<void> {
    this.#commitCount++;
    this.#sizeBytes += bytes.length;
    const at = { tenantId, dbId: log.dbId, seq };
    const verdict = await verifyCommit(this.#crypto, bytes);
    if (verdict.kind === "forged")
      return this.#damaged({ ...at, what: verdict.reason === "signature" ? "signature" : "hash" });
    const { commit } = verdict;
    if (commit.commitHash !== commitHash) this.#damaged({ ...at, what: "hash" });
    const isHere = commit.header.tenantId === tenantId && commit.header.dbId === log.dbId;
    if (!isHere) this.#damaged({ ...at, what: "place" });
    if (add !== undefined && !(await add(commit))) this.#damaged({ ...at, what: "directory" });
    const known = byAuthor.get(commit.header.author) ?? { commitCount: 0, sizeBytes: 0 };
    byAuthor.set(commit.header.author, {
      commitCount: known.commitCount + 1,
      sizeBytes: known.sizeBytes + bytes.length,
    });
  }
}

interface DirectoryFold {
  readonly dbId: DbId;
  readonly add: (commit: Commit) => Promise<boolean>;
  /** whether all that was added makes one directory */
  readonly isWhole: () => boolean;
}

/** A log that is checked, and what its authors are found to have. */
interface LogPlace {
  readonly tenantId: TenantId;
  readonly log: LogState;
  readonly byAuthor: Map<AuthorKey, Usage>;
}
