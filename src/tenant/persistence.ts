/**
 * What is derived, kept: ledger and catalogs in sealed pages, written together with the position of the log they are current to.
 *
 * | slot | sealed under name | content |
 * |---|---|---|
 * | `derived/state` | `state`, position 0 | see {@link DerivedState} |
 * | `derived/ledger/<page>` | the same name, its position | a ledger page |
 * | `derived/catalog/<dbId>/<page>` | the same name, its position | a catalog page |
 * | `derived/entries/<dbId>/<chunk>` | the same name, its position | a chunk of the catalog's journal |
 * | `derived/first-rows` | the same name, the state's position | what queries answered, see first-rows.ts |
 * | `derived/first-views` | the same name, the state's position | the first windows of views, see first-views.ts |
 *
 * State: u8 version (3), text log epoch, u64 judged to, 32 hash there, then the positions that pages were sealed at, each list a varint
 * count and u64 each: of the ledger; varint count of databases, and for each 16 dbId, of its catalog, of its journal.
 *
 * One thread of the device at a time writes (a lock decides which); every thread reads. Anything missing, stale or damaged means: judge
 * the log again from the start. Nothing is lost by that but time.
 */
import { ByteReader, ByteWriter, bytesToId, idToBytes, type CommitHash, type DbId } from "../std/index.ts";
import type { Slot, SlotWrite, Store } from "../store/index.ts";
import type { Catalog } from "./catalog.ts";
import { encodeCatalogPage, parseCatalogPage } from "./catalog-codec.ts";
import type { TenantCore } from "./core.ts";
import {
  encodeFirstRows,
  firstRowsSlot,
  parseFirstRows,
  type DatabaseRows,
  type FirstRowsKeeper,
} from "./first-rows.ts";
import { encodeFirstViews, firstViewsSlot, parseFirstViews } from "./first-views.ts";
import { createPageSealer, pageStamp, type PageSealer } from "./pages.ts";

const stateVersion = 3;
const maxPages = 1_000_000;
const stateSlot = "derived/state";

/** The positions that the pages of a database were sealed at. */
interface DatabasePages {
  readonly catalog: number[];
  readonly entries: number[];
}

interface DerivedState {
  readonly logEpoch: string;
  readonly judgedTo: number;
  /** the commit at `judgedTo`; `undefined` for position 0 */
  readonly judgedHash: CommitHash | undefined;
  readonly ledger: number[];
  readonly databases: Map<DbId, DatabasePages>;
}

/** The slots of what is derived, by name. */
type DerivedSlots = ReadonlyMap<string, Slot>;

/** What is derived, being read, in the order in which it is used. */
export interface DerivedReading {
  /** state, ledger, first rows and first views */
  readonly beginning: Promise<DerivedSlots>;
  readonly summaries: Promise<DerivedSlots>;
  readonly entries: Promise<DerivedSlots>;
}

/** Read all that is derived: it is sealed, so that this needs no keys and can begin before they are there. */
export function readDerived(store: Store): DerivedReading {
  const read = async (...prefixes: readonly string[]): Promise<DerivedSlots> => {
    const slots = await Promise.all(prefixes.map((prefix) => store.readSlots(prefix)));
    return new Map(slots.flat().map((slot) => [slot.name, slot]));
  };
  const reading = {
    beginning: read(stateSlot, firstRowsSlot, firstViewsSlot, "derived/ledger/"),
    summaries: read("derived/catalog/"),
    entries: read("derived/entries/"),
  };
  for (const part of Object.values(reading)) part.catch(() => undefined);
  return reading;
}

/** Loads and writes the sealed pages of one tenant. */
export class Persistence {
  readonly #core: TenantCore;
  readonly #firstRows: FirstRowsKeeper;
  readonly #sealer: PageSealer;
  #ledger: number[] = [];
  #databases = new Map<DbId, DatabasePages>();
  /** of the state slot that this thread loaded or wrote last: while the slot has it, the pages are those that this thread knows */
  #stateVersion = -1;
  #writtenTo = -1;
  /** of the state slot that was read last */
  #readVersion = -1;
  /** between the two halves of loading */
  #begun: DerivedState | undefined;

  private constructor(core: TenantCore, firstRows: FirstRowsKeeper, sealer: PageSealer) {
    this.#core = core;
    this.#firstRows = firstRows;
    this.#sealer = sealer;
  }

  static async open(core: TenantCore, firstRows: FirstRowsKeeper): Promise<Persistence> {
    const sealer = await createPageSealer(core.world.crypto, core.keys.bag.deviceKey, core.tenantId);
    return new Persistence(core, firstRows, sealer);
  }

  /** Put the ledger back, and what queries answered last, if that still holds. {@link finish} follows, whatever comes of it. */
  async begin(reading: DerivedReading): Promise<void> {
    this.#forgetFirst();
    const slots = await reading.beginning;
    const state = await this.#readState(slots.get(stateSlot)?.value);
    this.#readVersion = slots.get(stateSlot)?.version ?? -1;
    if (state === undefined) return;
    const names = state.ledger.map((at, page): PageName => [ledgerPage(page), at]);
    const [end, pages, firstRows, firstViews] = await Promise.all([
      findEnd(this.#core.store, state),
      this.#openAll(names, slots),
      this.#readFirst(slots.get(firstRowsSlot), state, parseFirstRows),
      this.#readFirst(slots.get(firstViewsSlot), state, parseFirstViews),
    ]);
    if (end === "other") return;
    if (pages === undefined || !pages.every((bytes) => this.#core.ledger.loadPage(bytes))) {
      this.#core.resetDerived();
      return;
    }
    this.#begun = state;
    if (end !== "here") return;
    this.#firstRows.loading(firstRows);
    this.#firstRows.views.loading(firstViews);
  }

  /**
   * Put the catalogs back. `onSummaries`: queries can be answered, and nothing else yet.
   *
   * @returns the position that all is current to; `undefined` when it must be judged again
   */
  async finish(reading: DerivedReading, onSummaries: () => void): Promise<number | undefined> {
    const state = this.#begun;
    this.#begun = undefined;
    if (state === undefined) return undefined;
    if (!(await this.#restore(state, reading, onSummaries))) {
      this.#core.resetDerived();
      this.#forgetFirst();
      return undefined;
    }
    this.#core.ledger.markClean();
    for (const catalog of this.#core.catalogs().values()) catalog.markClean();
    this.#ledger = state.ledger;
    this.#databases = state.databases;
    this.#writtenTo = state.judgedTo;
    this.#stateVersion = this.#readVersion;
    return state.judgedTo;
  }

  /** Whether another thread wrote the pages since this one began to read them. */
  async isOvertaken(): Promise<boolean> {
    const slot = await this.#core.store.readSlot(stateSlot).catch(() => undefined);
    return (slot?.version ?? -1) !== this.#readVersion;
  }

  /**
   * Encode what changed, current to `judgedTo`, in the tenant's queue; `undefined` when nothing did. `isFirst` after this thread became
   * the writer, and after a failure: when the pages are others than those that this thread knows, all of them are written.
   */
  async collect(judgedTo: number, isFirst: boolean): Promise<Collected | undefined> {
    const { ledger } = this.#core;
    if (isFirst && (await this.#takeOver())) {
      ledger.markAllDirty();
      for (const catalog of this.#core.catalogs().values()) catalog.markAllDirty();
    }
    const pages: DirtyPage[] = [];
    for (const page of ledger.dirtyPages()) {
      this.#ledger[page] = judgedTo;
      pages.push({ name: ledgerPage(page), bytes: ledger.encodePage(page) });
    }
    for (const [dbId, catalog] of this.#core.catalogs())
      pages.push(...this.#collect(dbId, catalog, judgedTo));
    ledger.markClean();
    this.#firstRows.gather();
    if (pages.length === 0 && judgedTo === this.#writtenTo && !this.#firstRows.isDirty) return undefined;
    pages.push(...this.#encodeFirst());
    const positions = this.#encodePositions();
    return { pages, judgedTo, encodeState: (hash) => this.#encodeState(judgedTo, hash, positions) };
  }

  /** Seal and write what was collected; one call after the other, in the order of collecting. */
  async write({ pages, judgedTo, encodeState }: Collected): Promise<void> {
    const { store } = this.#core;
    const known = this.#stateVersion;
    // Until all is written, nobody knows what the pages hold.
    this.#stateVersion = -1;
    const [record] = judgedTo === 0 ? [] : await store.readRecords([judgedTo]);
    const state = await this.#sealer.seal("state", 0, encodeState(record?.commitHash));
    const stored: (() => void)[] = [];
    const sealed = pages.map(async ({ name, bytes, onStored }): Promise<SlotWrite> => {
      const value = bytes && (await this.#sealer.seal(name, judgedTo, bytes));
      if (value !== undefined) stored.push(() => onStored?.(value));
      return { name, value };
    });
    await store.write({ slots: [{ name: stateSlot, value: state }, ...(await Promise.all(sealed))] });
    for (const tell of stored) tell();
    this.#stateVersion = known + 1;
    this.#writtenTo = judgedTo;
  }

  /** Whether the pages are others than those that this thread knows; from here on they are its own. */
  async #takeOver(): Promise<boolean> {
    const known = this.#stateVersion;
    const slot = await this.#core.store.readSlot(stateSlot).catch(() => undefined);
    this.#stateVersion = slot?.version ?? 0;
    return known !== this.#stateVersion;
  }

  #collect(dbId: DbId, catalog: Catalog, judgedTo: number): readonly DirtyPage[] {
    const positions = this.#databases.get(dbId) ?? { catalog: [], entries: [] };
    this.#databases.set(dbId, positions);
    const pages: DirtyPage[] = [];
    for (const page of catalog.dirtyPages()) {
      positions.catalog[page] = judgedTo;
      const bytes = encodeCatalogPage(catalog.page(page), (docId) => catalog.isRead(docId));
      const changeCount = catalog.stamps.changeCount(page);
      const onStored = (sealed: Page): void => catalog.stamps.put(page, pageStamp(sealed), changeCount);
      pages.push({ name: catalogPage(dbId, page), bytes, onStored });
    }
    for (const { chunk, bytes } of catalog.takeDirtyChunks()) {
      positions.entries[chunk] = judgedTo;
      pages.push({ name: entriesChunk(dbId, chunk), bytes });
    }
    const { chunkCount } = catalog.journal;
    for (let chunk = chunkCount; chunk < positions.entries.length; chunk++)
      pages.push({ name: entriesChunk(dbId, chunk), bytes: undefined });
    positions.entries.length = chunkCount;
    catalog.markClean();
    return pages;
  }

  #encodeState(judgedTo: number, judgedHash: CommitHash | undefined, positions: Uint8Array): Page {
    const writer = new ByteWriter().u8(stateVersion).text(this.#core.store.logEpoch).u64(judgedTo);
    writer.fixed(judgedHash === undefined ? new Uint8Array(32) : idToBytes(judgedHash));
    return writer.fixed(positions).toBytes();
  }

  #encodePositions(): Uint8Array {
    const writer = new ByteWriter();
    writePositions(writer, this.#ledger);
    writer.varint(this.#databases.size);
    for (const [dbId, { catalog, entries }] of this.#databases) {
      writer.fixed(idToBytes(dbId));
      writePositions(writer, catalog);
      writePositions(writer, entries);
    }
    return writer.toBytes();
  }

  async #readState(value: unknown): Promise<DerivedState | undefined> {
    if (!(value instanceof Uint8Array)) return undefined;
    const bytes = await this.#sealer.open("state", 0, value);
    return bytes === undefined ? undefined : parseState(bytes);
  }

  get #purgedCount(): number {
    return this.#core.purged.rows.length;
  }

  #forgetFirst(): void {
    this.#firstRows.loading(undefined);
    this.#firstRows.views.loading(undefined);
  }

  async #readFirst<Kept extends { readonly purgedCount: number }>(
    slot: Slot | undefined,
    { judgedTo }: DerivedState,
    parse: (bytes: Uint8Array) => Kept | undefined,
  ): Promise<Kept | undefined> {
    if (!(slot?.value instanceof Uint8Array)) return undefined;
    const bytes = await this.#sealer.open(slot.name, judgedTo, slot.value);
    const kept = bytes && parse(bytes);
    return kept?.purgedCount === this.#purgedCount ? kept : undefined;
  }

  #encodeFirst(): readonly DirtyPage[] {
    const purgedCount = this.#purgedCount;
    const views = this.#firstRows.views.take();
    const queries = this.#firstRows.take();
    // Of a database that a view shows it is known how many documents it has, whether or not there are queries.
    const shown = new Set([...queries.keys(), ...[...views.values()].flatMap(({ dbIds }) => dbIds)]);
    const databases = new Map<DbId, DatabaseRows>();
    for (const dbId of shown) {
      const documentCount = this.#core.catalog(dbId).livingCount;
      databases.set(dbId, { documentCount, queries: queries.get(dbId) ?? new Map() });
    }
    return [
      { name: firstRowsSlot, bytes: encodeFirstRows({ purgedCount, databases }) },
      { name: firstViewsSlot, bytes: encodeFirstViews({ purgedCount, views }) },
    ];
  }

  /** Open these pages, all at once; `undefined` when one is missing or is not that page. */
  async #openAll(names: readonly PageName[], slots: DerivedSlots): Promise<readonly Page[] | undefined> {
    const opened = await Promise.all(
      names.map(async ([name, position]) => {
        const value = slots.get(name)?.value;
        return value instanceof Uint8Array ? this.#sealer.open(name, position, value) : undefined;
      }),
    );
    return opened.every((bytes) => bytes !== undefined) ? opened : undefined;
  }

  async #restore(state: DerivedState, reading: DerivedReading, onSummaries: () => void): Promise<boolean> {
    const { env } = this.#core.world;
    const loaders = new Map<DbId, (chunks: readonly Page[]) => boolean>();
    const slots = await reading.summaries;
    for (const [dbId, { catalog }] of state.databases) {
      const names = catalog.map((at, page): PageName => [catalogPage(dbId, page), at]);
      const opened = await this.#openAll(names, slots);
      env.mark("pages opened");
      const pages = opened?.map(parseCatalogPage);
      if (pages === undefined || !pages.every((page) => page !== undefined)) return false;
      const stamps = names.map(([name]) => pageStamp(slots.get(name)?.value));
      const loadEntries = this.#core.catalog(dbId).load(pages, stamps);
      if (loadEntries === undefined) return false;
      loaders.set(dbId, loadEntries);
    }
    env.mark("summaries known");
    onSummaries();
    const journals = await reading.entries;
    for (const [dbId, { entries }] of state.databases) {
      const names = entries.map((at, chunk): PageName => [entriesChunk(dbId, chunk), at]);
      const chunks = await this.#openAll(names, journals);
      if (chunks === undefined || loaders.get(dbId)?.(chunks) !== true) return false;
    }
    env.mark("entries known");
    return true;
  }
}

type Page = Uint8Array<ArrayBuffer>;
type PageName = readonly [name: string, position: number];

/** What {@link Persistence.collect} gives to {@link Persistence.write}. */
export interface Collected {
  readonly pages: readonly DirtyPage[];
  readonly judgedTo: number;
  readonly encodeState: (judgedHash: CommitHash | undefined) => Page;
}

/** A page to be written; without bytes it is there no more. */
interface DirtyPage {
  readonly name: string;
  readonly bytes: Page | undefined;
  readonly onStored?: (sealed: Page) => void;
}

const ledgerPage = (page: number): string => `derived/ledger/${page}`;
const catalogPage = (dbId: DbId, page: number): string => `derived/catalog/${dbId}/${page}`;
const entriesChunk = (dbId: DbId, chunk: number): string => `derived/entries/${dbId}/${chunk}`;

/** Where the log ends that the pages are of: where they end, beyond that, or it is another log. */
async function findEnd(store: Store, state: DerivedState): Promise<"here" | "beyond" | "other"> {
  if (state.logEpoch !== store.logEpoch) return "other";
  const [lastPosition, [record]] = await Promise.all([
    store.lastPosition(),
    state.judgedTo === 0 ? [] : store.readRecords([state.judgedTo]),
  ]);
  if (record?.commitHash !== state.judgedHash) return "other";
  return lastPosition === state.judgedTo ? "here" : "beyond";
}

function parseState(bytes: Uint8Array): DerivedState | undefined {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== stateVersion) return undefined;
  const logEpoch = reader.text(64);
  const judgedTo = reader.u64();
  const hash = reader.fixed(32);
  const ledger = readPositions(reader);
  const databases = new Map<DbId, DatabasePages>();
  const databaseCount = reader.varint(maxPages);
  for (let i = 0; i < databaseCount && reader.error === undefined; i++) {
    const dbId = reader.fixed(16);
    const pages = { catalog: readPositions(reader), entries: readPositions(reader) };
    if (dbId.length === 16) databases.set(bytesToId("DbId", dbId), pages);
  }
  if (!reader.finish()) return undefined;
  return {
    logEpoch,
    judgedTo,
    judgedHash: judgedTo === 0 ? undefined : bytesToId("CommitHash", hash),
    ledger,
    databases,
  };
}

function writePositions(writer: ByteWriter, positions: readonly number[]): void {
  writer.varint(positions.length);
  for (const position of positions) writer.u64(position);
}

function readPositions(reader: ByteReader): number[] {
  const count = reader.varint(maxPages);
  const positions: number[] = [];
  for (let i = 0; i < count && reader.error === undefined; i++) positions.push(reader.u64());
  return positions;
}
