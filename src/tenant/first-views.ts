/**
 * The first windows of the views that were open last, kept sealed beside the pages: a page that opens the same view again is shown its
 * rows before the catalogs are read, and the view is put together behind them.
 *
 * The slot `derived/first-views` is sealed as a page of that name, at the position of the log that it is current to:
 *
 * | field | size |
 * |---|---|
 * | version | u8 (1) |
 * | purged documents that are left out | varint |
 * | count of views | varint (≤ 8) |
 * | for each: key, count of databases, their dbIds | 32, varint (≤ 32), 16 each |
 * | for each, behind that: sized JSON text: [tagged, window], see `toJson` in catalog-codec.ts | |
 *
 * The key of a view is SHA-256 of its definition, its sources with the shapes they are read with, what of it is expanded and selected,
 * the window it is opened with, locale and time zone. As with first rows, it is used only while the log ends where it was written and no
 * more documents were purged since. A view of several tenants has none: their logs are written one by one.
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
import type { WindowDelta } from "../view/index.ts";
import { isRecord, parseJson, toJson, untagValue } from "./catalog-codec.ts";
import type { DocValue } from "../draft/index.ts";

/** Where they are kept. */
export const firstViewsSlot = "derived/first-views";

const version = 1;
const maxViews = 8;
const maxDatabases = 32;
const maxRows = 256;
const maxTextLength = 256 * 1024;
const keyDomain = utf8ToBytes("coffer/first-views/v1\0");

/** The window of one view, and the databases that it is of. */
export interface FirstView {
  readonly dbIds: readonly DbId[];
  /** as JSON text: it is written more often than it is read */
  readonly text: string;
}

/** What is kept of a tenant; views by their keys, the last opened last. */
export interface KeptViews {
  readonly purgedCount: number;
  readonly views: ReadonlyMap<string, FirstView>;
}

/** What a view is known by. Whoever sorts by a locale, or reads dates, sees something else elsewhere. */
export function viewKey(
  crypto: Pick<Crypto, "sha256">,
  view: { readonly locale: string | undefined },
): string {
  const { locale } = new Intl.Collator(view.locale).resolvedOptions();
  const { timeZone } = new Intl.DateTimeFormat().resolvedOptions();
  const whole = { ...view, locale, timeZone } as unknown as Parameters<typeof toJson>[0];
  return bytesToHex(crypto.sha256(keyDomain, utf8ToBytes(toJson(whole).text)));
}

/** Who shows a view. */
export interface FirstViewUser {
  /** Note what is shown now, if that can be kept. */
  gather(): void;
  /** The tenant was locked: what was told of what is kept is known no more. */
  lost(): void;
}

/** Remembers windows; until the catalogs are there, those that were kept. */
export class FirstViews {
  readonly users = new Set<FirstViewUser>();
  /** called when there is a window to be written */
  onDue: () => void = () => undefined;
  readonly #answers = new Map<string, FirstView>();
  #isLoading = true;
  #isDirty = false;

  /** A view is shown as the catalogs are now. */
  note(key: string, view: FirstView): void {
    if (view.text.length > maxTextLength || view.dbIds.length > maxDatabases) return;
    const before = this.#answers.get(key);
    if (before?.text === view.text) return;
    this.#isDirty = true;
    this.#answers.delete(key);
    this.#answers.set(key, view);
    for (const oldest of this.#answers.keys())
      if (this.#answers.size > maxViews) this.#answers.delete(oldest);
  }

  /** Documents of a database changed: what was kept may be wrong. */
  drop(dbId: DbId): void {
    for (const [key, { dbIds }] of this.#answers) if (dbIds.includes(dbId)) this.#answers.delete(key);
  }

  /** The catalogs are being loaded, and this is what still holds. */
  loading(kept: KeptViews | undefined): void {
    this.#answers.clear();
    for (const [key, view] of kept?.views ?? []) this.#answers.set(key, view);
    this.#isLoading = true;
    this.#isDirty = false;
  }

  /** The catalogs are there. */
  loaded(): void {
    this.#isLoading = false;
  }

  get isEmpty(): boolean {
    return this.#answers.size === 0;
  }

  get isDirty(): boolean {
    return this.#isDirty;
  }

  gather(): void {
    if (!this.#isLoading) for (const user of this.users) user.gather();
  }

  lost(): void {
    for (const user of this.users) user.lost();
  }

  /** The window of a view while the catalogs are being loaded, if it is kept. */
  tell(key: string): WindowDelta | undefined {
    const kept = this.#isLoading ? this.#answers.get(key) : undefined;
    return kept && parseWindow(kept.text);
  }

  /** All of it, to be written: it counts as written then. */
  take(): ReadonlyMap<string, FirstView> {
    this.#isDirty = false;
    return new Map(this.#answers);
  }
}

/** Write what is kept: see the table above. */
export function encodeFirstViews({ purgedCount, views }: KeptViews): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter().u8(version).varint(purgedCount).varint(views.size);
  for (const [key, { dbIds, text }] of views) {
    writer.fixed(parseHex(key) ?? new Uint8Array(0), 32).varint(dbIds.length);
    for (const dbId of dbIds) writer.fixed(idToBytes(dbId));
    writer.text(text);
  }
  return writer.toBytes();
}

/** Read what was kept; `undefined` when it is damaged or of another version. The windows are judged when they are told. */
export function parseFirstViews(bytes: Uint8Array): KeptViews | undefined {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== version) return undefined;
  const purgedCount = reader.varint();
  const views = new Map<string, FirstView>();
  for (let count = reader.varint(maxViews); count > 0 && reader.error === undefined; count--) {
    const key = bytesToHex(reader.fixed(32));
    const dbIds: DbId[] = [];
    for (let left = reader.varint(maxDatabases); left > 0 && reader.error === undefined; left--) {
      const id = reader.fixed(16);
      if (reader.error === undefined) dbIds.push(bytesToId("DbId", id));
    }
    views.set(key, { dbIds, text: reader.text(4 * maxTextLength) });
  }
  return reader.finish() ? { purgedCount, views } : undefined;
}

/** Write a window as text; `undefined` for one that has more rows than a screen. */
export function windowText(window: WindowDelta): string | undefined {
  const rows = window.splices.flatMap(({ inserted }) => inserted);
  if (rows.length > maxRows) return undefined;
  const { from, rowCount, documentCount, totals } = window;
  const value = { from, rowCount, documentCount, totals, rows } as unknown as Parameters<typeof toJson>[0];
  const { text, isTagged } = toJson(value);
  return `[${String(isTagged)},${text}]`;
}

/** Read the text of a window; `undefined` when it is none. */
export function parseWindow(text: string): WindowDelta | undefined {
  const found = parseJson(text);
  if (!Array.isArray(found) || found.length !== 2) return undefined;
  const [isTagged, written] = found as readonly unknown[];
  const value = isTagged === true ? untagValue(written) : (written as DocValue);
  if (!isRecord(value)) return undefined;
  const { from, rowCount, documentCount, totals, rows } = value;
  if (![from, rowCount, documentCount].every((count) => Number.isSafeInteger(count))) return undefined;
  if (!isRecord(totals) || !Array.isArray(rows) || rows.length > maxRows || !rows.every(isShownRow))
    return undefined;
  const splices = [{ from: 0, removed: 0, inserted: rows }];
  return { from, rowCount, documentCount, totals, splices, changed: [] } as unknown as WindowDelta;
}

function isShownRow(row: DocValue): boolean {
  if (!isRecord(row) || typeof row["key"] !== "string" || !Number.isSafeInteger(row["level"])) return false;
  if (row["kind"] === "document") return typeof row["id"] === "string" && isRecord(row["values"]);
  return row["kind"] === "category" && Array.isArray(row["path"]) && isRecord(row["totals"]);
}
