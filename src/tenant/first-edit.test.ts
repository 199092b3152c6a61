import { afterEach, describe, expect, it } from "vitest";
import {
  closeDevices,
  draft,
  env,
  newSubscription,
  people,
  startDevice,
} from "../../worker/device-fixtures.ts";
import type { DraftOperation, DraftValue } from "../draft/index.ts";
import { createMemoryStorage, type Storage } from "../store/index.ts";

afterEach(closeDevices);

/** A storage, with how often records of a log were read by their positions. */
function countReads(inner: Storage): { storage: Storage; reads: { count: number } } {
  const reads = { count: 0 };
  const openStore: Storage["openStore"] = async (name) => {
    const store = await inner.openStore(name);
    const readRecords = store.readRecords.bind(store);
    store.readRecords = (positions) => {
      reads.count += 1;
      return readRecords(positions);
    };
    return store;
  };
  return { storage: { ...inner, openStore }, reads };
}

const setTitle: DraftOperation = { op: "set", path: ["title"], value: "new" };
const spliceTitle: DraftOperation = { op: "spliceText", path: ["title"], index: 0, remove: 1, insert: "new" };

/** Create a document, edit it, and read it again from the log in another thread. */
async function editOnce(value: DraftValue, operation: DraftOperation = setTitle) {
  const { storage, reads } = countReads(createMemoryStorage(env));
  const first = await startDevice(storage);
  const tenant = await first.api.createTenant(people);
  const database = newSubscription();
  await first.api.openDatabase(tenant.id, "notes", database);
  const [id = ""] = await first.api.createDocuments(database, [value]);
  const doc = newSubscription();
  reads.count = 0;
  const { heads } = await first.api.openDocument(database, id, doc);
  await first.api.changeDocument(doc, draft([operation], heads));
  const readCount = reads.count;
  await first.api.closeTenant(tenant.id);
  const second = await startDevice(storage);
  const open = { userName: undefined, password: people.userPassword, keepSession: false };
  await second.api.openTenant(tenant.id, open);
  const again = newSubscription();
  await second.api.openDatabase(tenant.id, "notes", again);
  const other = newSubscription();
  const shown = await second.api.openDocument(again, id, other);
  await second.api.changeDocument(other, draft([{ op: "set", path: ["last"], value: true }], shown.heads));
  return { readCount, read: (await second.api.openDocument(again, id, newSubscription())).value };
}

describe("the first edit of a document", () => {
  it("reads no log where the document shows all of what it was made of", async () => {
    const value = {
      title: "a",
      count: 3,
      ratio: 0.5,
      list: ["x", { y: null }],
      since: new Date(5),
      bytes: new Uint8Array([1, 2]),
    };
    for (const operation of [setTitle, spliceTitle]) {
      const { readCount, read } = await editOnce(value, operation);
      expect(readCount).toBe(0);
      expect(read).toEqual({ ...value, title: "new", last: true });
    }
  });

  it("needs no Automerge where it sets fields, and stands beside others made meanwhile", async () => {
    const noWasm = (): Promise<never> => Promise.reject(new Error("Automerge was loaded"));
    const storage = createMemoryStorage(env);
    const { api } = await startDevice(storage, env, noWasm);
    const tenant = await api.createTenant(people);
    const database = newSubscription();
    await api.openDatabase(tenant.id, "notes", database);
    const [id = "", other = ""] = await api.createDocuments(database, [{ title: "a" }, { title: "b" }]);
    const docs = [newSubscription(), newSubscription(), newSubscription()] as const;
    const [{ heads }, , { heads: otherHeads }] = await Promise.all([
      api.openDocument(database, id, docs[0]),
      api.openDocument(database, id, docs[1]),
      api.openDocument(database, other, docs[2]),
    ]);
    const edits = await Promise.allSettled([
      api.changeDocument(docs[0], draft([setTitle], heads)),
      api.changeDocument(docs[2], draft([setTitle, { op: "set", path: ["n"], value: 4 }], otherHeads)),
      // Upon what the first one replaced: that takes Automerge.
      api.changeDocument(docs[1], draft([setTitle], heads)),
    ]);
    expect(edits.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "rejected"]);
    await api.closeTenant(tenant.id);

    const second = await startDevice(storage);
    const open = { userName: undefined, password: people.userPassword, keepSession: false };
    await second.api.openTenant(tenant.id, open);
    const again = newSubscription();
    await second.api.openDatabase(tenant.id, "notes", again);
    const doc = newSubscription();
    const shown = await second.api.openDocument(again, other, doc);
    expect(shown.value).toEqual({ title: "new", n: 4 });
    await second.api.changeDocument(doc, draft([spliceTitle], shown.heads));
    const { value } = await second.api.openDocument(again, other, newSubscription());
    expect(value).toEqual({ title: "newew", n: 4 });
  });

  it("reads the log where it does not: counters and atomic strings show less", async () => {
    const count = new Map([["counter", 2]]) as unknown as DraftValue;
    const { readCount, read } = await editOnce({ title: "a", count });
    expect(readCount).toBeGreaterThan(0);
    expect(read).toEqual({ title: "new", count: 2, last: true });
  });

  it("reads the log of a long text, which the catalog cuts", async () => {
    const { readCount, read } = await editOnce({ title: "a", text: "long ".repeat(2000) });
    expect(readCount).toBeGreaterThan(0);
    expect(read).toEqual({ title: "new", text: "long ".repeat(2000), last: true });
  });
});
