import { effect } from "@preact/signals-core";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CofferError, isCofferError } from "../std/index.ts";
import { openCofferWith } from "./coffer.ts";
import { createWorld, settle, type FakeWorld } from "./worker-fixtures.ts";
import type { Coffer, Database, Doc, Tenant } from "./types.ts";

interface Note {
  title: string;
  body?: string;
  meta: { stars: number };
  tags: string[];
}

let world: FakeWorld;
let coffer: Coffer;
let tenant: Tenant;
let db: Database<Note>;
const ends: (() => void)[] = [];

beforeEach(async () => {
  world = createWorld();
  coffer = await openCofferWith(world);
  tenant = await coffer.openTenant("acme", { password: "secret" });
  db = await tenant.openDB<Note>("notes");
});
afterEach(async () => {
  for (const end of ends.splice(0)) end();
  await coffer.close();
});

const note = (title: string): Note => ({ title, meta: { stars: 0 }, tags: [] });
const watch = (run: () => void): void => void ends.push(effect(run));

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "fulfilled";
  } catch (cause) {
    return isCofferError(cause) ? cause.code : `not a CofferError: ${String(cause)}`;
  }
}

/** A hand on the worker's drafts: each waits until it is let go or refused. */
function holdDrafts(): { letGo: (index: number) => void; refuse: (index: number) => void } {
  const held: { resolve: () => void; reject: (error: CofferError) => void }[] = [];
  world.beforeChange = () => new Promise((resolve, reject) => held.push({ resolve, reject }));
  return {
    letGo: (index) => held[index]?.resolve(),
    refuse: (index) => held[index]?.reject(new CofferError("store/quota", { usage: 5 })),
  };
}

describe("drafts", () => {
  let doc: Doc<Note>;
  beforeEach(async () => {
    doc = await db.createDocument(note("one"));
  });

  it("show at once, and resolve with the heads", async () => {
    const change = db.changeDoc(doc, (draft) => void (draft.title = "two"));
    expect(doc.data.value?.title).toBe("two");
    expect(doc.status.value).toBe("saving");
    expect(await change).toEqual({ heads: ["d1-2"] });
    expect(doc.status.value).toBe("ready");
    expect(doc.heads.value).toEqual(["d1-2"]);
    expect(world.docs.get("d1")?.value["title"]).toBe("two");
  });

  it("are in the signal before the promise resolves, and the confirmed value is the same object", async () => {
    const change = db.changeDoc(doc, (draft) => void (draft.meta.stars = 3));
    const shown = doc.data.value;
    await change;
    expect(doc.data.value).toBe(shown);
  });

  it("go out in order, each upon the one before", async () => {
    const seen: number[][] = [];
    world.beforeChange = async ({ draft, afterDraft, baseHeads }) =>
      void seen.push([draft, afterDraft, baseHeads.length]);
    const changes = ["two", "three", "four"].map((title) =>
      db.changeDoc(doc, (draft) => void (draft.title += title)),
    );
    expect(doc.data.value?.title).toBe("onetwothreefour");
    await Promise.all(changes);
    const [first, second, third] = seen.map(([draft]) => draft);
    expect(seen.map(([, after]) => after)).toEqual([0, first, second]);
    expect(third).toBeGreaterThan(second ?? 0);
    expect(world.docs.get("d1")?.value["title"]).toBe("onetwothreefour");
  });

  it("send nothing when nothing changed", async () => {
    expect(await db.changeDoc(doc, () => undefined)).toEqual({ heads: ["d1-1"] });
    expect(world.calls.some((call) => call.startsWith("changeDocument"))).toBe(false);
  });

  it("roll back when refused", async () => {
    const hand = holdDrafts();
    const change = db.changeDoc(doc, (draft) => void (draft.title = "two"));
    await settle();
    hand.refuse(0);
    const error = await change.catch((cause: unknown) => cause);
    expect(error).toMatchObject({ code: "store/quota", details: { usage: 5 } });
    expect(doc.data.value?.title).toBe("one");
    expect(doc.status.value).toBe("ready");
  });

  it("in the middle take those after them along, and keep those before", async () => {
    const hand = holdDrafts();
    const changes = ["a", "b", "c"].map((letter) =>
      codeOf(db.changeDoc(doc, (draft) => void (draft.title += letter))),
    );
    await settle();
    hand.refuse(1);
    await settle();
    expect(doc.data.value?.title).toBe("onea");
    hand.letGo(0);
    hand.letGo(2);
    expect(await Promise.all(changes)).toEqual(["fulfilled", "store/quota", "aborted"]);
    await settle();
    expect(doc.data.value?.title).toBe("onea");
    expect(doc.status.value).toBe("ready");
  });

  it("withhold what others write until the last is confirmed", async () => {
    const hand = holdDrafts();
    const titles: (string | undefined)[] = [];
    watch(() => void titles.push(`${doc.data.value?.title}/${doc.data.value?.meta.stars}`));
    const first = db.changeDoc(doc, (draft) => void (draft.title = "two"));
    const second = db.changeDoc(doc, (draft) => void (draft.title = "three"));
    await settle();
    world.write("d1", { meta: { stars: 9 } });
    await settle();
    expect(doc.data.value?.meta.stars).toBe(0);
    hand.letGo(0);
    await first;
    expect(doc.data.value).toMatchObject({ title: "three", meta: { stars: 0 } });
    hand.letGo(1);
    await second;
    expect(doc.data.value).toMatchObject({ title: "three", meta: { stars: 9 } });
    expect(titles).toEqual(["one/0", "two/0", "three/0", "three/9"]);
  });

  it("show what was withheld when the last one fails", async () => {
    const hand = holdDrafts();
    const change = db.changeDoc(doc, (draft) => void (draft.title = "two"));
    await settle();
    world.write("d1", { body: "theirs" });
    await settle();
    expect(doc.data.value?.body).toBeUndefined();
    hand.refuse(0);
    expect(await codeOf(change)).toBe("store/quota");
    expect(doc.data.value).toMatchObject({ title: "one", body: "theirs" });
  });

  it("disappear with everything else when the tenant locks", async () => {
    const hand = holdDrafts();
    const change = codeOf(db.changeDoc(doc, (draft) => void (draft.title = "two")));
    await settle();
    world.locked = true;
    world.write("d1", {});
    await settle();
    expect(doc.data.value).toBeUndefined();
    expect(doc.status.value).toBe("locked");
    expect(await codeOf(db.changeDoc(doc, (draft) => void (draft.title = "x")))).toBe("access/locked");
    hand.refuse(0);
    expect(await change).toBe("store/quota");
    expect(doc.data.value).toBeUndefined();
  });

  it("reject with a CofferError whatever the edit throws", async () => {
    const error = await db
      .changeDoc(doc, () => {
        throw new TypeError("mine");
      })
      .catch((cause: unknown) => cause);
    expect(error).toMatchObject({ code: "input/invalid", cause: new TypeError("mine") });
    expect(doc.data.value?.title).toBe("one");
  });

  it("are shared by all handles of a document", async () => {
    const other = await db.getDocument(doc.id);
    const change = db.changeDoc(doc, (draft) => void (draft.title = "two"));
    expect(other.data.value?.title).toBe("two");
    await change;
    doc.dispose();
    world.write("d1", { title: "three" });
    await settle();
    expect(other.data.value?.title).toBe("three");
  });

  it("are finished before their document closes", async () => {
    const hand = holdDrafts();
    const change = db.changeDoc(doc, (draft) => void (draft.title = "two"));
    doc.dispose();
    await settle();
    expect(world.calls.some((call) => call.startsWith("closeDocument"))).toBe(false);
    hand.letGo(0);
    await change;
    await settle();
    expect(world.calls.at(-1)).toMatch(/^closeDocument/);
  });
});

describe("select", () => {
  it("runs its readers only when that value changed", async () => {
    const doc = await db.createDocument(note("one"));
    const runs: unknown[] = [];
    const meta = doc.select((data) => data.meta);
    watch(() => void runs.push(meta.value));
    await db.changeDoc(doc, (draft) => void (draft.title = "two"));
    world.write("d1", { body: "theirs" });
    await settle();
    expect(runs).toEqual([{ stars: 0 }]);
    await db.changeDoc(doc, (draft) => void (draft.meta.stars = 1));
    expect(runs).toEqual([{ stars: 0 }, { stars: 1 }]);
  });
});

describe("handles", () => {
  it("stop with their disposal", async () => {
    const doc = await db.createDocument(note("one"));
    doc.dispose();
    doc.dispose();
    await settle();
    world.write("d1", { title: "two" });
    await settle();
    expect(doc.data.value?.title).toBe("one");
    expect(await codeOf(db.changeDoc(doc, (draft) => void (draft.title = "x")))).toBe("store/closed");
    db.dispose();
    expect(await codeOf(db.getDocument("d1"))).toBe("store/closed");
    expect(() => db.query()).toThrow(CofferError);
  });

  it("leave no subscription behind", async () => {
    const docs = await Promise.all([db.createDocument(note("a")), db.createDocument(note("b"))]);
    const again = await db.getDocument("d1");
    const query = db.query({});
    await settle();
    expect(world.open.size).toBe(4);
    for (const handle of [...docs, query]) handle.dispose();
    await settle();
    expect(world.open.size).toBe(2);
    again.dispose();
    db.dispose();
    await settle();
    expect(world.open.size).toBe(0);
    tenant.dispose();
    await settle();
    expect(world.calls.at(-1)).toBe('closeTenant("t1")');
    expect(tenant.status.value.phase).toBe("closed");
  });

  it("of a tenant that is opened again wait for its closing", async () => {
    const doc = await db.createDocument(note("one"));
    const hand = holdDrafts();
    const change = db.changeDoc(doc, (draft) => void (draft.title = "two"));
    tenant.dispose();
    const opening = coffer.openTenant("acme", { password: "secret" });
    await settle();
    hand.letGo(0);
    await change;
    const again = await opening;
    expect(world.calls.slice(-2).map((call) => call.split("(")[0])).toEqual(["closeTenant", "openTenant"]);
    expect(again.status.value.phase).toBe("open");
  });

  it("refuse documents of another database", async () => {
    const doc = await db.createDocument(note("one"));
    const other = await tenant.openDB<Note>("other");
    expect(await codeOf(other.changeDoc(doc, () => undefined))).toBe("input/invalid");
    expect(await codeOf(db.changeDoc({ ...doc }, () => undefined))).toBe("input/invalid");
  });

  it("keep code and details of the worker's errors", async () => {
    await expect(tenant.lock()).rejects.toMatchObject({
      name: "CofferError",
      code: "access/denied",
      details: { why: "test" },
    });
    expect(await codeOf(db.getDocument("none"))).toBe("doc/missing");
    expect(await codeOf(tenant.connectToServer("ftp://x"))).toBe("input/invalid");
  });

  it("give one link for one server", async () => {
    const link = await tenant.connectToServer("https://example.com/relay/");
    expect(link.url).toBe("https://example.com/relay");
    expect(await tenant.connectToServer("https://EXAMPLE.com/relay")).toBe(link);
  });
});

describe("createDocuments", () => {
  const many = (count: number): Note[] => Array.from({ length: count }, (_, index) => note(`n${index}`));

  it("cuts by count and tells its progress", async () => {
    const progress: number[] = [];
    const ids = await db.createDocuments(many(1100), {
      onProgress: ({ doneCount }) => progress.push(doneCount),
    });
    expect(ids).toHaveLength(1100);
    expect(progress).toEqual([512, 1024, 1100]);
  });

  it("cuts by size", async () => {
    await db.createDocuments(many(30).map((one) => ({ ...one, body: "x".repeat(100_000) })));
    expect(world.calls.filter((call) => call.startsWith("createDocuments")).length).toBeGreaterThan(2);
  });

  it("stops between two calls when aborted, and keeps what was stored", async () => {
    const controller = new AbortController();
    const call = db.createDocuments(many(600), {
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    await expect(call).rejects.toMatchObject({ code: "aborted", details: { doneCount: 512 } });
    expect(world.docs.size).toBe(512);
  });

  it("sends nothing when aborted before", async () => {
    expect(await codeOf(db.createDocuments(many(1), { signal: AbortSignal.abort() }))).toBe("aborted");
    expect(world.docs.size).toBe(0);
  });

  it("names the value that cannot be stored", async () => {
    const values = [...many(3), { ...note("bad"), body: (() => 1) as unknown as string }];
    await expect(db.createDocuments(values)).rejects.toMatchObject({
      code: "input/invalid",
      details: { index: 3, doneCount: 0 },
    });
    expect(world.docs.size).toBe(0);
  });

  it("stores what comes before a value that cannot be stored, chunk by chunk", async () => {
    const values = [...many(600), { ...note("bad"), body: (() => 1) as unknown as string }];
    await expect(db.createDocuments(values)).rejects.toMatchObject({
      code: "input/invalid",
      details: { index: 600, doneCount: 512 },
    });
    expect(world.docs.size).toBe(512);
  });
});

describe("queries", () => {
  const row = (id: string, title: string) => ({
    id,
    value: { title } as never,
    isWhole: true,
    author: "a",
    createdAtMs: 1,
    changedAtMs: 2,
  });

  it("put rows together from deltas", async () => {
    const query = db.query({});
    const runs: string[][] = [];
    watch(() => void runs.push(query.rows.value.map((one) => `${one.id}:${one.data.title}`)));
    await settle();
    world.emitQuery(["a", "b"], [row("a", "A"), row("b", "B")]);
    await settle();
    const [first] = query.rows.value;
    world.emitQuery(["b", "a", "c"], [row("c", "C")]);
    await settle();
    expect(query.rows.value[1]).toBe(first);
    world.emitQuery(["b", "a", "c"], []);
    await settle();
    expect(runs).toEqual([[], ["a:A", "b:B"], ["b:B", "a:A", "c:C"]]);
    expect(query.total.value).toBe(3);
    expect(query.status.value).toBe("ready");
  });

  it("change their definition in place, and stop with their disposal", async () => {
    const query = db.query({ limit: 1 });
    query.update({ limit: 2 });
    expect(query.status.value).toBe("loading");
    await settle();
    expect(world.calls.at(-1)).toMatch(/^updateQuery\(\d+, \{"limit":2\}\)$/);
    query.dispose();
    await settle();
    world.emitQuery(["a"], [row("a", "A")]);
    await settle();
    expect(query.rows.value).toEqual([]);
  });
});

describe("a worker's death", () => {
  it.each(["lock", "error"] as const)(
    "seen by its %s, is followed by another worker under the same numbers",
    async (how) => {
      const doc = await db.createDocument(note("one"));
      const query = db.query({ limit: 3 });
      world.emitTenant({ tenantId: "t1", opaque: "box" });
      await settle();
      const before = world.calls.filter((call) => /^open(Database|Document|Query)/.test(call));
      world.kill(how);
      await settle();
      world.calls.length = 0;
      await world.env.advance(600);
      expect(coffer.status.value.worker).toBe("ready");
      expect(world.spawnCount).toBe(2);
      expect(world.calls).toEqual(['resumeTenant("t1", {"tenantId":"t1","opaque":"box"})', ...before]);
      world.write("d1", { title: "two" });
      await settle();
      expect(doc.data.value?.title).toBe("two");
      await db.changeDoc(doc, (draft) => void (draft.title = "three"));
      expect(world.docs.get("d1")?.value["title"]).toBe("three");
      query.dispose();
    },
  );

  it("under lock leaves everything locked, and unlocking opens it again", async () => {
    const doc = await db.createDocument(note("one"));
    const query = db.query({ limit: 3 });
    await settle();
    world.locked = true;
    world.kill("error");
    await settle();
    const meanwhile = [db.getAllDocumentIds(), db.getDocument("other"), db.undo(doc)].map(codeOf);
    await world.env.advance(600);
    expect([coffer.status.value.worker, db.status.value.phase]).toEqual(["ready", "locked"]);
    expect(await Promise.all(meanwhile)).toEqual(Array(3).fill("access/locked"));
    expect(await codeOf(db.undo(doc))).toBe("access/locked");
    expect([doc.status.value, doc.data.value, query.status.value]).toEqual(["locked", undefined, "locked"]);
    expect(await codeOf(db.createDocument(note("never")))).toBe("access/locked");
    expect(await codeOf(db.getDocument(doc.id))).toBe("access/locked");
    const late = db.query({ limit: 4 });
    expect(late.status.value).toBe("locked");

    await tenant.unlock({ password: "right" });
    expect([db.status.value.phase, doc.data.value?.title]).toEqual(["ready", "one"]);
    world.emitQuery([], []);
    await settle();
    expect([query.status.value, late.status.value]).toEqual(["ready", "ready"]);
    await db.changeDoc(doc, (draft) => void (draft.title = "two"));
    expect(world.docs.get("d1")?.value["title"]).toBe("two");
    const { length } = world.calls;
    await tenant.unlock({ password: "right" });
    expect(world.calls.slice(length)).toEqual(['unlock("t1", {"password":"right"})']);
  });

  it("opens with the next unlocking what a lock kept from being opened, whoever unlocks", async () => {
    const doc = await db.createDocument(note("one"));
    for (const unlock of [
      () => tenant.unlock({ password: "right" }),
      () => coffer.openTenant("acme", { password: "right" }),
    ]) {
      world.kill("error");
      world.beforeCall = async (name) => {
        if (name === "openDocument") throw new CofferError("access/locked");
      };
      await settle();
      await world.env.advance(60_000);
      expect([db.status.value.phase, doc.status.value]).toEqual(["ready", "locked"]);
      world.beforeCall = async () => undefined;
      await unlock();
      expect([doc.status.value, doc.data.value?.title]).toEqual(["ready", "one"]);
    }
  });

  it("is seen by its silence while a call is under way", async () => {
    world.kill("silent");
    const call = codeOf(db.getAllDocumentIds());
    await settle();
    await world.env.advance(21_000);
    expect(await call).toBe("worker/restarted");
    expect(world.spawnCount).toBe(2);
    expect(await db.getAllDocumentIds()).toEqual([]);
  });

  it("is not seen in a silence during which the page itself was starved", async () => {
    world.kill("silent");
    const call = codeOf(db.getAllDocumentIds());
    await settle();
    for (let round = 0; round < 20; round += 1) {
      world.env.starve(7_000);
      await world.env.advance(0);
    }
    expect(world.spawnCount).toBe(1);
    await world.env.advance(21_000);
    expect(await call).toBe("worker/restarted");
    expect(world.spawnCount).toBe(2);
  });

  it("is not seen in a call that takes long", async () => {
    const doc = await db.createDocument(note("one"));
    const hand = holdDrafts();
    const change = db.changeDoc(doc, (draft) => void (draft.title = "two"));
    await settle();
    await world.env.advance(120_000);
    hand.letGo(0);
    await change;
    expect(world.spawnCount).toBe(1);
    await world.env.advance(60_000);
    expect(world.env.timerCount()).toBe(0);
  });

  it("takes back a draft that was not stored", async () => {
    const doc = await db.createDocument(note("one"));
    holdDrafts();
    const change = codeOf(db.changeDoc(doc, (draft) => void (draft.title = "two")));
    await settle();
    world.kill("error");
    await settle();
    expect(doc.data.value?.title).toBe("two");
    await world.env.advance(1_000);
    expect(await change).toBe("worker/restarted");
    expect(doc.data.value?.title).toBe("one");
  });

  it("takes a draft that changes nothing one can read for lost, unless the document has moved", async () => {
    const doc = await db.createDocument(note("one"));
    holdDrafts();
    const change = codeOf(db.changeDoc(doc, (draft) => void (draft.title = "one")));
    await settle();
    expect(doc.status.value).toBe("saving");
    world.kill("error");
    await settle();
    await world.env.advance(1_000);
    expect(await change).toBe("worker/restarted");
  });

  it("does not take back a draft that was stored", async () => {
    const doc = await db.createDocument(note("one"));
    world.afterChange = () => new Promise(() => undefined);
    const change = db.changeDoc(doc, (draft) => void (draft.title = "two"));
    await settle();
    world.kill("error");
    await settle();
    await world.env.advance(1_000);
    expect(await change).toEqual({ heads: ["d1-2"] });
    expect(doc.data.value?.title).toBe("two");
  });

  it("settles drafts of a document that was disposed meanwhile", async () => {
    const doc = await db.createDocument(note("one"));
    holdDrafts();
    const change = codeOf(db.changeDoc(doc, (draft) => void (draft.title = "two")));
    doc.dispose();
    await settle();
    world.kill("error");
    await settle();
    await world.env.advance(1_000);
    expect(await change).toBe("worker/restarted");
  });

  it("lets calls wait for the next worker, edits too", async () => {
    const doc = await db.createDocument(note("one"));
    world.kill("error");
    const ids = db.getAllDocumentIds();
    const change = db.changeDoc(doc, (draft) => void (draft.title += "!"));
    const query = db.query({ limit: 7 });
    await settle();
    await world.env.advance(1_000);
    expect(await ids).toEqual(["d1"]);
    await change;
    expect(doc.data.value?.title).toBe("one!");
    expect(world.calls.filter((call) => call.startsWith("openQuery"))).toHaveLength(1);
    query.dispose();
  });

  it("forgets the keys of a tenant that was locked", async () => {
    world.emitTenant({ tenantId: "t1", opaque: "box" });
    world.emitTenant(null);
    await settle();
    world.kill("error");
    await world.env.advance(1_000);
    expect(world.calls.filter((call) => call.startsWith("resume"))).toEqual(['resumeTenant("t1", )']);
  });

  it("too often in a row is a failure", async () => {
    const doc = await db.createDocument(note("one"));
    holdDrafts();
    const change = codeOf(db.changeDoc(doc, (draft) => void (draft.title = "two")));
    await settle();
    world.refuseToStart = true;
    world.kill("error");
    await world.env.advance(10_000);
    expect(coffer.status.value.worker).toBe("failed");
    expect(await change).toBe("worker/failed");
    expect(doc.status.value).toBe("failed");
    expect(doc.data.value?.title).toBe("one");
    expect(await codeOf(db.getAllDocumentIds())).toBe("worker/failed");
    expect(await codeOf(openCofferFailing())).toBe("worker/failed");
  });

  it("is not looked for where there are no locks, however long a worker takes to answer", async () => {
    const slow = createWorld();
    slow.beforeCall = (name) => (name === "ping" ? new Promise(() => undefined) : Promise.resolve());
    const env = {
      ...slow.env,
      withLock: <T>(_name: string, _options: object, run: () => Promise<T>) => run(),
    };
    const other = await openCofferWith({ env, source: slow.source });
    await slow.env.advance(2_000);
    expect([slow.spawnCount, other.status.value.worker]).toEqual([1, "ready"]);
    await other.close();
  });

  it("of a worker that cannot be made again is a failure at once", async () => {
    const single = createWorld();
    const other = await openCofferWith({ env: single.env, source: { ...single.source, again: false } });
    single.kill("error");
    expect(other.status.value.worker).toBe("failed");
    await other.close();
  });
});

async function openCofferFailing(): Promise<Coffer> {
  const failing = createWorld();
  failing.refuseToStart = true;
  const opening = openCofferWith(failing);
  opening.catch(() => undefined);
  await settle();
  await failing.env.advance(10_000);
  return opening;
}

describe("closing", () => {
  it("waits for drafts, ends the worker and refuses what comes later", async () => {
    const doc = await db.createDocument(note("one"));
    const hand = holdDrafts();
    const change = db.changeDoc(doc, (draft) => void (draft.title = "two"));
    const closing = coffer.close();
    await settle();
    hand.letGo(0);
    await closing;
    await change;
    expect(world.docs.get("d1")?.value["title"]).toBe("two");
    expect(await codeOf(coffer.tenants())).toBe("aborted");
    expect(db.status.value.phase).toBe("closed");
  });
});
