/**
 * What is derived, kept: ledger and catalogs in sealed pages, written together with the position of the log they are current to.
 *
 * | slot | sealed under name | content |
 * |---|---|---|
 * | `derived/state` | `state`, position 0 | see {@link DerivedState} |
 * | `derived/ledger/<page>` | the same name, its position | a ledger page |
 * | `derived/catalog/<dbId>/<page>` | the same name, its position | a catalog page |
 *
 * One thread of the device at a time writes (a lock decides which); every thread reads. Anything missing, stale or damaged means: judge
 * the log again from the start. Nothing is lost by that but time.
 */
import { ByteReader, ByteWriter, bytesToId, idToBytes, type CommitHash, type DbId } from "../std/index.ts";
import type { SlotWrite, Store } from "../store/index.ts";
import { encodeCatalogPage, parseCatalogPage } from "./catalog-codec.ts";
import type { TenantCore } from "./core.ts";
import { createPageSealer, type PageSealer } from "./pages.ts";

const stateVersion = 2;
const maxPages = 1_000_000;
const stateSlot = "derived/state";

/** What the state slot says: u8 version, text log epoch, u64 judged to, hash there, ledger pages, databases with their pages. */
interface DerivedState {
  readonly logEpoch: string;
  readonly judgedTo: number;
  /** the commit at `judgedTo`; `undefined` for position 0 */
  readonly judgedHash: CommitHash | undefined;
  /** the position each page was sealed at */
  readonly ledgerPages: readonly number[];
  readonly catalogPages: ReadonlyMap<DbId, readonly number[]>;
}

/** Loads and writes the sealed pages of one tenant. */
export class Persistence {
  readonly #core: TenantCore;
  readonly #sealer: PageSealer;
  #ledgerPages: number[] = [];
  #catalogPages = new Map<DbId, number[]>();

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

  /** Put ledger and catalogs back from their pages. @returns the position they are current to; 0 when they must be judged again */
  async load(): Promise<number> {
    const { store } = this.#core;
    const slots = new Map((await store.readSlots("derived/")).map((slot) => [slot.name, slot.value]));
    const state = await this.#readState(slots.get(stateSlot));
    if (state === undefined || !(await isCurrent(store, state))) return 0;
    const read = async (name: string, position: number): Promise<Uint8Array | undefined> => {
      const value = slots.get(name);
      return value instanceof Uint8Array ? this.#sealer.open(name, position, value) : undefined;
    };
    if (!(await this.#loadPages(state, read))) {
      this.#core.resetDerived();
      return 0;
    }
    this.#core.ledger.markClean();
    for (const catalog of this.#core.catalogs().values()) catalog.markClean();
    this.#ledgerPages = [...state.ledgerPages];
    this.#catalogPages = new Map([...state.catalogPages].map(([dbId, pages]) => [dbId, [...pages]]));
    return state.judgedTo;
  }

  /** Seal and write what changed, current to `judgedTo`. `everything` after this thread became the writer. */
  async flush(judgedTo: number, everything: boolean): Promise<void> {
    const { ledger, store } = this.#core;
    if (everything) {
      ledger.markAllDirty();
      for (const catalog of this.#core.catalogs().values()) catalog.markAllDirty();
    }
    const pages: { name: string; bytes: Uint8Array }[] = [];
    for (const page of ledger.dirtyPages()) {
      this.#ledgerPages[page] = judgedTo;
      pages.push({ name: `derived/ledger/${page}`, bytes: ledger.encodePage(page) });
    }
    for (const [dbId, catalog] of this.#core.catalogs()) {
      const positions = this.#catalogPages.get(dbId) ?? [];
      this.#catalogPages.set(dbId, positions);
      for (const page of catalog.dirtyPages()) {
        positions[page] = judgedTo;
        pages.push({ name: `derived/catalog/${dbId}/${page}`, bytes: encodeCatalogPage(catalog.page(page)) });
      }
      catalog.markClean();
    }
    ledger.markClean();
    const [record] = judgedTo === 0 ? [] : await store.readRecords([judgedTo]);
    const state = this.#encodeState(judgedTo, record?.commitHash);
    const slots: SlotWrite[] = [{ name: stateSlot, value: await this.#sealer.seal("state", 0, state) }];
    for (const { name, bytes } of pages)
      slots.push({ name, value: await this.#sealer.seal(name, judgedTo, bytes) });
    await store.write({ slots });
  }

  #encodeState(judgedTo: number, judgedHash: CommitHash | undefined): Uint8Array {
    const writer = new ByteWriter().u8(stateVersion).text(this.#core.store.logEpoch).u64(judgedTo);
    writer
      .fixed(judgedHash === undefined ? new Uint8Array(32) : idToBytes(judgedHash))
      .varint(this.#core.ledger.pageCount);
    for (let page = 0; page < this.#core.ledger.pageCount; page++) writer.u64(this.#ledgerPages[page] ?? 0);
    writer.varint(this.#catalogPages.size);
    for (const [dbId, positions] of this.#catalogPages) {
      writer.fixed(idToBytes(dbId)).varint(positions.length);
      for (const position of positions) writer.u64(position);
    }
    return writer.toBytes();
  }

  async #readState(value: unknown): Promise<DerivedState | undefined> {
    if (!(value instanceof Uint8Array)) return undefined;
    const bytes = await this.#sealer.open("state", 0, value);
    return bytes === undefined ? undefined : parseState(bytes);
  }

  async #loadPages(
    state: DerivedState,
    read: (name: string, position: number) => Promise<Uint8Array | undefined>,
  ): Promise<boolean> {
    for (const [page, position] of state.ledgerPages.entries()) {
      const bytes = await read(`derived/ledger/${page}`, position);
      if (bytes === undefined || !this.#core.ledger.loadPage(bytes)) return false;
    }
    for (const [dbId, positions] of state.catalogPages) {
      const catalog = this.#core.catalog(dbId);
      for (const [page, position] of positions.entries()) {
        const bytes = await read(`derived/catalog/${dbId}/${page}`, position);
        const docs = bytes === undefined ? undefined : parseCatalogPage(bytes);
        if (docs === undefined) return false;
        for (const doc of docs) catalog.restore(doc);
      }
    }
    return true;
  }
}

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
  const ledgerPages = readPositions(reader);
  const catalogPages = new Map<DbId, readonly number[]>();
  const databaseCount = reader.varint(maxPages);
  for (let i = 0; i < databaseCount && reader.error === undefined; i++) {
    const dbId = reader.fixed(16);
    const positions = readPositions(reader);
    if (dbId.length === 16) catalogPages.set(bytesToId("DbId", dbId), positions);
  }
  if (!reader.finish()) return undefined;
  return {
    logEpoch,
    judgedTo,
    judgedHash: judgedTo === 0 ? undefined : bytesToId("CommitHash", hash),
    ledgerPages,
    catalogPages,
  };
}

function readPositions(reader: ByteReader): number[] {
  const count = reader.varint(maxPages);
  const positions: number[] = [];
  for (let i = 0; i < count && reader.error === undefined; i++) positions.push(reader.u64());
  return positions;
}
