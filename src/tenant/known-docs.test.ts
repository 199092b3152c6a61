import { afterEach, describe, expect, it } from "vitest";
import {
  closeDevices,
  draft,
  env,
  newSubscription,
  people,
  startDevice,
} from "../../worker/device-fixtures.ts";
import type { DocEngine } from "../doc/index.ts";
import type { DraftOperation } from "../draft/index.ts";
import { CofferError } from "../std/index.ts";
import { createMemoryStorage, type Storage } from "../store/index.ts";

afterEach(closeDevices);

const noWasm = (): Promise<DocEngine> => Promise.reject(new CofferError("net/offline"));
const set = (name: string, value: string | number): DraftOperation => ({ op: "set", path: [name], value });
const insert: DraftOperation = { op: "spliceText", path: ["title"], index: 0, remove: 0, insert: "so " };

/** A storage whose logs refuse what is written while `full.isFull`. */
function fillable(): { storage: Storage; full: { isFull: boolean } } {
  const inner = createMemoryStorage(env);
  const full = { isFull: false };
  const openStore: Storage["openStore"] = async (name) => {
    const store = await inner.openStore(name);
    const write = store.write.bind(store);
    store.write = async (batch) => {
      if (full.isFull && batch.records !== undefined) throw new CofferError("store/quota");
      return write(batch);
    };
    return store;
  };
  return { storage: { ...inner, openStore }, full };
}

async function openNote(loadEngine?: () => Promise<DocEngine>) {
  const { storage, full } = fillable();
  const device = await startDevice(storage, env, ...(loadEngine === undefined ? [] : [loadEngine]));
  const tenant = await device.api.createTenant(people);
  const database = newSubscription();
  await device.api.openDatabase(tenant.id, "notes", database);
  const [id = ""] = await device.api.createDocuments(database, [{ title: "a", n: 0 }]);
  const doc = newSubscription();
  let { heads } = await device.api.openDocument(database, id, doc);
  const edit = async (...operations: readonly DraftOperation[]): Promise<void> => {
    ({ heads } = await device.api.changeDocument(doc, draft([...operations], heads)));
  };
  /** What another thread reads from the log, with Automerge. */
  const readAgain = async (): Promise<unknown> => {
    await device.api.closeTenant(tenant.id);
    const { api } = await startDevice(storage);
    const open = { userName: undefined, password: people.userPassword, keepSession: false };
    await api.openTenant(tenant.id, open);
    const again = newSubscription();
    await api.openDatabase(tenant.id, "notes", again);
    const other = newSubscription();
    const shown = await api.openDocument(again, id, other);
    await api.changeDocument(other, draft([insert], shown.heads));
    return (await api.openDocument(again, id, newSubscription())).value;
  };
  const shown = async (): Promise<unknown> =>
    (await device.api.openDocument(database, id, newSubscription())).value;
  return { ...device, database, edit, full, id, readAgain, shown };
}

describe("edits that set fields, one upon the other", () => {
  it("need no Automerge, and are read by it", async () => {
    const { edit, readAgain, shown } = await openNote(noWasm);
    for (let n = 1; n <= 40; n++) await edit(set("n", n), set(`field ${n % 3}`, `text ${n}`));
    const value = { title: "a", n: 40, "field 0": "text 39", "field 1": "text 40", "field 2": "text 38" };
    expect(await shown()).toEqual(value);
    expect(await readAgain()).toEqual({ ...value, title: "so a" });
  });

  it("go on behind one that was not stored, under another writer", async () => {
    const { edit, full, readAgain } = await openNote(noWasm);
    await edit(set("n", 1));
    full.isFull = true;
    await expect(edit(set("n", 2))).rejects.toMatchObject({ code: "store/quota" });
    full.isFull = false;
    // What is known is of the edit that was lost.
    await expect(edit(set("n", 3))).rejects.toMatchObject({ code: "net/offline" });
    expect(await readAgain()).toEqual({ title: "so a", n: 1 });
  });

  it("leave the document to Automerge at the first edit of another kind, and stand beside it", async () => {
    const { edit, readAgain, shown } = await openNote();
    await edit(set("n", 1));
    await edit(insert);
    await edit(set("n", 2));
    expect(await shown()).toEqual({ title: "so a", n: 2 });
    expect(await readAgain()).toEqual({ title: "so so a", n: 2 });
  });

  it("stop where a document has many entries: it is opened then, and kept", async () => {
    const { edit } = await openNote(noWasm);
    let count = 0;
    const editOn = async (): Promise<void> => {
      for (; count < 200; count++) await edit(set("n", count + 1));
    };
    await expect(editOn()).rejects.toMatchObject({ code: "net/offline" });
    expect(count).toBe(64);
  });

  it("know nothing of a document that was deleted and came back", async () => {
    const { api, database, edit, id } = await openNote();
    await edit(set("n", 1));
    await api.deleteDocument(database, id);
    await expect(edit(set("n", 2))).rejects.toMatchObject({ code: "doc/deleted" });
    await api.undeleteDocument(database, id);
    const doc = newSubscription();
    const { heads } = await api.openDocument(database, id, doc);
    await api.changeDocument(doc, draft([set("n", 3)], heads));
    expect((await api.openDocument(database, id, newSubscription())).value).toEqual({ title: "a", n: 3 });
  });
});
