import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { encodeCommit, type Commit } from "../src/entry/index.ts";
import type { Batch, Storage, Store } from "../src/store/index.ts";
import { CofferError } from "../src/std/index.ts";
import {
  bring,
  eventually,
  logOf,
  reopen,
  setStage,
  tenantOf,
  valueOf,
  type Replica,
  type Stage,
} from "./attack-fixtures.ts";
import { closeDevices, draft, newSubscription, people, rowsBy, startDevice } from "./device-fixtures.ts";

let stage: Stage;
let victim: Replica;

beforeEach(async () => {
  stage = await setStage();
  ({ victim } = stage);
});
afterEach(closeDevices);

const storeOf = ({ storage, tenantId }: Replica): Promise<Store> =>
  storage.openStore(`coffer/tenant/${tenantId}`);

/** Whether some bytes are anywhere in a replica's store. */
async function holds(replica: Replica, part: Uint8Array): Promise<boolean> {
  const store = await storeOf(replica);
  const records = await store.readLog({ after: 0, maxCount: 10_000, maxBytes: 1e9 });
  const slots = await store.readSlots("");
  store.close();
  const values = [...records.map(({ bytes }) => bytes), ...slots.map(({ value }) => value)];
  return values.some(
    (value) => value instanceof Uint8Array && Buffer.from(value).includes(Buffer.from(part)),
  );
}

/** The ciphertexts of a document in a log. */
function ciphertextsOf(log: readonly Commit[], docId: string): readonly Uint8Array[] {
  return log.flatMap(({ entries }) =>
    entries.flatMap(({ ciphertext, header }) =>
      header?.docId === docId && ciphertext !== undefined ? [ciphertext.slice()] : [],
    ),
  );
}

const withoutEntries = (commit: Commit, isLeftOut: (index: number) => boolean) => ({
  commitHash: commit.commitHash,
  bytes: encodeCommit({
    ...commit,
    entries: commit.entries.map(({ entryHash, header, ciphertext }, index) =>
      isLeftOut(index) || ciphertext === undefined
        ? { entryHash, ...(header && { header }) }
        : { entryHash, ...(header && { header }), ciphertext },
    ),
  }),
});

const statusOf = async ({ device, database }: Replica, id: string) =>
  (await device.api.readDocuments(database, [id]))[0]?.snapshot.status;

/** Three documents in one commit, the second with an edit of its own. */
async function written(): Promise<readonly [string, string, string]> {
  const { api } = victim.device;
  const [a = "", b = "", c = ""] = await api.createDocuments(victim.database, [{ n: 1 }, { n: 2 }, { n: 3 }]);
  const doc = newSubscription();
  const { heads } = await api.openDocument(victim.database, b, doc);
  await api.changeDocument(doc, draft([{ op: "set", path: ["secret"], value: "word" }], heads));
  await api.closeDocument(doc);
  return [a, b, c];
}

describe("a document that is purged", () => {
  it("is gone from the store to the last byte, and the others of its commits stay, after every opening", async () => {
    const { api, events } = victim.device;
    const [a, b, c] = await written();
    const before = await logOf(victim);
    const bytes = ciphertextsOf(before, b);
    expect(bytes).toHaveLength(2);
    const doc = newSubscription();
    await api.openDocument(victim.database, b, doc);
    const query = newSubscription();
    await api.openQuery(victim.database, { filter: undefined, sort: [], limit: undefined, offset: 0 }, query);
    await api.purgeDocument(victim.database, b);
    for (const part of bytes) expect(await holds(victim, part)).toBe(false);
    expect(await api.documentIds(victim.database)).toEqual([a, c]);
    expect(await statusOf(victim, b)).toBe("purged");
    expect(await api.openDocument(victim.database, b, newSubscription())).toMatchObject({
      value: undefined,
      heads: [],
      status: "purged",
    });
    await eventually(() =>
      events.findLast((event) => event.kind === "doc" && event.subscription === doc),
    ).toMatchObject({ update: { status: "purged", value: undefined } });
    await eventually(() => rowsBy(events, query).map((row) => row.id)).toEqual([a, c]);
    const after = await logOf(victim);
    const naming = after.filter(({ entries }) => entries[0]?.header?.entryType === "doc_purge");
    expect(after.filter((commit) => !naming.includes(commit)).map(({ commitHash }) => commitHash)).toEqual(
      before.map(({ commitHash }) => commitHash),
    );
    // Nobody is to wait for what was erased: it is named, once.
    const erased = before.flatMap(({ entries }) => entries.filter(({ header }) => header?.docId === b));
    const named = naming.flatMap(({ entries }) => entries[0]?.header?.dependencies ?? []);
    expect(named.toSorted()).toEqual(erased.map(({ entryHash }) => entryHash).toSorted());
    const fresh = await reopen(victim, people.userPassword);
    await expectOthers(fresh);
    await fresh.device.api.closeTenant(fresh.tenantId);
    const store = await storeOf(fresh);
    const derived = await store.readSlots("derived/");
    await store.write({ slots: derived.map(({ name }) => ({ name, value: undefined })) });
    store.close();
    await expectOthers(await reopen(fresh, people.userPassword));

    async function expectOthers(replica: Replica): Promise<void> {
      await eventually(() => replica.device.api.documentIds(replica.database)).toEqual([a, c]);
      expect(await valueOf(replica, a)).toEqual({ n: 1 });
      expect(await valueOf(replica, c)).toEqual({ n: 3 });
      expect(await statusOf(replica, b)).toBe("purged");
      expect(tenantOf(replica)?.status).toMatchObject({ unjudgedCount: 0, quarantinedCount: 0 });
    }
  });

  it("takes no edit, is purged once more without harm, and what never was cannot be", async () => {
    const { api } = victim.device;
    const [a, b] = await written();
    const doc = newSubscription();
    const { heads } = await api.openDocument(victim.database, b, doc);
    await api.purgeDocument(victim.database, b);
    await api.purgeDocument(victim.database, b);
    const edit = api.changeDocument(doc, draft([{ op: "set", path: ["n"], value: 9 }], heads));
    await expect(edit).rejects.toMatchObject({ code: "doc/missing" });
    await expect(api.undeleteDocument(victim.database, b)).rejects.toMatchObject({ code: "doc/missing" });
    const never = api.purgeDocument(victim.database, "A".repeat(22));
    await expect(never).rejects.toMatchObject({ code: "doc/missing" });
    expect(await valueOf(victim, a)).toEqual({ n: 1 });
  });

  it("stays erased when it comes again, and so does what is new of it", async () => {
    const { bystander } = stage;
    const writerNonce = bystander.nonce();
    const one = bystander.create(writerNonce, 0, { title: "secret" });
    const two = bystander.create(writerNonce, 1, { title: "open" });
    const commit = await bystander.seal({ writerNonce, entries: [one.entry, two.entry] });
    await bring(victim, [commit]);
    await eventually(() => victim.device.api.documentIds(victim.database)).toHaveLength(2);
    await victim.device.api.purgeDocument(victim.database, one.docId);
    const dependency = commit.entries[0]?.entryHash;
    if (dependency === undefined) throw new Error("no entry");
    const later = bystander.edit([one.change], {
      docId: one.docId,
      writerNonce,
      operations: [{ op: "set", path: ["title"], value: "still secret" }],
      dependencies: [dependency],
    });
    const news = bystander.create(writerNonce, 2, { title: "news" });
    const next = await bystander.seal({
      writerNonce,
      writerSeq: 2,
      predecessors: [commit.commitHash],
      entries: [later.entry, news.entry],
    });
    await bring(victim, [commit, next]);
    await eventually(() => victim.device.api.documentIds(victim.database)).toEqual([two.docId, news.docId]);
    for (const part of ciphertextsOf([commit, next], one.docId))
      await eventually(() => holds(victim, part)).toBe(false);
    expect(await statusOf(victim, one.docId)).toBe("purged");
    const again = await reopen(victim, people.userPassword);
    expect(await again.device.api.documentIds(again.database)).toEqual([two.docId, news.docId]);
    expect(tenantOf(again)?.status.unjudgedCount).toBe(0);
  });

  it("is gone in every tab", async () => {
    const [, b] = await written();
    const device = await startDevice(victim.storage);
    await device.api.openTenant(victim.tenantId, {
      userName: undefined,
      password: people.userPassword,
      keepSession: false,
    });
    const database = newSubscription();
    await device.api.openDatabase(victim.tenantId, "contacts", database);
    const tab = { ...victim, device, database };
    const doc = newSubscription();
    const { heads } = await device.api.openDocument(database, b, doc);
    await victim.device.api.purgeDocument(victim.database, b);
    await eventually(() => statusOf(tab, b)).toBe("purged");
    const edit = device.api.changeDocument(doc, draft([{ op: "set", path: ["n"], value: 9 }], heads));
    await expect(edit).rejects.toMatchObject({ code: "doc/missing" });
  });

  it("is gone in a tab that purges another before it hears of it", async () => {
    const [a, b, c] = await written();
    const held: (() => void)[] = [];
    let isHolding = true;
    const storage: Storage = {
      ...victim.storage,
      async openStore(name) {
        const store = await victim.storage.openStore(name);
        const onWrite = store.onWrite.bind(store);
        store.onWrite = (listener) =>
          onWrite((event) => {
            if (event.local || !isHolding) listener(event);
            else held.push(() => listener(event));
          });
        return store;
      },
    };
    const device = await startDevice(storage);
    await device.api.openTenant(victim.tenantId, {
      userName: undefined,
      password: people.userPassword,
      keepSession: false,
    });
    const database = newSubscription();
    await device.api.openDatabase(victim.tenantId, "contacts", database);
    const tab = { ...victim, device, database };
    expect(await device.api.documentIds(database)).toEqual([a, b, c]);
    await victim.device.api.purgeDocument(victim.database, b);
    await device.api.purgeDocument(database, c);
    isHolding = false;
    for (const tell of held) tell();
    await eventually(() => device.api.documentIds(database)).toEqual([a]);
    expect(await statusOf(tab, b)).toBe("purged");
    await eventually(() => victim.device.api.documentIds(victim.database)).toEqual([a]);
  });

  it("is erased by the next opening when the tab died in between", async () => {
    const [, b] = await written();
    const bytes = ciphertextsOf(await logOf(victim), b);
    const openStore = victim.storage.openStore.bind(victim.storage);
    let isDead = false;
    const dying = {
      ...victim.storage,
      async openStore(name: string) {
        const store = await openStore(name);
        const rewrite = store.rewrite.bind(store);
        store.rewrite = (...args) => (isDead ? new Promise(() => undefined) : rewrite(...args));
        return store;
      },
    };
    const tab = await reopen({ ...victim, storage: dying }, people.userPassword);
    isDead = true;
    void tab.device.api.purgeDocument(tab.database, b).catch(() => undefined);
    await eventually(() => statusOf(tab, b)).toBe("purged");
    for (const part of bytes) expect(await holds(victim, part)).toBe(true);
    const next = await startDevice(victim.storage);
    await next.api.openTenant(victim.tenantId, {
      userName: undefined,
      password: people.userPassword,
      keepSession: false,
    });
    for (const part of bytes) await eventually(() => holds(victim, part)).toBe(false);
  });
});

describe("a purge of which the store does not say whether it is listed", () => {
  const unknown = () => new CofferError("store/failed", { outcome: "unknown" });
  const isList = (batch: Batch): boolean => batch.slots?.some(({ name }) => name === "purged") === true;

  interface Answer {
    write: "all" | "stored" | "stored and unreadable" | "lost";
    isReadable: boolean;
  }

  /** A tab whose store answers neither writes of the list nor readings of it, as told. */
  async function silentTab(): Promise<{ readonly tab: Replica; readonly answer: Answer }> {
    const answer: Answer = { write: "all", isReadable: true };
    const storage: Storage = {
      ...victim.storage,
      async openStore(name) {
        const store = await victim.storage.openStore(name);
        const write = store.write.bind(store);
        const readSlot = store.readSlot.bind(store);
        store.write = async (batch) => {
          if (!isList(batch) || answer.write === "all") return write(batch);
          if (answer.write !== "lost") await write(batch);
          if (answer.write === "stored and unreadable") answer.isReadable = false;
          throw unknown();
        };
        store.readSlot = async (slot) => {
          if (slot === "purged" && !answer.isReadable) throw new CofferError("store/failed");
          return readSlot(slot);
        };
        return store;
      },
    };
    return { tab: await reopen({ ...victim, storage }, people.userPassword), answer };
  }

  it("is done when the list shows it", async () => {
    const [a, b, c] = await written();
    const bytes = ciphertextsOf(await logOf(victim), b);
    const { tab, answer } = await silentTab();
    answer.write = "stored";
    const purging = tab.device.api.purgeDocument(tab.database, b);
    await eventually(() => statusOf(tab, b)).toBe("purged");
    answer.write = "all";
    await purging;
    expect(await tab.device.api.documentIds(tab.database)).toEqual([a, c]);
    for (const part of bytes) expect(await holds(victim, part)).toBe(false);
  });

  it("fails when the list does not show it, and the document and its edits stay", async () => {
    const [a, b, c] = await written();
    const { tab, answer } = await silentTab();
    const doc = newSubscription();
    const { heads } = await tab.device.api.openDocument(tab.database, b, doc);
    answer.write = "lost";
    const purging = tab.device.api.purgeDocument(tab.database, b);
    await expect(purging).rejects.toMatchObject({ code: "store/failed" });
    answer.write = "all";
    await tab.device.api.changeDocument(doc, draft([{ op: "set", path: ["n"], value: 9 }], heads));
    const again = await reopen(tab, people.userPassword);
    expect(await again.device.api.documentIds(again.database)).toEqual([a, b, c]);
    expect(await valueOf(again, b)).toEqual({ n: 9, secret: "word" });
  });

  it("takes no edit of the document as long as the list cannot be read", async () => {
    const [a, b, c] = await written();
    const { tab, answer } = await silentTab();
    const doc = newSubscription();
    const { heads } = await tab.device.api.openDocument(tab.database, b, doc);
    const edit = () =>
      tab.device.api.changeDocument(doc, draft([{ op: "set", path: ["n"], value: 9 }], heads));
    answer.write = "stored and unreadable";
    const purging = tab.device.api.purgeDocument(tab.database, b);
    await expect(purging).rejects.toMatchObject({ code: "store/failed" });
    await expect(edit()).rejects.toMatchObject({ code: "store/failed" });
    Object.assign(answer, { write: "all", isReadable: true });
    await expect(edit()).rejects.toMatchObject({ code: "doc/missing" });
    const again = await reopen(tab, people.userPassword);
    expect(await again.device.api.documentIds(again.database)).toEqual([a, c]);
  });
});

describe("entries that were left out of a commit", () => {
  it("wait, let the others through, and are taken with the whole commit", async () => {
    const { bystander } = stage;
    const writerNonce = bystander.nonce();
    const one = bystander.create(writerNonce, 0, { title: "left out" });
    const two = bystander.create(writerNonce, 1, { title: "there" });
    const commit = await bystander.seal({ writerNonce, entries: [one.entry, two.entry] });
    await bring(victim, [withoutEntries(commit, (index) => index === 0)]);
    await eventually(() => victim.device.api.documentIds(victim.database)).toEqual([two.docId]);
    await eventually(() => tenantOf(victim)?.status).toMatchObject({ unjudgedCount: 1, quarantinedCount: 0 });
    const waiting = await reopen(victim, people.userPassword);
    expect(await waiting.device.api.documentIds(waiting.database)).toEqual([two.docId]);
    await bring(waiting, [withoutEntries(commit, (index) => index === 1)]);
    await eventually(() => waiting.device.api.documentIds(waiting.database)).toHaveLength(2);
    expect(await valueOf(waiting, one.docId)).toEqual({ title: "left out" });
    expect(await valueOf(waiting, two.docId)).toEqual({ title: "there" });
    await eventually(() => tenantOf(waiting)?.status.unjudgedCount).toBe(0);
    const again = await reopen(waiting, people.userPassword);
    expect(await valueOf(again, one.docId)).toEqual({ title: "left out" });
  });
});
