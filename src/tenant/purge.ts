/**
 * The documents that were erased on this device, by its user or by a record of the directory: what is in the log of them is no content any more, and what comes of them later is
 * erased too.
 *
 * The slot `purged`, sealed under the user's vault
 *
 * | field | size |
 * |---|---|
 * | version | u8, 1 |
 * | erasedCount | varint: of so many, from the first on, no content is left in the log |
 * | count | varint, ≤ 60 000 |
 * | count × dbId, docId | 16, 16; in the order of their purging, each once |
 *
 * ```
 * purge: list it (strict) ──► out of catalog, memory, slots ──► erase in the log ──► erasedCount
 *                 └── a crash from here on: the next opening erases the rest
 * ```
 * The list is written first, by compare-and-swap; so whoever erases after reading it erases everything that any tab has purged.
 * Where the store does not say whether it wrote, the list is read again: what is on it is purged. Until it could be read nothing is
 * done with the tenant's documents, so that nobody writes into one that the next opening would erase.
 */
import {
  ByteReader,
  ByteWriter,
  bytesToId,
  CofferError,
  idToBytes,
  isCofferError,
  type DbId,
  type DocId,
} from "../std/index.ts";
import { openPrivate, sealPrivate } from "../keys/index.ts";
import type { TenantCore } from "./core.ts";
import type { SlotWrite } from "../store/index.ts";
import { firstRowsSlot } from "./first-rows.ts";
import { firstViewsSlot } from "./first-views.ts";
import { valueSlot } from "./kept-values.ts";
import { snapshotSlot } from "./local-snapshots.ts";
import { slotNames } from "./slots.ts";
import { again, swapSlots, type Swap } from "./swap.ts";

const purgedVersion = 1;
const purgedPurpose = "purged-documents";
/** as many of the directory's, and of this device's own */
const maxPurged = 60_000;
const docsPerWrite = 100;

/** A document that was purged. */
export interface PurgedDoc {
  readonly dbId: DbId;
  readonly docId: DocId;
}

/** The purged documents of a tenant, in the order of their purging. */
export interface PurgedDocs {
  readonly rows: readonly PurgedDoc[];
  readonly ids: ReadonlySet<DocId>;
  /** of so many rows, from the first on, nothing is left in the log */
  readonly erasedCount: number;
}

/** None were purged. */
export const nonePurged: PurgedDocs = { rows: [], ids: new Set(), erasedCount: 0 };

/** Read the list as it is stored now. One that is damaged is none: what was erased stays so. @throws `access/locked` */
export async function readPurged(core: TenantCore): Promise<PurgedDocs> {
  return (await readSlot(core)).purged;
}

/**
 * Go by a list from now on. It only grows: one that was read before another was taken is no news. What it has from other tabs is out of
 * memory once {@link followSharedSlots} has told of it.
 */
export function setPurged(core: Pick<TenantCore, "purged" | "unlocked">, list: PurgedDocs): void {
  const { purged: known, unlocked } = core;
  if (unlocked === undefined) return;
  const isOlder =
    list.rows.length < known.rows.length && list.rows.every(({ docId }) => known.ids.has(docId));
  const erasedCount = Math.max(list.erasedCount, known.erasedCount);
  core.unlocked = { ...unlocked, purged: isOlder ? { ...known, erasedCount } : list };
}

/** Read the list, and go by it from now on. @returns the list. @throws `access/locked` */
export async function takePurged(core: TenantCore): Promise<PurgedDocs> {
  const list = await readPurged(core);
  if (core.unlocked !== undefined) core.unlocked = { ...core.unlocked, isPurgedUnsure: false };
  setPurged(core, list);
  return core.purged;
}

/** Put documents on the list, durably. @returns the list with them. @throws `input/too-large` */
export async function listPurged(core: TenantCore, docs: readonly PurgedDoc[]): Promise<PurgedDocs> {
  let list = core.purged;
  for (let from = 0; from < docs.length; from += docsPerWrite)
    list = await listSome(core, docs.slice(from, from + docsPerWrite));
  return list;
}

function listSome(core: TenantCore, docs: readonly PurgedDoc[]): Promise<PurgedDocs> {
  const edit = ({ rows, ids, erasedCount }: PurgedDocs): PurgedDocs | undefined => {
    const fresh = docs.filter(({ docId }) => !ids.has(docId));
    if (fresh.length === 0) return undefined;
    return {
      rows: [...rows, ...fresh],
      ids: new Set([...ids, ...fresh.map(({ docId }) => docId)]),
      erasedCount,
    };
  };
  // What queries and views showed of them goes with the same write.
  const kept = docs.flatMap(({ dbId, docId }) => [snapshotSlot(dbId, docId), valueSlot(dbId, docId)]);
  const further = [...kept, firstRowsSlot, firstViewsSlot];
  return change(
    core,
    edit,
    further.map((name) => ({ name, value: undefined })),
  );
}

/** Note that nothing is left in the log of the first `count` documents of the list. */
export function noteErased(core: TenantCore, count: number): Promise<PurgedDocs> {
  return change(core, (before) =>
    before.erasedCount >= count ? undefined : { ...before, erasedCount: count },
  );
}

/**
 * Take purged documents out of the catalogs. Pages that were written before a crash may hold them still.
 *
 * @returns those that were there
 */
export function dropPurged(core: TenantCore, rows: readonly PurgedDoc[]): readonly PurgedDoc[] {
  return rows.filter(({ dbId, docId }) => {
    const catalog = core.catalog(dbId);
    const doc = catalog.get(docId);
    if (doc === undefined) return false;
    catalog.withdraw(docId, new Set(doc.entries.map(({ entryHash }) => entryHash)));
    return true;
  });
}

/** Write the list: see the table above. */
export function encodePurged({ erasedCount, rows }: PurgedDocs): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(rows.length * 32 + 16).u8(purgedVersion).varint(erasedCount);
  writer.varint(rows.length);
  for (const { dbId, docId } of rows) writer.fixed(idToBytes(dbId)).fixed(idToBytes(docId));
  return writer.toBytes();
}

/** Read the list; `undefined` when it is damaged. */
export function parsePurged(bytes: Uint8Array): PurgedDocs | undefined {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== purgedVersion) reader.fail("version");
  const erasedCount = reader.varint(maxPurged);
  const count = reader.varint(maxPurged);
  const rows: PurgedDoc[] = [];
  for (let i = 0; i < count && reader.error === undefined; i++) {
    const dbId = reader.fixed(16);
    const docId = reader.fixed(16);
    if (reader.error === undefined)
      rows.push({ dbId: bytesToId("DbId", dbId), docId: bytesToId("DocId", docId) });
  }
  const ids = new Set(rows.map(({ docId }) => docId));
  if (!reader.finish() || erasedCount > count || ids.size !== count) return undefined;
  return { rows, ids, erasedCount };
}

/** `edit` gives the list after, or `undefined` to leave it as it is. */
async function change(
  core: TenantCore,
  edit: (before: PurgedDocs) => PurgedDocs | undefined,
  further: readonly SlotWrite[] = [],
): Promise<PurgedDocs> {
  const attempt = async (swap: Swap): Promise<PurgedDocs | typeof again> => {
    const { purged, version } = await readSlot(core);
    const after = edit(purged);
    if (after === undefined) return purged;
    if (after.rows.length > maxPurged) throw new CofferError("input/too-large", { purged: maxPurged });
    const { identity } = core.keys;
    const value = await sealPrivate(core.world.crypto, identity, purgedPurpose, encodePurged(after));
    const slot = { name: slotNames.purged, value, expectedVersion: version };
    const isStored = await swap(core.store.write({ slots: [slot, ...further], durability: "strict" }));
    return isStored ? after : again;
  };
  return swapSlots(slotNames.purged, attempt, () => {
    if (core.unlocked !== undefined) core.unlocked = { ...core.unlocked, isPurgedUnsure: true };
  });
}

async function readSlot(
  core: TenantCore,
): Promise<{ readonly purged: PurgedDocs; readonly version: number | undefined }> {
  const { identity } = core.keys;
  let version: number | undefined = 0;
  try {
    const slot = await core.store.readSlot(slotNames.purged);
    version = slot?.version ?? 0;
    if (!(slot?.value instanceof Uint8Array)) return { purged: nonePurged, version };
    const bytes = await openPrivate(core.world.crypto, identity, purgedPurpose, slot.value);
    return { purged: parsePurged(bytes) ?? nonePurged, version };
  } catch (error) {
    if (!isCofferError(error) || error.code !== "entry/corrupt") throw error;
    // A row that the store cannot read has no version: the next list takes its place whatever it is.
    return { purged: nonePurged, version: version === 0 ? undefined : version };
  }
}
