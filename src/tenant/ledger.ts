/**
 * The ledger: every commit of the log that was judged, in the order of judging, with its verdict.
 *
 * It answers: is this commit known, what does an author's graph look like, what is still waiting, what was quarantined. It is derived
 * from the log, kept in sealed pages, and rebuilt when lost.
 *
 * A commit that waits for `purged` lacks what its author erased, or names it, and nothing else: it is settled, and counts as such. It is
 * judged once more at every opening, as all that waits is, which brings back what is known of erased entries. One that waits for `key`
 * lacks a key and nothing else: it is sealed for others, and is counted apart, since its key may never come.
 *
 * Page format (a page holds {@link ledgerPageSize} commits): u8 version (2), varint count of lines, each dbId 16, author 32, writerNonce
 * 16; varint count of directory heads, each 32; varint count of commits, then for each
 *
 * | field | size |
 * |---|---|
 * | commitHash | 32 |
 * | position | varint |
 * | index of its line | varint |
 * | writerSeq | varint |
 * | predecessors | varint count, 32 each |
 * | directory head | varint: 0 none, or its index and 1 |
 * | role | u8: 0 none, 1 reader, 2 author, 3 editor, 4 manager |
 * | verdict | u8: 0 accepted, 1 waiting, 2 quarantined |
 * | pending entry indexes | varint count, varint each |
 * | reason | text |
 * | refused | text |
 * | judgedAt | u64 |
 */
import {
  ByteReader,
  ByteWriter,
  bytesToId,
  bytesToHex,
  idToBytes,
  parseHex,
  type AuthorKey,
  type CommitHash,
  type DbId,
} from "../std/index.ts";
import { createAuthorGraph, roles, type AuthorGraph, type Role } from "../directory/index.ts";
import { entryLimits, type CommitHeader } from "../entry/index.ts";
import { Needs } from "./needs.ts";
import { SyncedSnapshots } from "./synced-snapshot.ts";

export const ledgerPageSize = 512;
const pageVersion = 2;

export interface KnownCommit {
  readonly commitHash: CommitHash;
  readonly position: number;
  readonly dbId: DbId;
  readonly author: AuthorKey;
  /** 32 hex digits */
  readonly writerNonce: string;
  readonly writerSeq: number;
  readonly predecessors: readonly CommitHash[];
  /** the head of the directory that its author knew */
  readonly directoryHead: CommitHash | undefined;
  /** the role by which its entries were judged; `undefined` while they are not */
  role: Role | undefined;
  verdict: "accepted" | "waiting" | "quarantined";
  /** entries still to be judged while waiting; none = all of them */
  pending: readonly number[];
  /** why it waits or was quarantined, one of a closed list of words; empty when accepted */
  reason: string;
  /** why some of its entries were refused; empty when none was */
  refused: string;
  judgedAtMs: number;
}

type Line = Pick<KnownCommit, "dbId" | "author" | "writerNonce">;

/** What judging a commit came to. */
export type RowVerdict = Pick<KnownCommit, "verdict" | "pending" | "reason" | "refused"> & {
  readonly atMs: number;
};

const verdicts = ["accepted", "waiting", "quarantined"] as const;
const emptyHashes: readonly CommitHash[] = [];

/** Make a ledger row for a commit that was found at `position`. */
export function knownCommitOf(header: CommitHeader, commitHash: CommitHash, position: number): KnownCommit {
  return {
    commitHash,
    position,
    dbId: header.dbId,
    author: header.author,
    writerNonce: bytesToHex(header.writerNonce),
    writerSeq: header.writerSeq,
    predecessors: header.predecessors,
    directoryHead: header.directoryHead,
    role: undefined,
    verdict: "waiting",
    pending: [],
    reason: "",
    refused: "",
    judgedAtMs: 0,
  };
}

/** The verdicts on all commits of a log, with the pages that changed. */
export class Ledger {
  /** what waiting commits wait for; not kept in pages */
  readonly needs = new Needs();
  /** commits during whose judging a worker died, see marker.ts */
  readonly poisoned = new Set<CommitHash>();
  /** accepted snapshots of documents; not kept in pages */
  readonly snapshots = new SyncedSnapshots();
  readonly #rows: KnownCommit[] = [];
  readonly #rowIndex = new Map<CommitHash, number>();
  readonly #graphs = new Map<string, AuthorGraph>();
  /** by line, the first commit known of each sequence number */
  readonly #turns = new Map<string, Map<number, CommitHash>>();
  readonly #byPosition = new Map<number, KnownCommit>();
  readonly #dirtyPages = new Set<number>();
  #waiting = new Set<CommitHash>();
  /** of those that wait, the ones that are not to be awaited, by their reason */
  readonly #unawaited = { purged: new Set<CommitHash>(), key: new Set<CommitHash>() };
  #quarantined = new Set<CommitHash>();

  find(commitHash: CommitHash): KnownCommit | undefined {
    const index = this.#rowIndex.get(commitHash);
    return index === undefined ? undefined : this.#rows[index];
  }

  rows(): readonly KnownCommit[] {
    return this.#rows;
  }

  add(row: KnownCommit): void {
    const index = this.#rows.length;
    this.#enter(row);
    this.#dirtyPages.add(Math.floor(index / ledgerPageSize));
  }

  /** The commit at a position of the log, of those that accepted entries can come from. */
  at(position: number): KnownCommit | undefined {
    return this.#byPosition.get(position);
  }

  /** Set a commit's verdict; the row must be known. */
  judge(commitHash: CommitHash, { atMs, ...verdict }: RowVerdict): void {
    const index = this.#rowIndex.get(commitHash);
    const row = index === undefined ? undefined : this.#rows[index];
    if (row === undefined || index === undefined) return;
    Object.assign(row, verdict);
    row.judgedAtMs = atMs;
    this.#index(row);
    this.#dirtyPages.add(Math.floor(index / ledgerPageSize));
  }

  /**
   * The commit graph of one author in one database, whatever the verdicts: the path of a cut may lead through a commit that was
   * refused.
   */
  graph(dbId: DbId, author: AuthorKey): AuthorGraph {
    const name = `${dbId}|${author}`;
    let graph = this.#graphs.get(name);
    if (graph === undefined) {
      graph = createAuthorGraph();
      this.#graphs.set(name, graph);
    }
    return graph;
  }

  /** Whether another commit has the same author, database, nonce and sequence number: evidence of equivocation. */
  hasTwin(row: KnownCommit): boolean {
    return this.#turns.get(lineName(row))?.get(row.writerSeq) !== row.commitHash;
  }

  /** The commits of one author, database and writer nonce, by a walk over all. */
  line(row: KnownCommit): readonly KnownCommit[] {
    const name = lineName(row);
    return this.#rows.filter((other) => lineName(other) === name);
  }

  waiting(): readonly KnownCommit[] {
    return this.#pick(this.#waiting);
  }

  /** Commits that were quarantined whole or in part, the last `count` of them. */
  quarantined(count = Infinity): readonly KnownCommit[] {
    return this.#pick([...this.#quarantined].slice(-count));
  }

  /**
   * How many commits wait for what is to come, how many for a key alone, which need not come, and how many were quarantined whole or in
   * part.
   */
  get counts(): { readonly waiting: number; readonly sealed: number; readonly quarantined: number } {
    const { key, purged } = this.#unawaited;
    return {
      waiting: this.#waiting.size - purged.size - key.size,
      sealed: key.size,
      quarantined: this.#quarantined.size,
    };
  }

  /** Pages changed since the last call of {@link markClean}. */
  dirtyPages(): readonly number[] {
    return [...this.#dirtyPages];
  }

  markClean(): void {
    this.#dirtyPages.clear();
  }

  markAllDirty(): void {
    for (let page = 0; page * ledgerPageSize < this.#rows.length; page++) this.#dirtyPages.add(page);
  }

  get pageCount(): number {
    return Math.ceil(this.#rows.length / ledgerPageSize);
  }

  encodePage(page: number): Uint8Array<ArrayBuffer> {
    const rows = this.#rows.slice(page * ledgerPageSize, (page + 1) * ledgerPageSize);
    const lines = new Map(rows.map((row) => [lineName(row), row]));
    const indexes = new Map([...lines.keys()].map((name, index) => [name, index]));
    const writer = new ByteWriter(rows.length * 96 + 64).u8(pageVersion).varint(lines.size);
    for (const { dbId, author, writerNonce } of lines.values()) {
      writer.fixed(idToBytes(dbId)).fixed(idToBytes(author));
      writer.fixed(parseHex(writerNonce) ?? new Uint8Array(16), 16);
    }
    const heads = [...new Set(rows.flatMap(({ directoryHead }) => directoryHead ?? []))];
    const headIndexes = new Map(heads.map((head, index) => [head, index + 1]));
    writer.varint(heads.length);
    for (const head of heads) writer.fixed(idToBytes(head));
    writer.varint(rows.length);
    for (const row of rows) {
      const head = row.directoryHead === undefined ? 0 : (headIndexes.get(row.directoryHead) ?? 0);
      encodeRow(writer, row, { line: indexes.get(lineName(row)) ?? 0, head });
    }
    return writer.toBytes();
  }

  /** Take the rows of a page, in page order; `false` when it is damaged (the ledger is then to be rebuilt). */
  loadPage(bytes: Uint8Array): boolean {
    const reader = new ByteReader(bytes);
    if (reader.u8() !== pageVersion) return false;
    const lines: Line[] = [];
    const lineCount = reader.varint(ledgerPageSize);
    for (let i = 0; i < lineCount && reader.error === undefined; i++) {
      const [dbId, author, nonce] = [reader.fixed(16), reader.fixed(32), reader.fixed(16)];
      if (reader.error !== undefined) return false;
      const writerNonce = bytesToHex(nonce);
      lines.push({ dbId: bytesToId("DbId", dbId), author: bytesToId("AuthorKey", author), writerNonce });
    }
    const heads = readHashes(reader, ledgerPageSize);
    const count = reader.varint(ledgerPageSize);
    for (let i = 0; i < count && reader.error === undefined; i++) {
      const row = readRow(reader, { lines, heads });
      if (row === undefined) return false;
      this.#enter(row);
    }
    return reader.finish();
  }

  #enter(row: KnownCommit): void {
    this.#rowIndex.set(row.commitHash, this.#rows.length);
    this.#rows.push(row);
    this.#byPosition.set(row.position, row);
    this.graph(row.dbId, row.author).add(row.commitHash, row.predecessors);
    const line = lineName(row);
    const turns = this.#turns.get(line) ?? new Map<number, CommitHash>();
    this.#turns.set(line, turns);
    if (!turns.has(row.writerSeq)) turns.set(row.writerSeq, row.commitHash);
    this.#index(row);
  }

  #pick(hashes: Iterable<CommitHash>): readonly KnownCommit[] {
    const rows: KnownCommit[] = [];
    for (const hash of hashes) {
      const row = this.find(hash);
      if (row !== undefined) rows.push(row);
    }
    return rows;
  }

  #index(row: KnownCommit): void {
    this.#waiting.delete(row.commitHash);
    this.#unawaited.purged.delete(row.commitHash);
    this.#unawaited.key.delete(row.commitHash);
    this.#quarantined.delete(row.commitHash);
    if (row.verdict === "waiting") {
      this.#waiting.add(row.commitHash);
      if (row.reason === "purged" || row.reason === "key") this.#unawaited[row.reason].add(row.commitHash);
    }
    if (row.verdict === "quarantined" || row.refused !== "") this.#quarantined.add(row.commitHash);
  }
}

/** Waiting commits that lack ciphertexts. Somebody may have them, also where their author says that they were erased. */
export function lackingCommits(ledger: Ledger): readonly KnownCommit[] {
  const lacking = new Set(ledger.needs.lacking());
  return ledger.waiting().filter(({ commitHash, reason }) => reason === "purged" || lacking.has(commitHash));
}

/** What names a line: the commits of one author, database and writer nonce. */
export function lineName(row: Line): string {
  return `${row.dbId}|${row.author}|${row.writerNonce}`;
}

/** What rows of a page refer to by index. */
interface PageTables {
  readonly lines: readonly Line[];
  readonly heads: readonly CommitHash[];
}

function encodeRow(
  writer: ByteWriter,
  row: KnownCommit,
  { head, line }: { readonly line: number; readonly head: number },
): void {
  writer.fixed(idToBytes(row.commitHash)).varint(row.position).varint(line).varint(row.writerSeq);
  writer.varint(row.predecessors.length);
  for (const hash of row.predecessors) writer.fixed(idToBytes(hash));
  writer.varint(head).u8(row.role === undefined ? 0 : roles.indexOf(row.role) + 1);
  writer.u8(verdicts.indexOf(row.verdict)).varint(row.pending.length);
  for (const index of row.pending) writer.varint(index);
  writer.text(row.reason).text(row.refused).u64(row.judgedAtMs);
}

function readHashes(reader: ByteReader, most: number): CommitHash[] {
  const hashes: CommitHash[] = [];
  const count = reader.varint(most);
  for (let i = 0; i < count && reader.error === undefined; i++) {
    const hash = reader.fixed(32);
    if (hash.length === 32) hashes.push(bytesToId("CommitHash", hash));
  }
  return hashes;
}

function readRow(reader: ByteReader, { heads, lines }: PageTables): KnownCommit | undefined {
  const commitHash = reader.fixed(32);
  const position = reader.varint();
  const line = lines[reader.varint(ledgerPageSize)];
  const writerSeq = reader.varint();
  const predecessors = readHashes(reader, entryLimits.predecessors);
  const headIndex = reader.varint(ledgerPageSize);
  const directoryHead = headIndex === 0 ? undefined : heads[headIndex - 1];
  if (headIndex > 0 && directoryHead === undefined) return undefined;
  const roleByte = reader.u8();
  if (roleByte > roles.length) return undefined;
  const verdict = verdicts[reader.u8()];
  const pendingCount = reader.varint(entryLimits.entriesPerCommit);
  const pending: number[] = [];
  for (let i = 0; i < pendingCount && reader.error === undefined; i++)
    pending.push(reader.varint(entryLimits.entriesPerCommit));
  const reason = reader.text(64);
  const refused = reader.text(64);
  const judgedAtMs = reader.u64();
  if (reader.error !== undefined || verdict === undefined || line === undefined) return undefined;
  return {
    commitHash: bytesToId("CommitHash", commitHash),
    position,
    dbId: line.dbId,
    author: line.author,
    writerNonce: line.writerNonce,
    writerSeq,
    predecessors: predecessors.length === 0 ? emptyHashes : predecessors,
    directoryHead,
    role: roles[roleByte - 1],
    verdict,
    pending,
    reason,
    refused,
    judgedAtMs,
  };
}
