/** The orders of views: sealed, a few of them, written by who knows what is there, and of what was purged nothing stays. */
import { beforeEach, expect, test } from "vitest";
import { foundCore } from "../../worker/core-fixtures.ts";
import { crypto } from "../../worker/device-fixtures.ts";
import { bytesToHex, bytesToId, type DocId } from "../std/index.ts";
import type { Slot } from "../store/index.ts";
import type { TenantCore } from "./core.ts";
import { createPageSealer } from "./pages.ts";
import { listPurged } from "./purge.ts";
import type { ViewOrder } from "./view-order.ts";
import { purgeViewOrders, ViewPages } from "./view-pages.ts";

let core: TenantCore;
const dbId = bytesToId("DbId", new Uint8Array(16).fill(7));
const docId: DocId = bytesToId("DocId", new Uint8Array(16).fill(1));

beforeEach(async () => {
  core = await foundCore();
});

const orderOf = (number: number, value = "a secret word"): ViewOrder => ({
  key: bytesToHex(new Uint8Array(32).fill(number)),
  stamps: [bytesToHex(new Uint8Array(12).fill(number + 1))],
  categories: [
    { parent: undefined, step: undefined, documents: [] },
    { parent: 0, step: { column: 0, value }, documents: [number] },
  ],
});
const open = (): ViewPages => new ViewPages(core, dbId);
const read = (number: number): Promise<ViewOrder | undefined> => open().read(orderOf(number).key);
const slots = (): Promise<readonly Slot[]> => core.store.readSlots("views/");
const nameOf = (place: number | string): string => `views/${dbId}/${place}`;

test("what is kept is read again, by its key alone, and in no slot stands a word of it", async () => {
  expect(await read(1)).toBeUndefined();
  expect(await open().write(() => orderOf(1))).toBe(true);
  expect(await open().write(() => orderOf(2))).toBe(true);
  expect(await read(1)).toEqual(orderOf(1));
  expect(await read(2)).toEqual(orderOf(2));
  expect(await read(3)).toBeUndefined();
  expect(await new ViewPages(core, bytesToId("DbId", new Uint8Array(16).fill(8))).read(orderOf(1).key)).toBe(
    undefined,
  );
  for (const { value } of await slots())
    expect(value instanceof Uint8Array && Buffer.from(value).includes("secret")).toBe(false);
});

test("an order takes the place of the one before, and of a few only the last are kept", async () => {
  await open().write(() => orderOf(1, "before"));
  await open().write(() => orderOf(1, "after"));
  expect(await read(1)).toEqual(orderOf(1, "after"));
  expect(await slots()).toHaveLength(2);
  for (let number = 2; number <= 17; number++) await open().write(() => orderOf(number));
  expect(await read(1)).toBeUndefined();
  for (let number = 2; number <= 17; number++) expect(await read(number)).toEqual(orderOf(number));
  expect(await slots()).toHaveLength(17);
});

test("several are written at once, by one tab or two", async () => {
  const [one, other] = [open(), open()];
  await Promise.all([1, 2, 3].map((number) => one.write(() => orderOf(number))));
  const kept = await Promise.all([one.write(() => orderOf(4)), other.write(() => orderOf(5))]);
  expect(kept).toEqual([true, true]);
  for (const number of [1, 2, 3, 4, 5]) expect(await read(number)).toEqual(orderOf(number));
});

test("a slot that is damaged, moved, or of an older state is none, and is written over", async () => {
  await open().write(() => orderOf(1, "before"));
  const [before] = (await slots()).filter(({ name }) => name === nameOf(0));
  await open().write(() => orderOf(1, "after"));
  await open().write(() => orderOf(2));
  if (before === undefined) throw new Error("nothing was kept");
  await core.store.write({ slots: [{ name: nameOf(0), value: before.value }] });
  expect(await read(1)).toBeUndefined();
  await core.store.write({ slots: [{ name: nameOf(1), value: before.value }] });
  expect(await read(2)).toBeUndefined();
  await core.store.write({ slots: [{ name: nameOf(0), value: new Uint8Array(3) }] });
  expect(await read(1)).toBeUndefined();
  await core.store.write({ slots: [{ name: nameOf("state"), value: new Uint8Array(100) }] });
  expect(await read(1)).toBeUndefined();
  expect(await open().write(() => orderOf(1))).toBe(true);
  expect(await read(1)).toEqual(orderOf(1));
});

test("one of another version of the format is none", async () => {
  await open().write(() => orderOf(1));
  const sealer = await createPageSealer(crypto, core.keys.bag.deviceKey, core.tenantId);
  const value = await sealer.seal(nameOf(0), 1, new Uint8Array([2]));
  await core.store.write({ slots: [{ name: nameOf(0), value }] });
  expect(await read(1)).toBeUndefined();
});

test("purging takes all of them out, damaged ones too", async () => {
  await open().write(() => orderOf(1));
  await core.store.write({ slots: [{ name: nameOf(7), value: new Uint8Array(3) }] });
  await purgeViewOrders(core, dbId);
  expect((await slots()).map(({ name }) => name)).toEqual([nameOf("state")]);
  expect(await read(1)).toBeUndefined();
  expect(await open().write(() => orderOf(1))).toBe(true);
  expect(await read(1)).toEqual(orderOf(1));
});

test("a write that goes by a state from before a purge is made again, with the list as it is now", async () => {
  const asked: boolean[] = [];
  const { write } = core.store;
  const pages = open();
  let isFirst = true;
  core.store.write = async (batch) => {
    if (isFirst && batch.slots?.some(({ name }) => name === nameOf(0)) === true) {
      isFirst = false;
      await listPurged(core, [{ dbId, docId }]);
      await purgeViewOrders(core, dbId);
    }
    return write.call(core.store, batch);
  };
  const isKept = await pages.write((purged) => {
    asked.push(purged.has(docId));
    return purged.has(docId) ? undefined : orderOf(1);
  });
  core.store.write = write;
  expect(isKept).toBe(false);
  expect(asked).toEqual([false, true]);
  expect((await slots()).map(({ name }) => name)).toEqual([nameOf("state")]);
});
