/**
 * Who did what when: the commits that this device holds, each verified again as it is told, and the report of them that somebody without
 * a key can check, see the room audit.
 */
import { CofferError, concatBytes, type AuthorKey, type DbId } from "../std/index.ts";
import { deedOf, inAuditOrder, ReportWriter, type AuditDeed } from "../audit/index.ts";
import { indexOfHead, parseRecord } from "../directory/index.ts";
import {
  discloseKey,
  encodeCommit,
  openEntries,
  parseCommit,
  verifyCommit,
  type Commit,
} from "../entry/index.ts";
import type { LogRecord } from "../store/index.ts";
import type { AuditStep } from "../../worker/api.ts";
import { askOrder, keptServers, reportServers } from "./audit-logs.ts";
import { keyNames, type TenantCore } from "./core.ts";
import { lineName, type KnownCommit } from "./ledger.ts";
import { databaseNames } from "./roles.ts";
import type { TenantSession } from "./session.ts";

const stepsPerPage = 64;
/** commits looked at for one page, so that a narrow question does not hold up the tenant */
const rowsPerPage = 8192;
/** commits read at once: each has up to a megabyte */
const readAtOnce = 16;
const pageBytes = 4 * 1024 * 1024;
const pieceBytes = 256 * 1024;

/** What of the commits is asked for. Times are the authors' own. */
export interface AuditQuery {
  readonly fromMs: number | undefined;
  readonly toMs: number | undefined;
  readonly dbId: DbId | undefined;
  readonly author: AuthorKey | undefined;
}

/** Some of the steps, and where to go on. */
export interface AuditPage {
  readonly steps: readonly AuditStep[];
  readonly cursor: number;
  readonly isDone: boolean;
}

/**
 * The next commits from number `cursor` on, in the order in which this device judged them, at most 64. Each is verified anew: hashes,
 * signature, and how it follows those before it.
 *
 * @throws `access/locked`
 */
export async function auditSteps(
  session: TenantSession,
  cursor: number,
  query: AuditQuery,
): Promise<AuditPage> {
  await session.settle();
  return session.exclusive(async () => {
    const { core } = session;
    const rows = core.ledger.rows();
    const names = databaseNames(core);
    const steps: AuditStep[] = [];
    let at = cursor;
    let sizeBytes = 0;
    const end = Math.min(rows.length, cursor + rowsPerPage);
    while (at < end && steps.length < stepsPerPage && sizeBytes < pageBytes) {
      const some: KnownCommit[] = [];
      for (; at < end && some.length < Math.min(readAtOnce, stepsPerPage - steps.length); at++) {
        const row = rows[at];
        if (row !== undefined && isMeant(row, query)) some.push(row);
      }
      for (const { record, row } of await readRows(core, some)) {
        sizeBytes += record?.bytes.length ?? 0;
        const step = await stepOf(core, row, record);
        const isInTime = step.atMs >= (query.fromMs ?? 0) && step.atMs < (query.toMs ?? Infinity);
        if (isInTime) steps.push({ ...step, database: names.get(row.dbId) });
      }
    }
    return { steps, cursor: at, isDone: at >= rows.length };
  });
}

function isMeant(row: KnownCommit, { author, dbId }: AuditQuery): boolean {
  return (author === undefined || row.author === author) && (dbId === undefined || row.dbId === dbId);
}

async function readRows(
  core: TenantCore,
  rows: readonly KnownCommit[],
): Promise<readonly { readonly row: KnownCommit; readonly record: LogRecord | undefined }[]> {
  const positions = rows.map(({ position }) => position).sort((a, b) => a - b);
  const records = await core.store.readRecords(positions);
  const byPosition = new Map(records.map((record) => [record.position, record]));
  return rows.map((row) => ({ row, record: byPosition.get(row.position) }));
}

async function stepOf(core: TenantCore, row: KnownCommit, record: LogRecord | undefined): Promise<AuditStep> {
  const { author, commitHash, dbId, reason, refused, verdict } = row;
  const told = { commitHash, author, databaseId: dbId, database: undefined, verdict, reason, refused };
  const chain = chainOf(core, row);
  const read =
    record === undefined ? undefined : await verifyCommit(core.world.crypto, record.bytes, commitHash);
  if (read?.kind !== "verified") return { ...told, atMs: 0, chain, verified: false, deeds: [] };
  const { commit } = read;
  const { createdAtMs: atMs, writerSeq } = commit.header;
  const isSame =
    commit.header.author === author && commit.header.dbId === dbId && writerSeq === row.writerSeq;
  return { ...told, atMs, chain, verified: isSame, deeds: await deedsOf(core, commit) };
}

/** How a commit stands to those before it, as far as this device has them. */
function chainOf({ directory, directoryDbId, ledger }: TenantCore, row: KnownCommit): AuditStep["chain"] {
  const past = row.predecessors.map((hash) => ledger.find(hash));
  if (past.includes(undefined)) return "gap";
  const [before] = past;
  const isNext =
    before !== undefined && lineName(before) === lineName(row) && before.writerSeq === row.writerSeq - 1;
  if (row.writerSeq > 1 && !isNext) return "gap";
  const isOffLine = row.dbId === directoryDbId && !directory.indexByCommit.has(row.commitHash);
  return isOffLine || ledger.hasTwin(row) ? "fork" : "whole";
}

async function deedsOf(core: TenantCore, commit: Commit): Promise<readonly AuditDeed[]> {
  const isDirectory = commit.header.dbId === core.directoryDbId;
  if (!isDirectory) return commit.entries.map((entry) => deedOf(entry));
  const opened = await openEntries(core.world.crypto, commit, (name) => core.findKey(name));
  return commit.entries.map((entry, index) => {
    const verdict = opened[index];
    return deedOf(entry, verdict?.kind === "opened" ? parseRecord(verdict.plaintext) : undefined);
  });
}

/**
 * Write a report of all that this device holds, piece by piece, signed by this user.
 *
 * @param names whether the names of users and groups, and settings, are shown to whoever reads it
 * @throws `access/locked`; `entry/corrupt` when the log does not hold what was judged
 */
export async function* createReport(
  session: TenantSession,
  names: boolean,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  const { core } = session;
  // Before the rows are looked at, so that what is under a head is among them.
  const kept = await keptServers(core);
  await session.catchUp();
  const { crypto } = core.world;
  const { publicIdentity } = core.keys.identity;
  const { line, others } = await session.exclusive(async () => rowsOf(core));
  const writer = new ReportWriter(crypto);
  const head = {
    genesis: core.genesis.bytes,
    createdAtMs: core.nowMs(),
    exporter: publicIdentity.signingKey,
  };
  const pieces = new Pieces();
  pieces.add(writer.head(head));
  pieces.add(writer.count(line.length));
  for await (const { commit } of commitsOf(core, line)) {
    pieces.add(writer.line(await shownLine(core, commit, names)));
    yield* pieces.full();
  }
  pieces.add(writer.count(others.length));
  for await (const { commit, row } of commitsOf(core, others)) {
    const { reason, refused, verdict } = row;
    pieces.add(writer.commit({ verdict, reason, refused, bytes: withoutCiphertexts(commit) }));
    yield* pieces.full();
  }
  const servers = reportServers(await askOrder(core, kept), [...line, ...others]);
  pieces.add(writer.count(servers.length));
  for (const server of servers) {
    pieces.add(writer.server(server));
    for (const log of server.logs) pieces.add(writer.log(log));
    yield* pieces.full();
  }
  pieces.add(await crypto.sign(core.keys.identity.signing.privateKey, writer.signed));
  yield* pieces.rest();
}

/** A row as it is now: what is judged while the report is written does not tear it. */
function rowsOf({ directory, directoryDbId, ledger }: TenantCore): {
  readonly line: readonly KnownCommit[];
  readonly others: readonly KnownCommit[];
} {
  const rows = ledger.rows().map((row) => ({ ...row }));
  const isOfLine = ({ commitHash, dbId }: KnownCommit): boolean =>
    dbId === directoryDbId &&
    (indexOfHead(directory, commitHash) !== undefined || directory.acts.has(commitHash));
  return {
    line: inAuditOrder(rows.filter(isOfLine)),
    others: inAuditOrder(rows.filter((row) => !isOfLine(row))),
  };
}

async function* commitsOf(
  core: TenantCore,
  rows: readonly KnownCommit[],
): AsyncGenerator<{ readonly row: KnownCommit; readonly commit: Commit }, void> {
  for (let from = 0; from < rows.length; from += readAtOnce) {
    for (const { record, row } of await readRows(core, rows.slice(from, from + readAtOnce))) {
      const { commitHash } = row;
      const read =
        record === undefined ? undefined : parseCommit(core.world.crypto, record.bytes, commitHash);
      if (read?.kind !== "verified") throw new CofferError("entry/corrupt", { commitHash });
      yield { row, commit: read.commit };
    }
  }
}

/** A directory commit with what of it is shown: what servers read, and the names where they are wanted. */
async function shownLine(
  core: TenantCore,
  commit: Commit,
  names: boolean,
): Promise<{ readonly bytes: Uint8Array; readonly keys: ReadonlyMap<number, Uint8Array> }> {
  const openKeyId = core.keyIdOf(keyNames.directory);
  const keys = new Map<number, Uint8Array>();
  for (const [index, { keyId }] of commit.header.keys.entries()) {
    if (keyId !== openKeyId && !names) continue;
    const secret = await discloseKey(core.world.crypto, commit, index, (name) => core.findKey(name));
    if (secret !== undefined) keys.set(index, secret);
  }
  const entries = commit.entries.map((entry) => {
    const { ciphertext, entryHash, header } = entry;
    const isShown = header === undefined || ciphertext === undefined || keys.has(header.keyIndex);
    return isShown ? entry : { entryHash, header };
  });
  return { bytes: encodeCommit({ ...commit, entries }), keys };
}

function withoutCiphertexts(commit: Commit): Uint8Array {
  const entries = commit.entries.map(({ entryHash, header }) =>
    header === undefined ? { entryHash } : { entryHash, header },
  );
  return encodeCommit({ ...commit, entries });
}

/** Gathers what is written into pieces of a size that is worth a message. */
class Pieces {
  #parts: Uint8Array[] = [];
  #sizeBytes = 0;

  add(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#sizeBytes += bytes.length;
  }

  *full(): Generator<Uint8Array<ArrayBuffer>, void> {
    if (this.#sizeBytes >= pieceBytes) yield* this.rest();
  }

  *rest(): Generator<Uint8Array<ArrayBuffer>, void> {
    const piece = concatBytes(...this.#parts);
    this.#parts = [];
    this.#sizeBytes = 0;
    yield piece;
  }
}
