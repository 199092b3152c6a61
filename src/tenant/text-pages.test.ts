/** The pages of an index: sealed, versioned, rebuilt where they are damaged, and of what was purged nothing stays, whoever writes when. */
import { beforeEach, expect, test } from "vitest";
import { foundCore } from "../../worker/core-fixtures.ts";
import { TextIndex } from "../search/index.ts";
import { bytesToId, type DocId } from "../std/index.ts";
import type { Slot } from "../store/index.ts";
import type { TenantCore } from "./core.ts";
import { createPageSealer } from "./pages.ts";
import { listPurged } from "./purge.ts";
import { TextPages } from "./text-pages.ts";

let core: TenantCore;
const dbId = bytesToId("DbId", new Uint8Array(16).fill(7));
const [a, b, c] = [1, 2, 3].map((at): DocId => bytesToId("DocId", new Uint8Array(16).fill(at))) as [
  DocId,
  DocId,
  DocId,
];
const stamp = "0123456789abcdef";
const noPause = (): Promise<void> => Promise.resolve();

beforeEach(async () => {
  core = await foundCore();
});

function put(index: TextIndex<DocId>, id: DocId, text: string): void {
  index.put(id, stamp, [{ field: "title", path: ["title"], text }]);
}

async function load(): Promise<{ readonly pages: TextPages; readonly index: TextIndex<DocId> }> {
  const pages = await TextPages.open(core, dbId);
  const index = new TextIndex<DocId>();
  await pages.load(async (segment, docs) => index.load(segment, docs));
  return { pages, index };
}

const find = (index: TextIndex<DocId>, text: string): readonly DocId[] =>
  index.search({ text, fields: undefined, prefix: "none", fuzzy: 0 }).found.map(({ id }) => id);

const slots = (): Promise<readonly Slot[]> => core.store.readSlots("text/");

/** Everything that this device could read in the pages, as text. */
async function readable(): Promise<string> {
  const sealer = await createPageSealer(core.world.crypto, core.keys.bag.deviceKey, core.tenantId);
  const parts: string[] = [];
  for (const { name, value } of await slots()) {
    for (let position = 0; position < 20; position++) {
      const bytes = value instanceof Uint8Array ? await sealer.open(name, position, value) : undefined;
      if (bytes !== undefined) parts.push(new TextDecoder().decode(bytes));
    }
  }
  return parts.join("\n");
}

test("what is written comes back, sealed, and only what changed is written again", async () => {
  const { index, pages } = await load();
  for (const [id, text] of [
    [a, "quixotic"],
    [b, "plain"],
  ] as const)
    put(index, id, text);
  expect(await pages.write(index, noPause)).toBe(true);
  for (const { value } of await slots())
    expect(Buffer.from(value as Uint8Array).includes("quixotic")).toBe(false);
  expect(await readable()).toContain("quixotic");
  const again = await load();
  expect(find(again.index, "quixotic")).toEqual([a]);
  const before = await slots();
  expect(await again.pages.write(again.index, noPause)).toBe(true);
  expect(await slots()).toEqual(before);
  for (const id of [a, b]) again.index.drop(id);
  await again.pages.write(again.index, noPause);
  expect((await slots()).map(({ name }) => name)).toEqual([`text/${dbId}/state`]);
});

test("a page that was moved, damaged or taken from another database is none", async () => {
  const first = await load();
  put(first.index, a, "quixotic");
  await first.pages.write(first.index, noPause);
  const [segment, state] = await slots();
  if (segment === undefined || state === undefined) throw new Error("two slots");
  const cases: readonly (readonly [name: string, value: Slot["value"] | undefined])[] = [
    [segment.name, state.value],
    [segment.name, undefined],
    [state.name, segment.value],
    [state.name, new Uint8Array(3)],
    [state.name, undefined],
  ];
  for (const [name, value] of cases) {
    await core.store.write({ slots: [{ name, value }] });
    const { index, pages } = await load();
    expect(index.size).toBe(0);
    put(index, b, "other");
    expect(await pages.write(index, noPause)).toBe(true);
    expect(find((await load()).index, "other")).toEqual([b]);
    await core.store.write({
      slots: [segment, state].map((slot) => ({ name: slot.name, value: slot.value })),
    });
    expect(find((await load()).index, "quixotic")).toEqual([a]);
  }
  const elsewhere = segment.name.replace(dbId, bytesToId("DbId", new Uint8Array(16).fill(8)));
  await core.store.write({ slots: [{ name: elsewhere, value: segment.value }] });
  const other = await TextPages.open(core, bytesToId("DbId", new Uint8Array(16).fill(8)));
  await other.load(() => Promise.reject(new Error("nothing is there")));
});

test("of a purged document nothing stays, and no tab that knows less puts it back", async () => {
  const first = await load();
  put(first.index, a, "quixotic");
  put(first.index, b, "plain");
  await first.pages.write(first.index, noPause);
  const second = await load();
  put(second.index, c, "later");
  await listPurged(core, [{ dbId, docId: a }]);
  await (await TextPages.open(core, dbId)).purge(a);
  expect(await readable()).not.toContain("quixotic");
  // Both have it in memory still.
  for (const { index, pages } of [first, second]) {
    put(index, b, "plain again");
    expect(await pages.write(index, noPause)).toBe(true);
    expect(await readable()).not.toContain("quixotic");
  }
  const last = await load();
  expect(find(last.index, "plain")).toEqual([b]);
  expect(find(last.index, "later")).toEqual([c]);
});

test("a purge in the middle of a writing wins, also over the first pages that there ever were", async () => {
  for (const isFirst of [true, false]) {
    const { index, pages } = await load();
    put(index, a, "quixotic");
    put(index, b, "plain");
    if (!isFirst) put(index, c, "more");
    let paused = 0;
    const purgeNow = async (): Promise<void> => {
      if (paused++ > 0) return;
      await listPurged(core, [{ dbId, docId: a }]);
      await (await TextPages.open(core, dbId)).purge(a);
    };
    expect(await pages.write(index, purgeNow)).toBe(false);
    expect(await readable()).not.toContain("quixotic");
    expect(await pages.write(index, noPause)).toBe(true);
    expect(await readable()).not.toContain("quixotic");
    expect(find((await load()).index, "plain")).toEqual([b]);
  }
});

test("what could not be written is written later", async () => {
  const { index, pages } = await load();
  put(index, a, "quixotic");
  await expect(pages.write(index, () => Promise.reject(new Error("full")))).rejects.toThrow("full");
  expect(index.isDirty).toBe(true);
  expect(await pages.write(index, noPause)).toBe(true);
  expect(find((await load()).index, "quixotic")).toEqual([a]);
});
