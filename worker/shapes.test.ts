import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { recordDraft, type DocValue, type DraftOperation } from "../src/draft/index.ts";
import { field, value } from "../src/expr/index.ts";
import { createMemoryStorage } from "../src/store/index.ts";
import type { DatabaseShape, DocSnapshot, SummaryRow } from "./api.ts";
import {
  closeDevices,
  draft,
  env,
  newSubscription,
  people,
  rowsBy,
  shownAfter,
  shownBy,
  startDevice,
  type Device,
} from "./device-fixtures.ts";

type Fields = { readonly [key: string]: DocValue };

const second: DatabaseShape = {
  version: 2,
  defaults: { tags: [] },
  migrations: [{ to: 2, set: { name: field("first"), kind: value("person") } }],
};
const migrated = { first: "Ada", name: "Ada", kind: "person", tags: [], $version: 2 };

let device: Device;
let tenantId: string;
/** what an application of no version, and one of version 2, have open */
let older: number;
let newer: number;
let id: string;

beforeEach(async () => {
  device = await startDevice(createMemoryStorage(env));
  tenantId = (await device.api.createTenant(people)).id;
  [older, newer] = [newSubscription(), newSubscription()];
  await device.api.openDatabase(tenantId, "contacts", older);
  await device.api.openDatabase(tenantId, "contacts", newer, structuredClone(second));
  id = (await device.api.createDocuments(older, [{ first: "Ada" }]))[0] ?? "";
});
afterEach(closeDevices);

const record = (shown: DocSnapshot, edit: (fields: never) => unknown) =>
  recordDraft<Fields>(shown.value as never, edit as never) as unknown as {
    operations: DraftOperation[];
    optimistic: Fields;
  };

describe("a database with a shape", () => {
  it("shows older documents as the newest, and writes that with the first edit", async () => {
    const [old, now] = [newSubscription(), newSubscription()];
    const openedByOlder = await device.api.openDocument(older, id, old);
    const opened = await device.api.openDocument(newer, id, now);
    expect([openedByOlder.value, opened.value]).toEqual([{ first: "Ada" }, migrated]);

    const first = record(opened, (fields: { name: string; tags: string[] }) => {
      fields.name = "Ada L.";
      fields.tags.push("vip");
    });
    const next = record({ ...opened, value: first.optimistic }, (fields: { tags: string[] }) =>
      fields.tags.push("new"),
    );
    const message = draft(first.operations, opened.heads);
    const [one, two] = await Promise.all([
      device.api.changeDocument(now, message),
      device.api.changeDocument(now, draft(next.operations, opened.heads, message.draft)),
    ]);
    const shown = shownAfter(shownAfter(opened, one.update), two.update);
    expect(shown.value).toEqual(next.optimistic);
    expect(shown.value).toEqual({ ...migrated, name: "Ada L.", tags: ["vip", "new"] });

    // the older application goes on: what it does not know stays
    const seen = shownBy(device.events, old, openedByOlder);
    expect(seen.value).toEqual(shown.value);
    const third = record(seen, (fields: { first: string }) => (fields.first = "Eve"));
    await device.api.changeDocument(old, draft(third.operations, seen.heads));
    expect(shownBy(device.events, now, shown).value).toEqual({ ...shown.value, first: "Eve" });
  });

  it("lets an edit at older heads find what was shown to its page", async () => {
    const [one, other] = [newSubscription(), newSubscription()];
    const opened = await device.api.openDocument(newer, id, one);
    await device.api.openDocument(newer, id, other);
    const edit = (tag: string) =>
      record(opened, (fields: { name: string }) => (fields.name = tag)).operations;
    await device.api.changeDocument(one, draft(edit("B"), opened.heads));
    const reply = await device.api.changeDocument(other, draft(edit("C"), opened.heads));
    expect(["B", "C"]).toContain(shownAfter(opened, reply.update).value?.["name"]);
    expect((await device.api.readDocuments(older, [id]))[0]?.snapshot.value).toMatchObject({
      kind: "person",
      $version: 2,
    });
  });

  it("holds for new documents, queries, and many documents at a time", async () => {
    const [made = ""] = await device.api.createDocuments(newer, [{ name: "New" }]);
    const [query, plain] = [newSubscription(), newSubscription()];
    const filter = { op: "eq", args: [field("kind"), value("person")] } as const;
    const asked = { filter, sort: [{ field: "name" }], limit: undefined, offset: 0 };
    await device.api.openQuery(newer, asked, query);
    await device.api.openQuery(older, asked, plain);
    const rowsOf = (subscription: number): readonly SummaryRow[] => rowsBy(device.events, subscription);
    await device.until(() => rowsOf(query).length > 0);
    expect(rowsOf(query).map((row) => row.value)).toEqual([migrated]);
    expect(rowsOf(plain)).toEqual([]);

    const read = await device.api.readDocuments(newer, [id, made]);
    expect(read.map(({ snapshot }) => snapshot.value)).toEqual([
      migrated,
      { name: "New", tags: [], $version: 2 },
    ]);
    await device.api.changeDocuments(
      newer,
      read.map(({ docId, snapshot }) => ({
        docId,
        baseHeads: snapshot.heads,
        operations: record(snapshot, (fields: { tags: string[] }) => fields.tags.push("x")).operations,
      })),
      "relaxed",
    );
    const { changes } = await device.api.changesSince(newer, undefined, 64);
    expect(changes.map(({ snapshot }) => snapshot.value)).toEqual([
      { ...migrated, tags: ["x"] },
      { name: "New", tags: ["x"], $version: 2 },
    ]);
  });

  it("is refused when it is none", async () => {
    const broken = { ...second, version: -1 };
    await expect(
      device.api.openDatabase(tenantId, "contacts", newSubscription(), broken),
    ).rejects.toMatchObject({ code: "input/invalid", details: { at: "shape.version" } });
  });
});
