/**
 * The orders of a database's indexes, kept so that they are not sorted again at the next opening.
 *
 * The slot `indexes/<dbId>/<n>` holds u64 position ‖ page, sealed under the slot's name and the position of the log that it is current to:
 *
 * | field | size |
 * |---|---|
 * | version | u8 (1) |
 * | field | varint count of steps (1 to 32), a text each |
 * | order | varint count (≤ 10 000 000), the documents' numbers, u32 each |
 *
 * N1 an order is a hint (I3): lost, damaged, moved or of another state of the log it costs sorting, and nothing else
 * N2 no field and no value stands outside what is sealed
 */
import { ByteReader, ByteWriter, type DbId } from "../std/index.ts";
import type { FieldPath } from "../expr/index.ts";
import type { Store } from "../store/index.ts";
import type { PageSealer } from "./pages.ts";
import { indexKey } from "./row-index.ts";

const orderVersion = 1;
const maxSteps = 32;
const maxStepBytes = 4 * 1024;
const maxOrder = 10_000_000;
const maxKept = 64;

/** An order, and the field whose it is. */
export interface IndexOrder {
  readonly path: FieldPath;
  readonly order: readonly number[];
}

interface Kept {
  readonly place: number;
  readonly order: readonly number[];
}

/** Reads and writes the orders of one database. */
export class IndexPages {
  readonly #store: Store;
  readonly #dbId: DbId;
  readonly #openSealer: () => Promise<PageSealer>;
  /** called when there is an order to be written */
  readonly due: () => void;
  /** slots by the names of the indexes that stand in them */
  #places: Promise<Map<string, Kept>> | undefined;

  constructor(
    place: { readonly store: Store; readonly dbId: DbId },
    openSealer: () => Promise<PageSealer>,
    due: () => void,
  ) {
    this.#store = place.store;
    this.#dbId = place.dbId;
    this.#openSealer = openSealer;
    this.due = due;
  }

  /** The order of a field's index as it was kept last; `undefined` when there is none that can be read. */
  async read(path: FieldPath): Promise<readonly number[] | undefined> {
    return (await this.#open()).get(indexKey(path))?.order;
  }

  /** Keep an order, current to a position of the log. */
  async write({ path, order }: IndexOrder, judgedTo: number): Promise<void> {
    const places = await this.#open();
    const key = indexKey(path);
    const place = places.get(key)?.place ?? freePlace([...places.values()].map((one) => one.place));
    if (place >= maxKept) return;
    const name = slotOf(this.#dbId, place);
    const sealed = await (await this.#openSealer()).seal(name, judgedTo, encodeOrder({ path, order }));
    const value = new ByteWriter(sealed.length + 8).u64(judgedTo).fixed(sealed).toBytes();
    await this.#store.write({ slots: [{ name, value }] });
    places.set(key, { place, order });
  }

  #open(): Promise<Map<string, Kept>> {
    this.#places ??= this.#readAll().catch((error: unknown) => {
      this.#places = undefined;
      throw error;
    });
    return this.#places;
  }

  async #readAll(): Promise<Map<string, Kept>> {
    const found = new Map<string, Kept>();
    const slots = await this.#store.readSlots(`indexes/${this.#dbId}/`).catch(() => []);
    const sealer = await this.#openSealer();
    for (const { name, value } of slots) {
      const place = Number(name.split("/").at(-1));
      if (!(value instanceof Uint8Array) || name !== slotOf(this.#dbId, place)) continue;
      const reader = new ByteReader(value);
      const position = reader.u64();
      const sealed = reader.fixed(reader.remaining);
      const bytes = reader.finish() ? await sealer.open(name, position, sealed) : undefined;
      const kept = bytes && parseOrder(bytes);
      if (kept !== undefined) found.set(indexKey(kept.path), { place, order: kept.order });
    }
    return found;
  }
}

const slotOf = (dbId: DbId, place: number): string => `indexes/${dbId}/${place}`;

function freePlace(taken: readonly number[]): number {
  let place = 0;
  while (taken.includes(place)) place += 1;
  return place;
}

/** Write an order: see the table above. */
export function encodeOrder({ path, order }: IndexOrder): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(order.length * 4 + 64).u8(orderVersion).varint(path.length);
  for (const step of path) writer.text(step);
  writer.varint(order.length);
  for (const number of order) writer.u32(number);
  return writer.toBytes();
}

/** Read an order; `undefined` when it is damaged or of another version. */
export function parseOrder(bytes: Uint8Array): IndexOrder | undefined {
  const reader = new ByteReader(bytes);
  if (reader.u8() !== orderVersion) return undefined;
  const steps = reader.varint(maxSteps);
  const path: string[] = [];
  for (let i = 0; i < steps && reader.error === undefined; i++) path.push(reader.text(maxStepBytes));
  const count = reader.varint(maxOrder);
  const order: number[] = [];
  for (let i = 0; i < count && reader.error === undefined; i++) order.push(reader.u32());
  return reader.finish() && path.length > 0 ? { path, order } : undefined;
}
