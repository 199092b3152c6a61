/**
 * The orders of views of a database, kept in sealed slots, so that a view that is opened again is not built from nothing.
 *
 * | slot | sealed under name | content |
 * |---|---|---|
 * | `views/<dbId>/state` | the same name, position 0 | see below |
 * | `views/<dbId>/<place>` | the same name, its serial as position | an order, see view-order.ts |
 *
 * State: u8 version (1), varint serial of the last that was written, varint count (≤ 16), and for each, the one that was written last at
 * the end: key 32, place u8 (≤ 15), varint serial. A view of several databases, or tenants, has an order with each.
 *
 * Every write names the version of the state that it goes by (S3), and purging writes a new one: so of two tabs none puts back what the
 * other has taken out. In an order there are documents' numbers, and the values of their categories.
 */
import {
  ByteReader,
  ByteWriter,
  bytesToHex,
  isCofferError,
  parseHex,
  type DbId,
  type DocId,
} from "../std/index.ts";
import type { Slot, SlotWrite } from "../store/index.ts";
import type { TenantCore } from "./core.ts";
import { createPageSealer, type PageSealer } from "./pages.ts";
import { readPurged } from "./purge.ts";
import { again, swapSlots } from "./swap.ts";
import { encodeViewOrder, parseViewOrder, type ViewOrder } from "./view-order.ts";

const stateVersion = 1;
const maxKept = 16;
const maxAttempts = 3;
const keyBytes = 32;

interface KeptPlace {
  readonly key: string;
  readonly place: number;
  readonly serial: number;
}

/** Which orders are kept where. */
export interface ViewState {
  readonly serial: number;
  readonly kept: readonly KeptPlace[];
}

const noState: ViewState = { serial: 0, kept: [] };

/** Gives an order as it is now; `undefined` when there is none to keep. Documents that were purged are not to be in it. */
export type GatherOrder = (purged: ReadonlySet<DocId>) => ViewOrder | undefined;

/** Whoever has orders to keep. */
export interface OrderUser {
  save(): Promise<void>;
}

const prefixOf = (dbId: DbId): string => `views/${dbId}/`;
const stateSlot = (dbId: DbId): string => `${prefixOf(dbId)}state`;
const placeSlot = (dbId: DbId, place: number): string => `${prefixOf(dbId)}${place}`;

/** Reads and writes the orders of one database. */
export class ViewPages {
  readonly users = new Set<OrderUser>();
  readonly #core: TenantCore;
  readonly #dbId: DbId;
  #writing: Promise<unknown> = Promise.resolve();

  constructor(core: TenantCore, dbId: DbId) {
    this.#core = core;
    this.#dbId = dbId;
  }

  /** An order that is kept; `undefined` when there is none that can be read. */
  async read(key: string): Promise<ViewOrder | undefined> {
    const { state, sealer } = await readState(this.#core, this.#dbId);
    const kept = state.kept.find((one) => one.key === key);
    if (kept === undefined) return undefined;
    const slot = await readSoundly(this.#core, placeSlot(this.#dbId, kept.place));
    if (slot === "damaged" || !(slot?.value instanceof Uint8Array)) return undefined;
    const bytes = await sealer.open(slot.name, kept.serial, slot.value);
    const order = bytes && parseViewOrder(bytes);
    return order?.key === key ? order : undefined;
  }

  /** Keep an order; one write after the other. @returns whether it is kept now */
  write(gather: GatherOrder): Promise<boolean> {
    const writing = this.#writing.then(() => this.#write(gather));
    this.#writing = writing.catch(() => undefined);
    return writing;
  }

  /** The catalogs' pages were written: whoever has orders of them keeps these, where that is due. */
  async saveAll(): Promise<void> {
    for (const user of this.users) await user.save();
  }

  async #write(gather: GatherOrder): Promise<boolean> {
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      // In this order: whoever purges lists the document first, and writes the state after that.
      const { state, version, sealer } = await readState(this.#core, this.#dbId);
      const { ids } = await readPurged(this.#core);
      const order = gather(ids);
      if (order === undefined) return false;
      const next = withOrder(state, order.key);
      const name = placeSlot(this.#dbId, next.kept.at(-1)?.place ?? 0);
      const [value, stateValue] = await Promise.all([
        sealer.seal(name, next.serial, encodeViewOrder(order)),
        sealer.seal(stateSlot(this.#dbId), 0, encodeViewState(next)),
      ]);
      const writes = [
        { name: stateSlot(this.#dbId), value: stateValue, expectedVersion: version },
        { name, value },
      ];
      if ((await this.#core.store.write({ slots: writes })).kind === "stored") return true;
    }
    return false;
  }
}

/** Take every order of a database out: one of them may hold something of a document that is on the list of those that were purged. */
export async function purgeViewOrders(core: TenantCore, dbId: DbId): Promise<void> {
  const name = stateSlot(dbId);
  await swapSlots(name, async (swap) => {
    const { state, version, sealer } = await readState(core, dbId);
    const value = await sealer.seal(name, 0, encodeViewState({ serial: state.serial + 1, kept: [] }));
    const removals = (await core.store.readSlots(prefixOf(dbId)))
      .filter((slot) => slot.name !== name)
      .map((slot): SlotWrite => ({ name: slot.name, value: undefined }));
    const slots = [{ name, value, expectedVersion: version }, ...removals];
    return (await swap(core.store.write({ slots }))) ? true : again;
  });
}

/** The state with an order put in, last of all: in its old place, in one that is free, or in that of the first. */
function withOrder({ serial, kept }: ViewState, key: string): ViewState {
  const others = kept.filter((one) => one.key !== key);
  const taken = new Set(kept.map(({ place }) => place));
  const free = Array.from({ length: maxKept }, (_, place) => place).find((place) => !taken.has(place));
  const place = kept.find((one) => one.key === key)?.place ?? free ?? kept[0]?.place ?? 0;
  const next = { key, place, serial: serial + 1 };
  return { serial: serial + 1, kept: [...others.filter((one) => one.place !== place), next] };
}

async function readState(
  core: TenantCore,
  dbId: DbId,
): Promise<{ state: ViewState; version: number | undefined; sealer: PageSealer }> {
  const sealer = await createPageSealer(core.world.crypto, core.keys.bag.deviceKey, core.tenantId);
  const name = stateSlot(dbId);
  const slot = await readSoundly(core, name);
  if (slot === "damaged") return { state: noState, version: undefined, sealer };
  const sealed = slot?.value instanceof Uint8Array ? slot.value : undefined;
  const bytes = sealed && (await sealer.open(name, 0, sealed));
  return { state: (bytes && parseViewState(bytes)) ?? noState, version: slot?.version ?? 0, sealer };
}

/** A slot; one that the store cannot read is damaged, and is written over whatever it is. */
async function readSoundly(core: TenantCore, name: string): Promise<Slot | "damaged" | undefined> {
  try {
    return await core.store.readSlot(name);
  } catch (error) {
    if (isCofferError(error) && error.code === "entry/corrupt") return "damaged";
    throw error;
  }
}

/** Write the state: see above. */
export function encodeViewState({ serial, kept }: ViewState): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter().u8(stateVersion).varint(serial).varint(kept.length);
  for (const one of kept)
    writer
      .fixed(parseHex(one.key) ?? new Uint8Array(0), keyBytes)
      .u8(one.place)
      .varint(one.serial);
  return writer.toBytes();
}

/** Read the state; `undefined` when it is damaged or of another version. */
export function parseViewState(bytes: Uint8Array): ViewState | undefined {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== stateVersion) return undefined;
  const serial = reader.varint();
  const kept: KeptPlace[] = [];
  for (let left = reader.varint(maxKept); left > 0 && reader.error === undefined; left--) {
    const key = bytesToHex(reader.fixed(keyBytes));
    const place = reader.u8();
    if (place >= maxKept) reader.fail("place");
    kept.push({ key, place, serial: reader.varint() });
  }
  const isOnce = new Set(kept.map(({ place }) => place)).size === kept.length;
  return reader.finish() && isOnce ? { serial, kept } : undefined;
}
