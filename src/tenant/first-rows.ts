/**
 * The first rows of the queries that were asked last, kept sealed beside the pages: a page that asks the same again is answered before
 * the catalogs are read.
 *
 * The slot `derived/first-rows` is sealed as a page of that name, at the position of the log that it is current to:
 *
 * | field | size |
 * |---|---|
 * | version | u8 (1) |
 * | purged documents that are left out | varint |
 * | count of databases | varint (≤ 10 000) |
 * | for each: dbId, documents that are not deleted, count of queries | 16, varint, varint (≤ 8) |
 * | for each query: key, total, rows | 32, varint, sized JSON text: [place of the last row or null, tagged, rows…], each row [id, whole, author, created, changed, tagged, value]; see `toJson` in catalog-codec.ts |
 *
 * The key of a query is SHA-256 of its definition, its locale and the shape it is read with. Whatever is kept here is what the catalogs of the same
 * position give: it is used only while the log ends there and no more documents were purged since, and written anew with each page.
 */
import {
  ByteReader,
  ByteWriter,
  bytesToHex,
  bytesToId,
  idToBytes,
  parseHex,
  utf8ToBytes,
  type DbId,
} from "../std/index.ts";
import type { Crypto } from "../crypto/index.ts";
import { collatorOf, type Cursor, type Definition } from "../expr/index.ts";
import type { DocValue } from "../draft/index.ts";
import type { SummaryRow } from "../../worker/api.ts";
import { isRecord, parseJson, toJson, untagValue } from "./catalog-codec.ts";
import { FirstViews } from "./first-views.ts";
import type { WindowDelta } from "../view/index.ts";

/** Where they are kept. */
export const firstRowsSlot = "derived/first-rows";

const version = 1;
const maxDatabases = 10_000;
const maxQueries = 8;
const maxRows = 256;
const maxTextLength = 256 * 1024;
const keyDomain = utf8ToBytes("coffer/first-rows/v1\0");

/** What a query answered. */
export interface FirstRows {
  readonly total: number;
  readonly rows: readonly SummaryRow[];
  /** the place of the last of them */
  readonly cursor: Cursor | undefined;
}

/** What is kept of one database; queries by their keys, the last asked last. */
export interface DatabaseRows {
  readonly documentCount: number;
  readonly queries: ReadonlyMap<string, FirstRows>;
}

/** What is kept of a tenant. */
export interface KeptRows {
  readonly purgedCount: number;
  readonly databases: ReadonlyMap<DbId, DatabaseRows>;
}

/** What a query is known by; `undefined` for one that is not kept: it may have more rows than a screen. */
export function queryKey(
  crypto: Pick<Crypto, "sha256">,
  query: Definition,
  shape: unknown,
): string | undefined {
  if (query.limit === undefined || query.limit > maxRows || query.group !== undefined) return undefined;
  // Without a locale of its own it is sorted by that of whoever asks.
  const { locale } = collatorOf(query.locale).resolvedOptions();
  const definition = { ...query, shape, locale } as unknown as Parameters<typeof toJson>[0];
  return bytesToHex(crypto.sha256(keyDomain, utf8ToBytes(toJson(definition).text)));
}

/** Remembers what was answered since something changed last; until the catalogs are there, what was answered before they were left. */
export class FirstRowsKeeper {
  /** the windows of views, which are kept in the same way */
  readonly views = new FirstViews();
  /** the catalogs are being loaded: nothing else is known than what is kept */
  #kept: KeptRows | "nothing" | undefined = "nothing";
  readonly #gather: () => void;
  #onTold: () => void = () => undefined;
  readonly #answers = new Map<DbId, Map<string, FirstRows>>();
  /** what was written last, to see whether there is more to write */
  #written = "[]";

  /** `gather` notes what queries show now */
  constructor(gather: () => void = () => undefined) {
    this.#gather = gather;
  }

  /** Note what queries show now, before it is looked whether there is something to write. */
  gather(): void {
    if (this.isLoaded) this.#gather();
    this.views.gather();
  }

  /** A query was answered from the catalog as it is now. */
  note(dbId: DbId, key: string, answer: FirstRows): void {
    const answers = this.#answers.get(dbId) ?? new Map<string, FirstRows>();
    this.#answers.set(dbId, answers);
    answers.delete(key);
    answers.set(key, answer);
    for (const oldest of answers.keys()) if (answers.size > maxQueries) answers.delete(oldest);
  }

  /** Documents of a database changed: what was answered before may be wrong. */
  drop(dbId: DbId): void {
    this.#answers.delete(dbId);
    this.views.drop(dbId);
  }

  /** The catalogs are being loaded, and this is what still holds of what was kept: it need not be written again. */
  loading(kept: KeptRows | undefined): void {
    this.#answers.clear();
    for (const [dbId, { queries }] of kept?.databases ?? []) this.#answers.set(dbId, new Map(queries));
    this.#written = this.#signature();
    this.#kept = kept ?? "nothing";
  }

  /** The catalogs are there: they answer. */
  loaded(): void {
    this.#kept = undefined;
    this.views.loaded();
  }

  get isLoaded(): boolean {
    return this.#kept === undefined;
  }

  /** What a query is answered while the catalogs are being loaded, if its answer is kept. */
  tell(dbId: DbId, key: string | undefined): FirstRows | undefined {
    const kept = this.kept(dbId)?.queries.get(key ?? "");
    if (kept !== undefined) this.#onTold();
    return kept;
  }

  /** What a view is shown while the catalogs are being loaded, if its window is kept. */
  tellView(key: string): WindowDelta | undefined {
    const kept = this.views.tell(key);
    if (kept !== undefined) this.#onTold();
    return kept;
  }

  /** Resolves when a query or a view was answered by what is kept. */
  get told(): Promise<void> {
    return new Promise((resolve) => {
      this.#onTold = resolve;
    });
  }

  /** Whether anything can be told before the catalogs are loaded. */
  get hasKept(): boolean {
    return typeof this.#kept === "object" && this.#kept.databases.size > 0;
  }

  /** While the catalogs are being loaded: what is kept of a database. */
  kept(dbId: DbId): DatabaseRows | undefined {
    return this.#kept === undefined || this.#kept === "nothing" ? undefined : this.#kept.databases.get(dbId);
  }

  /** Whether what is here is other than what was written. */
  get isDirty(): boolean {
    return this.views.isDirty || this.#signature() !== this.#written;
  }

  /** All of it, to be written: it counts as written then. */
  take(): ReadonlyMap<DbId, ReadonlyMap<string, FirstRows>> {
    this.#written = this.#signature();
    return new Map([...this.#answers].map(([dbId, answers]) => [dbId, new Map(answers)]));
  }

  #signature(): string {
    const parts = [...this.#answers].map(([dbId, answers]) => {
      const queries = [...answers].map(([key, { total, rows }]) => [
        key,
        total,
        rows.map(({ id, changedAtMs }) => [id, changedAtMs]),
      ]);
      return [dbId, queries.sort(byName)];
    });
    return JSON.stringify(parts.sort(byName));
  }
}

const byName = ([one]: readonly unknown[], [other]: readonly unknown[]): number =>
  String(one) < String(other) ? -1 : 1;

/** Write what is kept: see the table above. What is too long for a first screen is left out. */
export function encodeFirstRows({ purgedCount, databases }: KeptRows): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter().u8(version).varint(purgedCount).varint(databases.size);
  for (const [dbId, { documentCount, queries }] of databases) {
    const kept = [...queries]
      .map(([key, answer]) => ({ key, total: answer.total, text: answerText(answer) }))
      .filter(({ text }) => text.length <= maxTextLength);
    writer.fixed(idToBytes(dbId)).varint(documentCount).varint(kept.length);
    for (const { key, total, text } of kept)
      writer
        .fixed(parseHex(key) ?? new Uint8Array(0), 32)
        .varint(total)
        .text(text);
  }
  return writer.toBytes();
}

/** Read what was kept; `undefined` when it is damaged or of another version. */
export function parseFirstRows(bytes: Uint8Array): KeptRows | undefined {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== version) return undefined;
  const purgedCount = reader.varint();
  const databases = new Map<DbId, DatabaseRows>();
  for (let count = reader.varint(maxDatabases); count > 0 && reader.error === undefined; count--) {
    const dbId = reader.fixed(16);
    const documentCount = reader.varint();
    const queries = new Map<string, FirstRows>();
    for (let left = reader.varint(maxQueries); left > 0 && reader.error === undefined; left--) {
      const key = bytesToHex(reader.fixed(32));
      const total = reader.varint();
      const answer = parseAnswer(reader.text(4 * maxTextLength));
      if (answer === undefined) reader.fail("rows");
      else queries.set(key, { total, ...answer });
    }
    if (reader.error === undefined) databases.set(bytesToId("DbId", dbId), { documentCount, queries });
  }
  return reader.finish() ? { purgedCount, databases } : undefined;
}

function answerText({ rows, cursor }: FirstRows): string {
  const place =
    cursor === undefined ? undefined : toJson({ ...cursor } as unknown as Parameters<typeof toJson>[0]);
  return `[${[place?.text ?? "null", place?.isTagged ?? false, ...rows.map(rowText)].join(",")}]`;
}

function rowText({ id, isWhole, author, createdAtMs, changedAtMs, value }: SummaryRow): string {
  const { text, isTagged } = toJson(value);
  return `[${JSON.stringify([id, isWhole, author, createdAtMs, changedAtMs, isTagged]).slice(1, -1)},${text}]`;
}

function parseAnswer(text: string): Omit<FirstRows, "total"> | undefined {
  const found = parseJson(text);
  if (!Array.isArray(found) || found.length < 2 || found.length > maxRows + 2) return undefined;
  const [place, isTagged, ...written] = found as readonly unknown[];
  const rows = written.map(parseRow);
  const cursor = place === null ? undefined : parseCursor(isTagged === true ? untagValue(place) : place);
  if (cursor === "malformed" || !rows.every((row) => row !== undefined)) return undefined;
  return { rows, cursor };
}

function parseCursor(found: unknown): Cursor | "malformed" {
  const { keys, id } = (found ?? {}) as { readonly keys?: unknown; readonly id?: unknown };
  return Array.isArray(keys) && typeof id === "string" ? ({ keys, id } as Cursor) : "malformed";
}

function parseRow(found: unknown): SummaryRow | undefined {
  if (!Array.isArray(found) || found.length !== 7) return undefined;
  const [id, isWhole, author, createdAtMs, changedAtMs, isTagged, written] = found as readonly unknown[];
  if (typeof id !== "string" || typeof author !== "string" || typeof isWhole !== "boolean") return undefined;
  if (typeof createdAtMs !== "number" || typeof changedAtMs !== "number") return undefined;
  const value = isTagged === true ? untagValue(written) : (written as DocValue);
  return isRecord(value) ? { id, value, isWhole, author, createdAtMs, changedAtMs } : undefined;
}
