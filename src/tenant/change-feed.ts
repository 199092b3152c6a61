/**
 * What changed since a cursor: documents with news, in the order of the log.
 *
 * ```
 *   looked at ───────────────────────────────┐ cursor          judged to
 *   … accepted … waits … accepted … refused … │ to be walked …  │
 *               └─ stands otherwise now: looked at again
 * ```
 *
 * The log is walked by position, from the cursor to where this thread has judged; a document is given where its newest entry stands, so
 * each comes once. Verdicts behind the cursor can change: what waited is accepted, what was accepted is withdrawn. So the cursor says
 * how those commits behind it stood that were not plainly accepted, and what stands otherwise now is looked at again.
 *
 * Cursor, as base64url
 *
 * | field | size |
 * |---|---|
 * | version | u8, 1 |
 * | logEpoch | 16: of another log, it starts over |
 * | purgedCount | varint: so many of the tenant's purged documents were looked at |
 * | position | varint: the commits before it were looked at |
 * | entryIndex | varint: and so many entries of the one at it |
 * | spanCount | varint, ≤ 257 |
 * | spanCount × gap, length, standing | varint, varint, 8: positions from the end of the span before + 1 + gap on, ascending |
 * | again | u8 0, or u8 1, varint position, varint entryIndex, standing 8: how far looking again has come |
 *
 * A span is one commit that is not plainly accepted, or, where there are more than 128 of them, several with what is between. `standing`
 * is 1 where something of it may be accepted, else 0, and 7 bytes of a hash of their verdicts. The commit at `position` is the last span
 * when some of its entries were looked at.
 *
 * Nothing in it follows from the order in which one thread judged: it means the same in every tab, after a restart, and when everything
 * derived was judged anew. Each piece of news is given at least once.
 */
import {
  assert,
  bytesToBase64url,
  bytesToHex,
  ByteReader,
  ByteWriter,
  parseBase64url,
  parseHex,
  type DbId,
  type DocId,
} from "../std/index.ts";
import { parseCommit } from "../entry/index.ts";
import type { AcceptedEntry, Catalog, CatalogDoc } from "./catalog.ts";
import type { TenantCore } from "./core.ts";
import type { KnownCommit } from "./ledger.ts";

const cursorVersion = 1;
const maxFreshSpans = 128;
/** fresh ones, those of the cursor before that are still to be compared, and the commit at the position */
const maxSpans = 2 * maxFreshSpans + 1;
const maxCursorText = 16 * 1024;
/** Commits that are read at a time. */
const readCount = 8;
const verdicts = ["accepted", "waiting", "quarantined"] as const;

/** Positions of the log, and how the commits there stood. */
interface Span {
  readonly from: number;
  readonly to: number;
  /** 16 hex digits */
  readonly standing: string;
}

/** Where a consumer stands: see the table above. */
export interface FeedCursor {
  readonly logEpoch: string;
  readonly purgedCount: number;
  readonly position: number;
  readonly entryIndex: number;
  readonly spans: readonly Span[];
  readonly again:
    | { readonly position: number; readonly entryIndex: number; readonly standing: string }
    | undefined;
}

/** A part of a run. */
export interface FeedPage {
  readonly docIds: readonly DocId[];
  readonly cursor: FeedCursor;
  /** nothing is behind the cursor now */
  readonly isDone: boolean;
}

/** Write a cursor as opaque text. */
export function encodeCursor(cursor: FeedCursor): string {
  const writer = new ByteWriter().u8(cursorVersion).fixed(bytesOf(cursor.logEpoch, 16), 16);
  writer.varint(cursor.purgedCount).varint(cursor.position).varint(cursor.entryIndex);
  writer.varint(cursor.spans.length);
  let end = -1;
  for (const { from, to, standing } of cursor.spans) {
    writer
      .varint(from - end - 1)
      .varint(to - from)
      .fixed(bytesOf(standing, 8), 8);
    end = to;
  }
  const { again } = cursor;
  if (again === undefined) writer.u8(0);
  else writer.u8(1).varint(again.position).varint(again.entryIndex).fixed(bytesOf(again.standing, 8), 8);
  return bytesToBase64url(writer.toBytes());
}

function bytesOf(hex: string, sizeBytes: number): Uint8Array {
  const bytes = parseHex(hex);
  assert(bytes?.length === sizeBytes, "a cursor's hashes are its own");
  return bytes;
}

/** Read a cursor; `undefined` for what is none. */
export function parseCursor(text: string): FeedCursor | undefined {
  const bytes = text.length > maxCursorText ? undefined : parseBase64url(text);
  if (bytes === undefined) return undefined;
  const reader = new ByteReader(bytes);
  if (reader.u8() !== cursorVersion) reader.fail("version");
  const logEpoch = bytesToHex(reader.fixed(16));
  const purgedCount = reader.varint();
  const position = reader.varint();
  const entryIndex = reader.varint();
  const count = reader.varint(maxSpans);
  const spans: Span[] = [];
  for (let end = -1; spans.length < count && reader.error === undefined;) {
    const from = end + 1 + reader.varint();
    end = from + reader.varint();
    spans.push({ from, to: end, standing: bytesToHex(reader.fixed(8)) });
  }
  const flag = reader.u8();
  if (flag > 1) reader.fail("flag");
  const again =
    flag === 0
      ? undefined
      : { position: reader.varint(), entryIndex: reader.varint(), standing: bytesToHex(reader.fixed(8)) };
  return reader.finish() ? { logEpoch, purgedCount, position, entryIndex, spans, again } : undefined;
}

/**
 * The next documents of a database with news, at most `maxCount`. Called in the tenant's queue.
 *
 * @param judgedTo everything in the log up to here was judged
 */
export async function readFeed(
  core: TenantCore,
  dbId: DbId,
  options: { cursor: FeedCursor | undefined; maxCount: number; judgedTo: number },
): Promise<FeedPage> {
  const { logEpoch } = core.store;
  const { cursor, ...limits } = options;
  const fresh = { logEpoch, purgedCount: 0, position: 1, entryIndex: 0, spans: [], again: undefined };
  const feed = new Feed(core, dbId, { ...limits, cursor: cursor?.logEpoch === logEpoch ? cursor : fresh });
  const isDone = feed.takePurged() && (await feed.lookAgain()) && (await feed.walk());
  return { ...feed.result, isDone };
}

/** A span that stands otherwise than the cursor says. */
interface ChangedSpan {
  readonly from: number;
  readonly to: number;
  /** how it stood; `undefined`: plainly accepted */
  readonly before: string | undefined;
  readonly now: string;
}

/** One call. Each step gives `false` when the page was full before its end. */
class Feed {
  readonly #core: TenantCore;
  readonly #dbId: DbId;
  readonly #maxCount: number;
  readonly #judgedTo: number;
  readonly #found = new Set<DocId>();
  /** commits that are not plainly accepted, by position */
  readonly #exceptions: readonly KnownCommit[];
  #cursor: FeedCursor;

  constructor(
    core: TenantCore,
    dbId: DbId,
    options: { cursor: FeedCursor; maxCount: number; judgedTo: number },
  ) {
    this.#core = core;
    this.#dbId = dbId;
    this.#maxCount = options.maxCount;
    this.#judgedTo = options.judgedTo;
    const { ledger } = core;
    this.#exceptions = [...new Set([...ledger.waiting(), ...ledger.quarantined()])]
      .filter((row) => row.dbId === dbId)
      .sort((a, b) => a.position - b.position);
    this.#cursor = this.#resume(options.cursor);
  }

  get result(): Omit<FeedPage, "isDone"> {
    return { docIds: [...this.#found], cursor: this.#cursor };
  }

  /** Give what was purged since. */
  takePurged(): boolean {
    const { rows } = this.#core.purged;
    let { purgedCount } = this.#cursor;
    let isDone = true;
    for (; isDone && purgedCount < rows.length; purgedCount += isDone ? 1 : 0) {
      const row = rows[purgedCount];
      isDone = row?.dbId !== this.#dbId || this.#give(row.docId);
    }
    this.#cursor = { ...this.#cursor, purgedCount };
    return isDone;
  }

  /** Look again at what stands otherwise than the cursor says. */
  async lookAgain(): Promise<boolean> {
    const { again, position, spans } = this.#cursor;
    const changed = this.#changedSpans();
    for (const span of changed) {
      const isBegun =
        again?.standing === span.now && span.from <= again.position && again.position <= span.to;
      const start = isBegun ? again : { position: span.from, entryIndex: 0 };
      const stopped = await this.#scan(start, span.to, (entry) => this.#giveChanged(entry.docId, span));
      if (stopped === undefined) continue;
      const behind = this.#compact(span.from);
      const left = spans.filter(({ from }) => from >= span.from);
      this.#cursor = {
        ...this.#cursor,
        spans: [...behind, ...left],
        again: { ...stopped, standing: span.now },
      };
      return false;
    }
    if (changed.length > 0) this.#cursor = { ...this.#cursor, spans: this.#compact(position) };
    this.#cursor = { ...this.#cursor, again: undefined };
    return true;
  }

  /** Walk the log from the cursor on. */
  async walk(): Promise<boolean> {
    const { position, entryIndex } = this.#cursor;
    const stopped = await this.#scan({ position, entryIndex }, this.#judgedTo, (entry) => {
      const doc = this.#catalog.get(entry.docId);
      const newest = doc === undefined ? undefined : newestOf(doc);
      const isNewest = newest?.position === entry.position && newest.entryIndex === entry.entryIndex;
      return !isNewest || this.#give(entry.docId);
    });
    const next = stopped ?? { position: Math.max(position, this.#judgedTo + 1), entryIndex: 0 };
    const spans = [...this.#compact(next.position)];
    if (next.entryIndex > 0) spans.push(this.#spanOf(next.position, next.position));
    this.#cursor = { ...this.#cursor, ...next, spans };
    return stopped === undefined;
  }

  get #catalog(): Catalog {
    return this.#core.catalog(this.#dbId);
  }

  /** A commit that was looked at in part and stands otherwise now is one of those to look at again. */
  #resume(cursor: FeedCursor): FeedCursor {
    const { entryIndex, position, spans } = cursor;
    if (entryIndex === 0) return cursor;
    const before = spans.find(({ from }) => from === position);
    return before?.standing === this.#spanOf(position, position).standing
      ? { ...cursor, spans: spans.filter(({ to }) => to < position) }
      : { ...cursor, position: position + 1, entryIndex: 0 };
  }

  #changedSpans(): readonly ChangedSpan[] {
    const { position, spans } = this.#cursor;
    const changed: ChangedSpan[] = [];
    for (const { from, to, standing } of spans) {
      const now = this.#spanOf(from, to).standing;
      if (now !== standing) changed.push({ from, to, before: standing, now });
    }
    for (const row of this.#exceptions) {
      const isListed = spans.some(({ from, to }) => from <= row.position && row.position <= to);
      if (row.position >= position || isListed) continue;
      changed.push({
        ...this.#spanOf(row.position, row.position),
        before: undefined,
        now: standingOf(this.#core, [row]),
      });
    }
    return changed.sort((a, b) => a.from - b.from);
  }

  /** The exceptions before a position, as at most {@link maxFreshSpans} spans. */
  #compact(position: number): readonly Span[] {
    const rows = this.#exceptions.filter((row) => row.position < position);
    const perSpan = Math.max(1, Math.ceil(rows.length / maxFreshSpans));
    const spans: Span[] = [];
    for (let first = 0; first < rows.length; first += perSpan) {
      const group = rows.slice(first, first + perSpan);
      const from = group[0]?.position ?? 0;
      spans.push({ from, to: group.at(-1)?.position ?? from, standing: standingOf(this.#core, group) });
    }
    return spans;
  }

  #spanOf(from: number, to: number): Span {
    const rows = this.#exceptions.filter((row) => from <= row.position && row.position <= to);
    return { from, to, standing: standingOf(this.#core, rows) };
  }

  /** Go through the entries of this database's commits, in order. @returns where `take` gave `false` */
  async #scan(
    start: { readonly position: number; readonly entryIndex: number },
    last: number,
    take: (entry: { position: number; entryIndex: number; docId: DocId }) => boolean,
  ): Promise<{ readonly position: number; readonly entryIndex: number } | undefined> {
    for (let position = start.position; position <= last;) {
      const positions: number[] = [];
      for (; position <= last && positions.length < readCount; position++)
        if (this.#core.ledger.at(position)?.dbId === this.#dbId) positions.push(position);
      for (const record of await this.#core.store.readRecords(positions)) {
        const parsed = parseCommit(this.#core.world.crypto, record.bytes, record.commitHash);
        const entries = parsed.kind === "verified" ? parsed.commit.entries : [];
        const first = record.position === start.position ? start.entryIndex : 0;
        for (let entryIndex = first; entryIndex < entries.length; entryIndex++) {
          const docId = entries[entryIndex]?.header?.docId;
          const place = { position: record.position, entryIndex };
          if (docId !== undefined && !take({ ...place, docId })) return place;
        }
      }
    }
    return undefined;
  }

  /** A document of a commit that stands otherwise; with news further on it is given there. */
  #giveChanged(docId: DocId, { before }: ChangedSpan): boolean {
    if (this.#core.isPurged(docId)) return true;
    const doc = this.#catalog.get(docId);
    if (doc === undefined) return before?.startsWith(nothingOfIt) === true || this.#give(docId);
    return newestOf(doc).position >= this.#cursor.position || this.#give(docId);
  }

  #give(docId: DocId): boolean {
    if (this.#found.has(docId)) return true;
    if (this.#found.size >= this.#maxCount) return false;
    this.#found.add(docId);
    return true;
  }
}

const nothingOfIt = "00";

/** How commits stand, those that are plainly accepted left out: 8 bytes as hex. */
function standingOf(core: TenantCore, rows: readonly KnownCommit[]): string {
  const writer = new ByteWriter();
  let isSomeAccepted = false;
  for (const { pending, position, refused, verdict } of rows) {
    writer
      .varint(position)
      .u8(verdicts.indexOf(verdict))
      .u8(refused === "" ? 0 : 1);
    writer.varint(pending.length);
    for (const index of pending) writer.varint(index);
    isSomeAccepted ||= verdict === "accepted" || pending.length > 0;
  }
  const hash = core.world.crypto.sha256(writer.toBytes()).subarray(0, 7);
  return (isSomeAccepted || rows.length !== 1 ? "01" : nothingOfIt) + bytesToHex(hash);
}

interface Newest {
  readonly entries: readonly AcceptedEntry[];
  size: number;
  position: number;
  entryIndex: number;
}

const newests = new WeakMap<CatalogDoc, Newest>();

/** The place in the log of a document's newest accepted entry; grown with the document. */
function newestOf(doc: CatalogDoc): Pick<Newest, "position" | "entryIndex"> {
  const { entries } = doc;
  let newest = newests.get(doc);
  if (newest?.entries !== entries) {
    newest = { entries, size: 0, position: 0, entryIndex: 0 };
    newests.set(doc, newest);
  }
  for (; newest.size < entries.length; newest.size++) {
    const { position, entryIndex } = entries[newest.size] ?? newest;
    const isNewer =
      position > newest.position || (position === newest.position && entryIndex > newest.entryIndex);
    if (isNewer) Object.assign(newest, { position, entryIndex });
  }
  return newest;
}
