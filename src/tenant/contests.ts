/**
 * Equivocation: commits of one writer nonce that contradict each other. Two do when they claim the same thing: one sequence number of
 * the nonce, or one sequence number of an Automerge actor in a document (its creation included).
 *
 * ```
 * c1 ◄─ c2 ◄─ c3           claims of c2: turn 2, doc X change 5
 *   ◄── c2'                claims of c2': turn 2, doc Y change 1      one of c2 and c2' counts
 * ```
 *
 * Which one is a matter of what the log holds, never of the order in which it came: of commits that entries of other authors depend on
 * and commits that none depends on, the former; else the one with the lower hash. All commits of the nonce are put in this order, and
 * each counts unless one before it claims the same. It is decided again whenever something new could change it.
 *
 * A line without contradictions costs nothing here: state is kept for contested lines only.
 */
import {
  compareBytes,
  idToBytes,
  type AuthorKey,
  type CommitHash,
  type DocId,
  type EntryHash,
} from "../std/index.ts";
import { wasRevoked } from "../directory/index.ts";
import { openEntries, type Commit } from "../entry/index.ts";
import type { TenantCore } from "./core.ts";
import { judgeRight, type Judging } from "./judge.ts";
import { actorsOf, readChange } from "./judge-entry.ts";
import { lineName, type KnownCommit } from "./ledger.ts";
import { rightOf } from "./moved-rights.ts";
import { readCommits } from "./reversal.ts";

interface Contender {
  readonly row: KnownCommit;
  /** `docId`: of what document, where it is about one */
  readonly claims: readonly { readonly docId: DocId | undefined; readonly claim: string }[];
  readonly entries: readonly { readonly docId: DocId; readonly entryHash: EntryHash }[];
}

interface Line {
  readonly author: AuthorKey;
  readonly contenders: Map<CommitHash, Contender>;
  lost: ReadonlySet<CommitHash>;
}

interface Link {
  readonly author: AuthorKey;
  readonly dependencies: readonly EntryHash[];
}

/** What a decision changed. */
export interface Decision {
  readonly lost: readonly KnownCommit[];
  readonly won: readonly KnownCommit[];
}

/** Reasons that say the author had no right to write: such commits neither contend nor count as dependents. */
const outsiders: ReadonlySet<string> = new Set([
  "unknown-author",
  "not-admin",
  "revoked",
  "older-head",
  "directory",
]);

/** Keeps and decides the contested lines of a tenant. */
export class Contests {
  readonly #core: TenantCore;
  readonly #lines = new Map<string, Line>();
  readonly #linesByDoc = new Map<DocId, Set<string>>();
  /** entries that are in no catalog: they depend on others all the same */
  #refused: Map<DocId, Map<EntryHash, Link>> | undefined;

  constructor(core: TenantCore) {
    this.#core = core;
  }

  /** Where a commit stands; `undefined` when its line is not contested. */
  standing(row: KnownCommit): "counts" | "lost" | "new" | undefined {
    if (this.#lines.size === 0) return undefined;
    const line = this.#lines.get(lineName(row));
    if (line === undefined) return undefined;
    if (!line.contenders.has(row.commitHash)) return "new";
    return line.lost.has(row.commitHash) ? "lost" : "counts";
  }

  /** Find the contests that former decisions of this log speak of. */
  async restore(): Promise<void> {
    const rows = this.#core.ledger.rows().filter((row) => row.reason === "equivocation");
    for (const row of new Map(rows.map((one) => [lineName(one), one])).values()) await this.enter(row);
  }

  /** Take a commit and its whole line into a contest. */
  async enter(row: KnownCommit): Promise<Decision> {
    await this.#loadRefused();
    const name = lineName(row);
    const line: Line = this.#lines.get(name) ?? {
      author: row.author,
      contenders: new Map(),
      lost: new Set(),
    };
    this.#lines.set(name, line);
    // What the commit claims may be readable only now.
    line.contenders.delete(row.commitHash);
    const fresh = this.#core.ledger
      .line(row)
      .filter((other) => !line.contenders.has(other.commitHash) && !outsiders.has(other.reason));
    for (const commit of await readCommits(this.#core, fresh)) await this.#addContender(name, line, commit);
    return this.#decide([name]);
  }

  /** A commit was judged: it may decide contests about the documents it speaks of. */
  async note({ commit, row }: Judging): Promise<Decision> {
    if (this.#lines.size === 0) return { lost: [], won: [] };
    if (row.verdict !== "accepted" || row.refused !== "") this.#addRefused(commit);
    const names = new Set<string>();
    for (const { header } of commit.entries) {
      const lines = header === undefined ? undefined : this.#linesByDoc.get(header.docId);
      for (const name of lines ?? []) names.add(name);
    }
    return this.#decide(names);
  }

  /** Decide everything again: someone's rights changed. */
  decideAll(): Decision {
    return this.#decide(this.#lines.keys());
  }

  clear(): void {
    this.#lines.clear();
    this.#linesByDoc.clear();
    this.#refused = undefined;
  }

  async #addContender(name: string, line: Line, commit: Commit): Promise<void> {
    const { tools, ledger } = this.#core;
    const row = ledger.find(commit.commitHash);
    if (row === undefined) return;
    const opened = await openEntries(tools.crypto, commit, tools.findKey);
    const claims: { docId: DocId | undefined; claim: string }[] = [
      { docId: undefined, claim: `turn ${row.writerSeq}` },
    ];
    const entries: { docId: DocId; entryHash: EntryHash }[] = [];
    const actorOf = actorsOf(tools, commit);
    commit.entries.forEach(({ entryHash, header }, index) => {
      const verdict = opened[index];
      if (header === undefined) return;
      entries.push({ docId: header.docId, entryHash });
      const lines = this.#linesByDoc.get(header.docId) ?? new Set();
      this.#linesByDoc.set(header.docId, lines.add(name));
      if (verdict?.kind !== "opened") return;
      const change = readChange({ tools, actorOf }, header, verdict.plaintext);
      const { docId } = header;
      if (typeof change !== "string") claims.push({ docId, claim: `${docId} ${change.actor} ${change.seq}` });
    });
    line.contenders.set(row.commitHash, { row, claims, entries });
  }

  #decide(names: Iterable<string>): Decision {
    const lost: KnownCommit[] = [];
    const won: KnownCommit[] = [];
    for (const name of names) {
      const line = this.#lines.get(name);
      if (line === undefined) continue;
      const before = line.lost;
      line.lost = this.#losersOf(line);
      for (const { row } of line.contenders.values()) {
        const { verdict, reason, commitHash } = row;
        if (line.lost.has(commitHash)) {
          if (!outsiders.has(reason) && (verdict !== "quarantined" || reason !== "equivocation"))
            lost.push(row);
        } else if (before.has(commitHash) || reason === "equivocation") won.push(row);
      }
    }
    return { lost, won };
  }

  #losersOf(line: Line): ReadonlySet<CommitHash> {
    const claimed = new Set<string>();
    const lost = new Set<CommitHash>();
    const contenders = [...line.contenders.values()]
      .filter(({ row }) => this.#hasRight(row))
      .map((contender) => ({ contender, rank: this.#isBuiltUpon(line, contender) ? 0 : 1 }));
    contenders.sort(
      (a, b) =>
        a.rank - b.rank ||
        compareBytes(idToBytes(a.contender.row.commitHash), idToBytes(b.contender.row.commitHash)),
    );
    for (const { contender } of contenders) {
      // What was purged is claimed by nobody: those who come later cannot read it.
      const claims = contender.claims.flatMap(({ claim, docId }) =>
        docId !== undefined && this.#core.isPurged(docId) ? [] : [claim],
      );
      if (claims.some((claim) => claimed.has(claim))) lost.add(contender.row.commitHash);
      else for (const claim of claims) claimed.add(claim);
    }
    return lost;
  }

  #hasRight(row: KnownCommit): boolean {
    const user = this.#core.directory.usersByKey.get(row.author);
    return user !== undefined && wasRevoked(user)
      ? rightOf(this.#core, row).kind === "role"
      : !outsiders.has(row.reason);
  }

  /** Whether an entry of another author depends on one of a commit's, directly or through others. */
  #isBuiltUpon(line: Line, contender: Contender): boolean {
    const byDoc = new Map<DocId, Set<EntryHash>>();
    for (const { docId, entryHash } of contender.entries)
      if (!this.#core.isPurged(docId)) byDoc.set(docId, (byDoc.get(docId) ?? new Set()).add(entryHash));
    for (const [docId, roots] of byDoc) {
      const dependents = this.#dependentsIn(contender.row, docId);
      const seen = new Set<EntryHash>();
      const next = [...roots];
      for (let hash = next.pop(); hash !== undefined; hash = next.pop()) {
        for (const { author, entryHash } of dependents.get(hash) ?? []) {
          if (author !== line.author) return true;
          if (seen.has(entryHash)) continue;
          seen.add(entryHash);
          next.push(entryHash);
        }
      }
    }
    return false;
  }

  /** By entry of a document: what depends on it, accepted or not. */
  #dependentsIn(
    row: KnownCommit,
    docId: DocId,
  ): Map<EntryHash, { author: AuthorKey; entryHash: EntryHash }[]> {
    const dependents = new Map<EntryHash, { author: AuthorKey; entryHash: EntryHash }[]>();
    const add = (entryHash: EntryHash, { author, dependencies }: Link): void => {
      for (const dependency of dependencies) {
        const list = dependents.get(dependency);
        if (list === undefined) dependents.set(dependency, [{ author, entryHash }]);
        else list.push({ author, entryHash });
      }
    };
    const entries = this.#core.catalog(row.dbId).get(docId)?.entries ?? [];
    for (const { position, entryHash, dependencies } of entries) {
      const author = this.#core.ledger.at(position)?.author;
      if (author === undefined) continue;
      add(entryHash, {
        author,
        dependencies: dependencies.flatMap((index) => entries[index]?.entryHash ?? []),
      });
    }
    for (const [entryHash, link] of this.#refused?.get(docId) ?? []) add(entryHash, link);
    return dependents;
  }

  async #loadRefused(): Promise<void> {
    if (this.#refused !== undefined) return;
    this.#refused = new Map();
    const rows = [...this.#core.ledger.waiting(), ...this.#core.ledger.quarantined()];
    const known = rows.filter((row) => row.dbId !== this.#core.directoryDbId && !outsiders.has(row.reason));
    for (let from = 0; from < known.length; from += 16) {
      for (const commit of await readCommits(this.#core, known.slice(from, from + 16)))
        this.#addRefused(commit);
    }
  }

  #addRefused(commit: Commit): void {
    const { author } = commit.header;
    if (judgeRight(this.#core, commit, commit.header).kind !== "role") return;
    for (const { entryHash, header } of commit.entries) {
      if (header === undefined) continue;
      const links = this.#refused?.get(header.docId) ?? new Map<EntryHash, Link>();
      this.#refused?.set(header.docId, links.set(entryHash, { author, dependencies: header.dependencies }));
    }
  }
}
