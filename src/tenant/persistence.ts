/**
 * What is derived, kept: ledger and catalogs in sealed pages, written together with the position of the log they are current to.
 *
 * | slot | sealed under name | content |
 * |---|---|---|
 * | `derived/state` | `state`, position 0 | see {@link DerivedState} |
 * | `derived/ledger/<page>` | the same name, its position | a ledger page |
 * | `derived/catalog/<dbId>/<page>` | the same name, its position | a catalog page |
 * | `derived/entries/<dbId>/<chunk>` | the same name, its position | a chunk of the catalog's journal |
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
import { encodeCatalogPage, parseCatalogPage, type PageDoc } from "./catalog-codec.ts";
import type { TenantCore } from "./core.ts";
import { createPageSealer, type PageSealer } from "./pages.ts";

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
export type DerivedSlots = ReadonlyMap<string, Slot>;

/** Read all that is derived: it is sealed, so that this needs no keys and can begin before they are there. */
export async function readDerived(store: Store): Promise<DerivedSlots> {
  return new Map((await store.readSlots("derived/")).map((slot) => [slot.name, slot]));
}

/** Loads and writes the sealed pages of one tenant. */
export class Persistence {
  readonly #core: TenantCore;
  readonly #sealer: PageSealer;
  #ledger: number[] = [];
  #databases = new Map<DbId, DatabasePages>();
  /** of the state slot that this thread loaded or wrote last: while the slot has it, the pages are those that this thread knows */
  #stateVersion = -1;
  #writtenTo = -1;

  private constructor(core: TenantCore, sealer: PageSealer) {
    this.#core = core;
    this.#sealer = sealer;
  }

  static async open(core: TenantCore): Promise<Persistence> {
    return new Persistence(
      core,
      await createPageSealer(core.world.crypto, core.keys.bag.deviceKey, core.tenantId),
    );
  }

  /**
   * Put ledger and catalogs back from their pages.
   *
   * @param read what {@link readDerived} gave
   * @returns the position they are current to; 0 when they must be judged again
   */
  async load(read: Promise<DerivedSlots>): Promise<number> {
    const { store } = this.#core;
    const slots = await read;
    this.#core.world.env.mark("pages read");
    const state = await this.#readState(slots.get(stateSlot)?.value);
    if (state === undefined) return 0;
    const [isStillCurrent, pages] = await Promise.all([isCurrent(store, state), this.#openAll(state, slots)]);
    if (!isStillCurrent) return 0;
    this.#core.world.env.mark("pages opened");
    if (pages === undefined || !this.#restore(state, pages)) {
      this.#core.resetDerived();
      return 0;
    }
    this.#core.world.env.mark("pages restored");
    this.#core.ledger.markClean();
    for (const catalog of this.#core.catalogs().values()) catalog.markClean();
    this.#ledger = state.ledger;
    this.#databases = state.databases;
    this.#writtenTo = state.judgedTo;
    this.#stateVersion = slots.get(stateSlot)?.version ?? -1;
    return state.judgedTo;
  }

  /**
   * Encode what changed, current to `judgedTo`, in the tenant's queue; `undefined` when nothing did. `isFirst` after this thread became
   * the writer, and after a failure: when the pages are others than those that this thread knows, all of them are written.
   */
  async collect(judgedTo: number, isFirst: boolean): Promise<Collected | undefined> {
    const { ledger } = this.#core;
    if (isFirst && (await this.#isOvertaken())) {
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
    if (pages.length === 0 && judgedTo === this.#writtenTo) return undefined;
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
    const sealed = pages.map(async ({ name, bytes }): Promise<SlotWrite> => {
      return { name, value: bytes && (await this.#sealer.seal(name, judgedTo, bytes)) };
    });
    await store.write({ slots: [{ name: stateSlot, value: state }, ...(await Promise.all(sealed))] });
    this.#stateVersion = known + 1;
    this.#writtenTo = judgedTo;
  }

  /** Whether the pages are others than those that this thread knows; from here on they are its own. */
  async #isOvertaken(): Promise<boolean> {
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
      pages.push({ name: catalogPage(dbId, page), bytes });
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

  /** Open every page that the state names, all at once; `undefined` when one is missing or is not that page. */
  async #openAll(state: DerivedState, slots: DerivedSlots): Promise<ReadonlyMap<string, Page> | undefined> {
    const names: [name: string, position: number][] = state.ledger.map((at, page) => [ledgerPage(page), at]);
    for (const [dbId, { catalog, entries }] of state.databases) {
      for (const [page, at] of catalog.entries()) names.push([catalogPage(dbId, page), at]);
      for (const [chunk, at] of entries.entries()) names.push([entriesChunk(dbId, chunk), at]);
    }
    const pages = new Map<string, Page>();
    const opened = names.map(async ([name, position]) => {
      const value = slots.get(name)?.value;
      if (!(value instanceof Uint8Array)) return;
      const bytes = await this.#sealer.open(name, position, value);
      if (bytes !== undefined) pages.set(name, bytes);
    });
    await Promise.all(opened);
    return pages.size === names.length ? pages : undefined;
  }

  #restore(state: DerivedState, pages: ReadonlyMap<string, Page>): boolean {
    for (const page of state.ledger.keys()) {
      const bytes = pages.get(ledgerPage(page));
      if (bytes === undefined || !this.#core.ledger.loadPage(bytes)) return false;
    }
    for (const [dbId, { catalog, entries }] of state.databases) {
      const docs: (readonly PageDoc[])[] = [];
      for (const page of catalog.keys()) {
        const found = parseCatalogPage(pages.get(catalogPage(dbId, page)) ?? new Uint8Array(0));
        if (found === undefined) return false;
        docs.push(found);
      }
      const chunks = [...entries.keys()].flatMap((chunk) => pages.get(entriesChunk(dbId, chunk)) ?? []);
      if (!this.#core.catalog(dbId).load(docs, chunks)) return false;
    }
    return true;
  }
}

type Page = Uint8Array<ArrayBuffer>;

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
}

const ledgerPage = (page: number): string => `derived/ledger/${page}`;
const catalogPage = (dbId: DbId, page: number): string => `derived/catalog/${dbId}/${page}`;
const entriesChunk = (dbId: DbId, chunk: number): string => `derived/entries/${dbId}/${chunk}`;

async function isCurrent(store: Store, state: DerivedState): Promise<boolean> {
  if (state.logEpoch !== store.logEpoch) return false;
  if (state.judgedTo === 0) return true;
  const [record] = await store.readRecords([state.judgedTo]);
  return record !== undefined && record.commitHash === state.judgedHash;
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
