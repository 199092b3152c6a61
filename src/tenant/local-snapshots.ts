/**
 * Documents as they stood, kept on this device: opening one reads its snapshot and the entries behind it, however long its history is.
 *
 * The slot `snapshots/<dbId>/<docId>` is sealed as a page of that name:
 *
 * | field | size |
 * |---|---|
 * | version | u8 (1) |
 * | covered: how many of the document's accepted entries it holds | varint |
 * | heads | varint count (≤ 100 000), 32 each |
 * | document | the rest, see `OpenDoc.save` |
 *
 * Guarantees
 * - L1 derived: it never replaces entries, and whoever loses it loses time
 * - L2 it is used only when its heads are accepted entries of the document, and they and their past are as many as it covers: these
 *   are then exactly the changes that it holds
 */
import { ByteReader, ByteWriter, bytesToHex, parseHex, type DbId, type DocId } from "../std/index.ts";
import type { Store } from "../store/index.ts";
import type { AcceptedEntry, CatalogDoc } from "./catalog.ts";
import { findChange } from "./find-entry.ts";
import type { PageSealer } from "./pages.ts";

const snapshotVersion = 1;
const maxHeads = 100_000;
/** A snapshot is due after so many changes, and after a share of those that there are: writing it costs what the document weighs. */
const dueAfterChanges = 64;
const dueAfterShare = 32;

/** A document to be kept. */
export interface LocalSnapshot {
  readonly heads: readonly string[];
  readonly covered: number;
  readonly saved: Uint8Array;
}

/** Where the snapshot of a document is. */
export function snapshotSlot(dbId: DbId, docId: DocId): string {
  return `snapshots/${dbId}/${docId}`;
}

/** Whether a document of `count` entries is to be kept, when `covered` of them are. */
export function isSnapshotDue(count: number, covered: number): boolean {
  return count - covered >= Math.max(dueAfterChanges, Math.floor(count / dueAfterShare));
}

/** The entries that a snapshot does not hold, in order; `undefined` when it is not one of this document as it is accepted now. */
export function entriesBehind(
  doc: CatalogDoc,
  { heads, covered }: Pick<LocalSnapshot, "heads" | "covered">,
): ReadonlySet<AcceptedEntry> | undefined {
  const { entries } = doc;
  const isHeld = new Uint8Array(entries.length);
  for (const head of heads) {
    const index = findChange(doc, head);
    if (index < 0) return undefined;
    isHeld[index] = 1;
  }
  let count = 0;
  const behind: AcceptedEntry[] = [];
  // An entry's past comes before it.
  for (let index = entries.length - 1; index >= 0; index--) {
    const entry = entries[index];
    if (entry === undefined) continue;
    if (isHeld[index] === 0) {
      behind.push(entry);
      continue;
    }
    count += 1;
    for (const dependency of entry.dependencies) isHeld[dependency] = 1;
  }
  return count === covered ? new Set(behind.reverse()) : undefined;
}

/** Reads and writes the snapshots of one database. */
export class LocalSnapshots {
  readonly #store: Store;
  readonly #dbId: DbId;
  readonly #openSealer: () => Promise<PageSealer>;
  #sealer: Promise<PageSealer> | undefined;

  constructor(store: Store, dbId: DbId, openSealer: () => Promise<PageSealer>) {
    this.#store = store;
    this.#dbId = dbId;
    this.#openSealer = openSealer;
  }

  /** The snapshot of a document; `undefined` when there is none, or none that can be read. */
  async read(docId: DocId): Promise<LocalSnapshot | undefined> {
    const name = snapshotSlot(this.#dbId, docId);
    const slot = await this.#store.readSlot(name).catch(() => undefined);
    if (!(slot?.value instanceof Uint8Array)) return undefined;
    const bytes = await (await this.#seal()).open(name, 0, slot.value);
    return bytes === undefined ? undefined : parseSnapshot(bytes);
  }

  async write(docId: DocId, snapshot: LocalSnapshot): Promise<void> {
    const name = snapshotSlot(this.#dbId, docId);
    const value = await (await this.#seal()).seal(name, 0, encodeSnapshot(snapshot));
    await this.#store.write({ slots: [{ name, value }] });
  }

  async remove(docId: DocId): Promise<void> {
    await this.#store.write({ slots: [{ name: snapshotSlot(this.#dbId, docId), value: undefined }] });
  }

  #seal(): Promise<PageSealer> {
    return (this.#sealer ??= this.#openSealer());
  }
}

/** Write a snapshot: see the table above. */
export function encodeSnapshot({ heads, covered, saved }: LocalSnapshot): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(saved.length + 64 * heads.length + 16).u8(snapshotVersion).varint(covered);
  writer.varint(heads.length);
  for (const head of heads) writer.fixed(parseHex(head) ?? new Uint8Array(0), 32);
  return writer.fixed(saved).toBytes();
}

/** Read a snapshot; `undefined` when it is damaged or of another version. */
export function parseSnapshot(bytes: Uint8Array): LocalSnapshot | undefined {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== snapshotVersion) return undefined;
  const covered = reader.varint();
  const headCount = reader.varint(maxHeads);
  const heads: string[] = [];
  for (let i = 0; i < headCount && reader.error === undefined; i++) heads.push(bytesToHex(reader.fixed(32)));
  const saved = reader.fixed(reader.remaining);
  return reader.finish() ? { heads, covered, saved } : undefined;
}
