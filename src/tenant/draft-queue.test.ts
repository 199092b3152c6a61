import { afterEach, describe, expect, it } from "vitest";
import {
  closeDevices,
  draft,
  env,
  newSubscription,
  people,
  startDevice,
} from "../../worker/device-fixtures.ts";
import type { DraftOperation } from "../draft/index.ts";
import { CofferError } from "../std/index.ts";
import { createMemoryStorage, type Storage } from "../store/index.ts";

afterEach(closeDevices);

const insert = (text: string): DraftOperation[] => [
  { op: "spliceText", path: ["text"], index: 0, remove: 0, insert: text },
];
const misfit: DraftOperation[] = [{ op: "set", path: ["no", "such", "place"], value: 1 }];

/** A storage that counts the commits it stores, and refuses them while `isFull`. */
function watchedStorage(): { storage: Storage; commits: number[]; full: { isFull: boolean } } {
  const inner = createMemoryStorage(env);
  const commits: number[] = [];
  const full = { isFull: false };
  const openStore: Storage["openStore"] = async (name) => {
    const store = await inner.openStore(name);
    const write = store.write.bind(store);
    store.write = async (batch) => {
      const count = batch.records?.length ?? 0;
      if (count > 0 && full.isFull) throw new CofferError("store/quota");
      if (count > 0) commits.push(count);
      return write(batch);
    };
    return store;
  };
  return { storage: { ...inner, openStore }, commits, full };
}

async function openTwo() {
  const watched = watchedStorage();
  const { api, events } = await startDevice(watched.storage);
  const tenant = await api.createTenant(people);
  const database = newSubscription();
  await api.openDatabase(tenant.id, "notes", database);
  const ids = await api.createDocuments(database, [{ text: "" }, { text: "" }]);
  const docs = [newSubscription(), newSubscription()] as const;
  const opened = await Promise.all(
    docs.map((doc, index) => api.openDocument(database, ids[index] ?? "", doc)),
  );
  const heads = opened.map((snapshot) => snapshot.heads);
  const read = async (index: 0 | 1): Promise<unknown> =>
    (await api.openDocument(database, ids[index] ?? "", newSubscription())).value?.["text"];
  watched.commits.length = 0;
  return { ...watched, api, events, tenant, database, ids, docs, heads, read };
}

describe("edits that arrive while one is written", () => {
  it("are written together, any document, and answered in order", async () => {
    const { api, docs, heads, commits, read } = await openTwo();
    const answered: number[] = [];
    let last = 0;
    const calls = Array.from({ length: 40 }, (_, index) => {
      const which = index % 2;
      const message = draft(insert("x"), heads[which] ?? [], which === 0 ? last : 0);
      if (which === 0) last = message.draft;
      return api.changeDocument(docs[which] ?? 0, message).then(() => answered.push(index));
    });
    await Promise.all(calls);
    expect(answered).toEqual(Array.from({ length: 40 }, (_, index) => index));
    expect(await read(0)).toBe("x".repeat(20));
    expect(await read(1)).toBe("x".repeat(20));
    expect(commits.length).toBeLessThanOrEqual(2);
  });

  it("go at once when they come alone", async () => {
    const { api, docs, heads, commits } = await openTwo();
    const one = await api.changeDocument(docs[0], draft(insert("a"), heads[0] ?? []));
    await api.changeDocument(docs[0], draft(insert("b"), one.heads));
    expect(commits).toEqual([1, 1]);
  });

  it("reject alone when they do not fit, with those recorded upon them", async () => {
    const { api, docs, heads, commits, read } = await openTwo();
    const first = draft(insert("a"), heads[0] ?? []);
    const bad = draft(misfit, heads[0] ?? [], first.draft);
    const upon = draft(insert("never"), heads[0] ?? [], bad.draft);
    const other = draft(insert("b"), heads[1] ?? []);
    const results = await Promise.allSettled([
      api.changeDocument(docs[0], first),
      api.changeDocument(docs[0], bad),
      api.changeDocument(docs[0], upon),
      api.changeDocument(docs[1], other),
    ]);
    expect(results.map((result) => (result.status === "rejected" ? result.reason.code : ""))).toEqual([
      "",
      "input/invalid",
      "aborted",
      "",
    ]);
    expect(commits.length).toBeLessThanOrEqual(2);
    expect([await read(0), await read(1)]).toEqual(["a", "b"]);
  });

  it("upon each other, hundreds of them: those before one that does not fit stay, each a change of its own", async () => {
    const { api, database, docs, ids, heads, commits, read } = await openTwo();
    const misfitAt = 280;
    let last = 0;
    const calls = Array.from({ length: 300 }, (_, index) => {
      const message = draft(index === misfitAt ? misfit : insert("x"), heads[0] ?? [], last);
      last = message.draft;
      return api.changeDocument(docs[0], message);
    });
    const results = await Promise.allSettled(calls);
    const codes = results.map((result) => (result.status === "rejected" ? result.reason.code : ""));
    const upon = codes.length - misfitAt - 1;
    expect(codes).toEqual([
      ...Array<string>(misfitAt).fill(""),
      "input/invalid",
      ...Array<string>(upon).fill("aborted"),
    ]);
    expect(await read(0)).toBe("x".repeat(misfitAt));
    expect(commits.length).toBeLessThanOrEqual(4);
    let stepCount = 0;
    for (let isDone = false; !isDone;) {
      const part = await api.history(database, ids[0] ?? "", stepCount);
      stepCount += part.steps.length;
      isDone = part.isDone;
    }
    // with the creation
    expect(stepCount).toBe(misfitAt + 1);
    const stored = results.at(misfitAt - 1);
    const shown = await api.openDocument(database, ids[0] ?? "", newSubscription());
    expect(stored?.status === "fulfilled" && stored.value.heads).toEqual(shown.heads);
    await api.changeDocument(docs[0], draft(insert("y"), shown.heads));
    expect(await read(0)).toBe(`y${"x".repeat(misfitAt)}`);
  });

  it("upon each other on a branch stay there", async () => {
    const { api, database, ids, read } = await openTwo();
    await api.createBranch(database, ids[0] ?? "", "side");
    const branch = newSubscription();
    const { heads } = await api.openDocument(database, ids[0] ?? "", branch, "side");
    let last = 0;
    const calls = Array.from({ length: 20 }, () => {
      const message = draft(insert("b"), heads, last);
      last = message.draft;
      return api.changeDocument(branch, message);
    });
    await Promise.all(calls);
    const side = await api.openDocument(database, ids[0] ?? "", newSubscription(), "side");
    expect([side.value?.["text"], await read(0)]).toEqual(["b".repeat(20), ""]);
  });

  it("reject together when their commit is not written, and leave nothing behind", async () => {
    const { api, docs, heads, full, read } = await openTwo();
    full.isFull = true;
    const first = draft(insert("a"), heads[0] ?? []);
    const results = await Promise.allSettled([
      api.changeDocument(docs[0], first),
      api.changeDocument(docs[0], draft(insert("b"), heads[0] ?? [], first.draft)),
      api.changeDocument(docs[1], draft(insert("c"), heads[1] ?? [])),
    ]);
    const codes = results.map((result) => (result.status === "rejected" ? result.reason.code : ""));
    expect(codes[0]).toBe("store/quota");
    expect(codes.every((code) => code === "store/quota" || code === "aborted")).toBe(true);
    full.isFull = false;
    expect([await read(0), await read(1)]).toEqual(["", ""]);
    await api.changeDocument(docs[0], draft(insert("d"), heads[0] ?? []));
    expect(await read(0)).toBe("d");
  });

  it("do not overtake what was asked for before them", async () => {
    const { api, database, docs, heads, ids } = await openTwo();
    const calls = [
      api.changeDocument(docs[0], draft(insert("a"), heads[0] ?? [])),
      api.changeDocument(docs[1], draft(insert("b"), heads[1] ?? [])),
      api.deleteDocument(database, ids[1] ?? ""),
      api.changeDocument(docs[1], draft(insert("late"), heads[1] ?? [])),
    ];
    const results = await Promise.allSettled(calls);
    expect(results.map((result) => (result.status === "rejected" ? result.reason.code : ""))).toEqual([
      "",
      "",
      "",
      "doc/deleted",
    ]);
  });

  it("all reject when the tenant was locked before their turn", async () => {
    const { api, docs, heads, tenant } = await openTwo();
    const locking = api.lock(tenant.id);
    const results = await Promise.allSettled([
      locking,
      ...[0, 1, 2].map(() => api.changeDocument(docs[1], draft(insert("b"), heads[1] ?? []))),
    ]);
    await locking;
    const late = await Promise.allSettled([
      api.changeDocument(docs[0], draft(insert("b"), heads[0] ?? [])),
      api.changeDocument(docs[1], draft(insert("b"), heads[1] ?? [])),
    ]);
    for (const result of [...results.slice(1), ...late])
      if (result.status === "rejected") expect(result.reason.code).toBe("access/locked");
    expect(late.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  });
});
