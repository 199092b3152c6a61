/**
 * What documents with long histories show, kept plain beside their snapshots: such a document is on the page before Automerge is there.
 *
 * The slot `values/<dbId>/<docId>` is sealed as a page of that name:
 *
 * | field | size |
 * |---|---|
 * | version | u8 (1) |
 * | heads | varint count (1…100 000), 32 each |
 * | tagged | u8 (0, 1) |
 * | value | text (≤ 16 MiB): JSON; see `toJson` in catalog-codec.ts |
 *
 * Guarantees
 * - K1 derived: it never replaces entries, and whoever loses it loses time
 * - K2 it is shown only while its heads are those of the document as it is accepted now. The hash of a change names all that came before
 *   it, so that one and the same heads have one value
 */
import { ByteReader, ByteWriter, bytesToHex, parseHex, type DbId, type DocId } from "../std/index.ts";
import type { DocValue } from "../draft/index.ts";
import type { Store } from "../store/index.ts";
import type { CatalogDoc } from "./catalog.ts";
import { isRecord, parseJson, toJson, untagValue } from "./catalog-codec.ts";
import { isSnapshotDue } from "./local-snapshots.ts";
import type { PageSealer } from "./pages.ts";

const valueVersion = 1;
const maxHeads = 100_000;
const maxTextBytes = 16 * 1024 * 1024;
const maxDue = 8;

/** What a document shows at some heads. */
export interface KeptValue {
  readonly heads: readonly string[];
  readonly value: { readonly [key: string]: DocValue };
}

/** Where the value of a document is. */
export function valueSlot(dbId: DbId, docId: DocId): string {
  return `values/${dbId}/${docId}`;
}

/** Reads and writes the values of one database. */
export class KeptValues {
  readonly #store: Store;
  readonly #dbId: DbId;
  readonly #openSealer: () => Promise<PageSealer>;
  #sealer: Promise<PageSealer> | undefined;
  /** the heads of what is kept, where that is known */
  readonly #kept = new Map<DocId, string>();
  /** noted and not written yet */
  readonly #due = new Map<DocId, KeptValue>();

  constructor(store: Store, dbId: DbId, openSealer: () => Promise<PageSealer>) {
    this.#store = store;
    this.#dbId = dbId;
    this.#openSealer = openSealer;
  }

  /** What a document shows as it is accepted now; `undefined` when that is not kept. */
  async read(doc: CatalogDoc): Promise<KeptValue["value"] | undefined> {
    if (!isKept(doc)) return undefined;
    const { docId } = doc;
    const name = valueSlot(this.#dbId, docId);
    const slot = await this.#store.readSlot(name).catch(() => undefined);
    if (!(slot?.value instanceof Uint8Array)) return undefined;
    const bytes = await (await this.#seal()).open(name, 0, slot.value);
    const kept = bytes && parseKeptValue(bytes);
    if (kept?.heads.join() !== doc.heads.join()) return undefined;
    this.#kept.set(docId, doc.heads.join());
    return kept.value;
  }

  /** Whether what is kept of a document is not what it shows now. */
  isDue(doc: CatalogDoc): boolean {
    return isKept(doc) && this.#kept.get(doc.docId) !== doc.heads.join();
  }

  /** A document shows this at its heads: it is to be kept, unless it is. */
  note(doc: CatalogDoc, value: KeptValue["value"]): void {
    if (!this.isDue(doc) || (this.#due.size >= maxDue && !this.#due.has(doc.docId))) return;
    this.#kept.set(doc.docId, doc.heads.join());
    this.#due.set(doc.docId, { heads: [...doc.heads], value });
  }

  /** What is to be written, at most a few; it counts as kept then. */
  take(): readonly (readonly [DocId, KeptValue])[] {
    const taken = [...this.#due];
    this.#due.clear();
    return taken;
  }

  /** Write what was taken. One that is too long for its slot is left out. */
  async write(docId: DocId, kept: KeptValue): Promise<void> {
    const bytes = encodeKeptValue(kept);
    if (bytes === undefined) return;
    const name = valueSlot(this.#dbId, docId);
    const value = await (await this.#seal()).seal(name, 0, bytes);
    await this.#store.write({ slots: [{ name, value }] });
  }

  async remove(docId: DocId): Promise<void> {
    await this.#store.write({ slots: [{ name: valueSlot(this.#dbId, docId), value: undefined }] });
  }

  /** The tenant is locked: nothing readable stays. */
  drop(): void {
    this.#due.clear();
    this.#kept.clear();
  }

  /** Entries of a document are void: what was kept of it goes. */
  forget(docId: DocId): void {
    this.#due.delete(docId);
    // One that stays behind all the same is never shown: K2.
    if (this.#kept.delete(docId)) this.remove(docId).catch(() => undefined);
  }

  #seal(): Promise<PageSealer> {
    return (this.#sealer ??= this.#openSealer());
  }
}

/** A document is read from its log soon enough, or shown by its summary, where this is not so. */
function isKept({ entries, summary }: CatalogDoc): boolean {
  return summary?.isWhole !== true && isSnapshotDue(entries.length, 0);
}

/** Write a value: see the table above; `undefined` for one that is too long. */
export function encodeKeptValue({ heads, value }: KeptValue): Uint8Array<ArrayBuffer> | undefined {
  const { text, isTagged } = toJson(value);
  // No character takes more than three bytes of UTF-8 for each of its units.
  if (3 * text.length > maxTextBytes || heads.length > maxHeads) return undefined;
  const writer = new ByteWriter(text.length + 32 * heads.length + 16).u8(valueVersion).varint(heads.length);
  for (const head of heads) writer.fixed(parseHex(head) ?? new Uint8Array(0), 32);
  return writer
    .u8(isTagged ? 1 : 0)
    .text(text)
    .toBytes();
}

/** Read a value; `undefined` when it is damaged or of another version. */
export function parseKeptValue(bytes: Uint8Array): KeptValue | undefined {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== valueVersion) return undefined;
  const heads: string[] = [];
  for (let left = reader.varint(maxHeads); left > 0 && reader.error === undefined; left--)
    heads.push(bytesToHex(reader.fixed(32)));
  const tagged = reader.u8();
  const text = reader.text(maxTextBytes);
  if (!reader.finish() || tagged > 1 || heads.length === 0) return undefined;
  const found = parseJson(text);
  const value = tagged === 1 ? untagValue(found) : (found as DocValue | undefined);
  return isRecord(value) ? { heads, value } : undefined;
}
