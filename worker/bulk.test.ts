import { afterEach, describe, expect, it } from "vitest";
import { createMemoryStorage } from "../src/store/index.ts";
import type { ReadDocument, WorkerEvent } from "./api.ts";
import { closeDevices, env, newSubscription, people, startDevice, type Device } from "./device-fixtures.ts";
import {
  readBulkDrafts,
  readCount,
  readCursor,
  readDocIds,
  readDurability,
  readText,
} from "./page-messages.ts";

afterEach(closeDevices);

const nowhere = "A".repeat(22);

async function founded() {
  const storage = createMemoryStorage(env);
  const device = await startDevice(storage);
  const { id: tenantId } = await device.api.createTenant(people);
  const database = newSubscription();
  await device.api.openDatabase(tenantId, "contacts", database);
  const logLength = async (): Promise<number> => {
    const store = await storage.openStore(`coffer/tenant/${tenantId}`);
    const last = await store.lastPosition();
    store.close();
    return last;
  };
  return { device, storage, tenantId, database, logLength };
}

const set = (n: number) => [{ op: "set" as const, path: ["n"], value: n }];
const draftsOn = (read: readonly ReadDocument[], n: number) =>
  read.map(({ docId, snapshot }) => ({ docId, baseHeads: snapshot.heads, operations: set(n) }));
const changesIn = (events: readonly WorkerEvent[]) =>
  events.flatMap((event) => (event.kind === "changes" ? [event] : []));
const texts = async (device: Device, database: number, ids: readonly string[]) =>
  (await device.api.readDocuments(database, ids)).map(({ snapshot }) => snapshot.value);

describe("many documents at a time", () => {
  it("are read whole, in the order asked, and say so when they are not there", async () => {
    const { device, database } = await founded();
    const long = "x".repeat(100_000);
    const [a = "", b = ""] = await device.api.createDocuments(database, [{ n: 1 }, { n: 2, long }]);
    await device.api.deleteDocument(database, a);
    const read = await device.api.readDocuments(database, [b, nowhere, "no id at all", a, b]);
    expect(read.map(({ docId }) => docId)).toEqual([b, nowhere, "no id at all", a, b]);
    expect(read.map(({ snapshot }) => snapshot.status)).toEqual([
      "ready",
      "failed",
      "failed",
      "deleted",
      "ready",
    ]);
    expect(read[0]?.snapshot).toMatchObject({ value: { n: 2, long }, branches: [] });
    const opened = await device.api.openDocument(database, b, newSubscription());
    expect(read[0]?.snapshot).toEqual(opened);
    expect(read[1]?.snapshot).toMatchObject({ value: undefined, heads: [] });
  });

  it("are edited in one commit where they fit, each at the heads that its draft saw", async () => {
    const { device, database, logLength } = await founded();
    const ids = await device.api.createDocuments(
      database,
      Array.from({ length: 64 }, (_, n) => ({ n })),
    );
    const before = await device.api.readDocuments(database, ids);
    const length = await logLength();
    const changed = await device.api.changeDocuments(database, draftsOn(before, 7), "strict");
    expect(await logLength()).toBe(length + 1);
    expect(changed.map(({ docId }) => docId)).toEqual(ids);
    const after = await device.api.readDocuments(database, ids);
    expect(after.map(({ snapshot }) => snapshot.value)).toEqual(ids.map(() => ({ n: 7 })));
    expect(after.map(({ snapshot }) => snapshot.heads)).toEqual(changed.map(({ heads }) => heads));
    // Drafts on an older version merge with what came since.
    const [first] = before;
    if (first === undefined) throw new Error("read");
    const other = { docId: first.docId, baseHeads: first.snapshot.heads };
    const operations = [{ op: "set" as const, path: ["m"], value: 1 }];
    await device.api.changeDocuments(database, [{ ...other, operations }], "relaxed");
    expect(await texts(device, database, [first.docId])).toEqual([{ n: 7, m: 1 }]);
  });

  it("go into several commits when they are large", async () => {
    const { device, database, logLength } = await founded();
    const ids = await device.api.createDocuments(database, [{ n: 0 }, { n: 1 }, { n: 2 }]);
    const read = await device.api.readDocuments(database, ids);
    const length = await logLength();
    const operations = [{ op: "set" as const, path: ["text"], value: "y".repeat(50_000) }];
    const drafts = draftsOn(read, 0).map((draft) => ({ ...draft, operations }));
    expect(await device.api.changeDocuments(database, drafts, "relaxed")).toHaveLength(3);
    expect(await logLength()).toBeGreaterThan(length + 1);
  });

  it("leave out those that are gone, and write the others before a refusal is told", async () => {
    const { device, database } = await founded();
    const ids = await device.api.createDocuments(database, [{ n: 0 }, { n: 1 }, { n: 2 }]);
    const [a = "", b = "", c = ""] = ids;
    const read = await device.api.readDocuments(database, ids);
    await device.api.deleteDocument(database, b);
    const gone = { docId: nowhere, baseHeads: [], operations: set(5) };
    const drafts = [gone, { ...gone, docId: "no id at all" }, ...draftsOn(read, 5)];
    const changed = await device.api.changeDocuments(database, drafts, "relaxed");
    expect(changed.map(({ docId }) => docId)).toEqual([a, c]);
    const misfit = { docId: a, baseHeads: ["11".repeat(32)], operations: set(6) };
    const good = draftsOn(await device.api.readDocuments(database, [c]), 6);
    await expect(device.api.changeDocuments(database, [misfit, ...good], "relaxed")).rejects.toMatchObject({
      code: "input/invalid",
    });
    expect(await texts(device, database, [a, c])).toEqual([{ n: 5 }, { n: 6 }]);
  });
});

describe("who listens to a database", () => {
  it("hears in batches what changed here and elsewhere, until it listens no more", async () => {
    const { device, database, storage, tenantId } = await founded();
    const second = await startDevice(storage);
    await second.api.openTenant(tenantId, {
      userName: undefined,
      password: people.userPassword,
      keepSession: false,
    });
    const other = newSubscription();
    await second.api.openDatabase(tenantId, "contacts", other);
    await device.api.listenChanges(database, true);
    await second.api.listenChanges(other, true);
    const ids = await device.api.createDocuments(database, [{ n: 1 }, { n: 2 }]);
    await device.until((events) => changesIn(events).length > 0);
    await second.until((events) => changesIn(events).length > 0);
    expect(changesIn(device.events)).toEqual([
      { kind: "changes", subscription: database, docIds: ids, isLocal: true },
    ]);
    expect(new Set(changesIn(second.events).flatMap(({ docIds }) => docIds))).toEqual(new Set(ids));
    expect(
      changesIn(second.events).every(({ isLocal, subscription }) => !isLocal && subscription === other),
    ).toBe(true);
    const heard = changesIn(device.events).length;
    await device.api.listenChanges(database, false);
    await device.api.createDocuments(database, [{ n: 3 }]);
    await second.until((events) => changesIn(events).flatMap(({ docIds }) => docIds).length > 2);
    expect(changesIn(device.events)).toHaveLength(heard);
  });
});

describe("what a page asks of many documents", () => {
  it("is judged", () => {
    const good = { docId: nowhere, baseHeads: [], operations: [] };
    expect(readBulkDrafts([good])).toEqual([good]);
    const bad: unknown[] = [
      undefined,
      {},
      [1],
      [{ ...good, docId: 1 }],
      [{ ...good, baseHeads: ["x"] }],
      [{ ...good, operations: [{ op: "set" }] }],
      [{ ...good, operations: {} }],
      [good, good],
    ];
    for (const message of bad)
      expect(() => readBulkDrafts(message)).toThrow(expect.objectContaining({ code: "input/invalid" }));
    const many = Array.from({ length: 65 }, (_, index) => ({ ...good, docId: String(index) }));
    expect(() => readBulkDrafts(many)).toThrow(expect.objectContaining({ code: "input/too-large" }));
    expect(() => readDocIds(Array.from({ length: 65 }, String))).toThrow(
      expect.objectContaining({ code: "input/too-large" }),
    );
    const refused: (() => unknown)[] = [
      () => readDocIds("a"),
      () => readDocIds([1]),
      () => readCursor(5),
      () => readCursor("a".repeat(20_000)),
      ...[0, 65, 1.5, "1", undefined].map((count) => () => readCount(count)),
      () => readDurability("eager", "durability"),
      () => readText(null, "name"),
    ];
    for (const read of refused) expect(read).toThrow(expect.objectContaining({ code: "input/invalid" }));
    expect([readCursor(undefined), readCount(64), readDurability("strict", "")]).toEqual([
      undefined,
      64,
      "strict",
    ]);
  });
});
