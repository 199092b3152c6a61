/** The page's calls beside plain reading and writing: patches, branches, iterators, backups, shapes, storage. */
import { effect } from "@preact/signals-core";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { field } from "../expr/index.ts";
import { CofferError, isCofferError } from "../std/index.ts";
import { openCofferWith } from "./coffer.ts";
import { loadMore } from "./lazy.ts";
import { createWorld, settle, type FakeWorld } from "./worker-fixtures.ts";
import type { Coffer, Database, OpenDatabaseOptions, StandardSchema, Tenant } from "./types.ts";

interface Note {
  title: string;
  meta: { stars: number };
  rows: { id: number }[];
}

let world: FakeWorld;
let coffer: Coffer;
let tenant: Tenant;
let db: Database<Note>;
const ends: (() => void)[] = [];

beforeEach(async () => {
  await loadMore();
  world = createWorld();
  coffer = await openCofferWith(world);
  tenant = await coffer.openTenant("acme", { password: "secret" });
  db = await tenant.openDB<Note>("notes");
});
afterEach(async () => {
  for (const end of ends.splice(0)) end();
  vi.unstubAllGlobals();
  await coffer.close();
});

const note = (title: string): Note => ({ title, meta: { stars: 0 }, rows: [{ id: 1 }, { id: 2 }] });
const watch = (run: () => void): void => void ends.push(effect(run));
const callsOf = (name: string): string[] => world.calls.filter((call) => call.startsWith(`${name}(`));

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "fulfilled";
  } catch (cause) {
    return isCofferError(cause) ? cause.code : `not a CofferError: ${String(cause)}`;
  }
}

async function restart(): Promise<void> {
  world.kill("error");
  await settle();
  await world.env.advance(1_000);
  await settle();
}

async function collect<T>(run: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of run) all.push(one);
  return all;
}

/** Let every call of a name wait until it is let go. */
function hold(name: string): () => void {
  let letGo = (): void => undefined;
  const promise = new Promise<void>((resolve) => (letGo = resolve));
  world.beforeCall = async (called) => {
    if (called === name) await promise;
  };
  return letGo;
}

describe("patches", () => {
  it("leave every branch that they do not touch the same object, elements that moved too", async () => {
    const doc = await db.createDocument(note("one"));
    const before = doc.data.value;
    world.write("d1", { rows: [{ id: 0 }, { id: 1 }, { id: 2 }] });
    await settle();
    const after = doc.data.value;
    expect(after?.meta).toBe(before?.meta);
    expect(after?.rows[1]).toBe(before?.rows[0]);
    expect(after?.rows[2]).toBe(before?.rows[1]);
    expect(Object.isFrozen(after) && Object.isFrozen(after?.rows) && Object.isFrozen(after?.rows[0])).toBe(
      true,
    );
  });

  it("are put upon what was heard, not upon what is shown", async () => {
    const doc = await db.createDocument(note("one"));
    let letGo = (): void => undefined;
    world.beforeChange = () => new Promise((resolve) => (letGo = resolve));
    const change = db.changeDoc(doc, (draft) => void draft.rows.unshift({ id: 9 }));
    await settle();
    const optimistic = doc.data.value;
    world.write("d1", { title: "two" });
    await settle();
    world.write("d1", { meta: { stars: 3 } });
    await settle();
    expect(doc.data.value).toBe(optimistic);
    letGo();
    await change;
    expect(doc.data.value).toEqual({
      title: "two",
      meta: { stars: 3 },
      rows: [{ id: 9 }, { id: 1 }, { id: 2 }],
    });
    expect(doc.data.value?.rows).toBe(optimistic?.rows);
  });

  it("in a reply count although the event came first", async () => {
    const doc = await db.createDocument(note("one"));
    for (const title of ["two", "three", "four"])
      await db.changeDoc(doc, (draft) => void (draft.title = title));
    world.write("d1", { meta: { stars: 1 } });
    await settle();
    expect(doc.data.value).toEqual({ ...note("four"), meta: { stars: 1 } });
    world.beforeReply = () => {
      world.docs.set("d1", { value: { ...note("told by the reply alone") }, version: 20 });
    };
    await db.changeDoc(doc, (draft) => void (draft.title = "five"));
    expect(doc.data.value?.title).toBe("told by the reply alone");
    world.write("d1", { meta: { stars: 2 } });
    await settle();
    expect(doc.data.value).toEqual({ ...note("told by the reply alone"), meta: { stars: 2 } });
  });

  it("go on after a restart, from the whole", async () => {
    const doc = await db.createDocument(note("one"));
    const before = doc.data.value;
    await restart();
    expect(doc.data.value).toBe(before);
    world.write("d1", { title: "two" });
    await settle();
    expect(doc.data.value?.title).toBe("two");
    expect(doc.data.value?.rows).toBe(before?.rows);
  });
});

describe("select", () => {
  it("runs nobody for what is equal, though it was put together anew", async () => {
    const doc = await db.createDocument(note("one"));
    const ids = doc.select(({ rows }) => rows.map(({ id }) => id));
    const runs: unknown[] = [];
    watch(() => void runs.push(ids.value));
    await db.changeDoc(doc, (draft) => void (draft.title = "two"));
    expect(runs).toEqual([[1, 2]]);
    await db.changeDoc(doc, (draft) => void draft.rows.push({ id: 3 }));
    expect(runs).toEqual([
      [1, 2],
      [1, 2, 3],
    ]);
    expect(doc.select(({ meta }) => meta).value).toBe(doc.data.value?.meta);
  });
});

describe("branches", () => {
  it("are documents of their own until they are merged", async () => {
    const doc = await db.createDocument(note("one"));
    const draft = await db.branch(doc, "draft");
    expect([doc.branchName, draft.branchName, draft.id]).toEqual([undefined, "draft", doc.id]);
    await settle();
    expect(doc.branches.value).toEqual(["draft"]);
    await db.changeDoc(draft, (edit) => void (edit.title = "two"));
    expect([doc.data.value?.title, draft.data.value?.title]).toEqual(["one", "two"]);
    await restart();
    expect(callsOf("openDocument").at(-1)).toContain('"draft"');
    await db.changeDoc(draft, (edit) => void (edit.title += "!"));
    expect(draft.data.value?.title).toBe("two!");
    await db.mergeBranch(doc, "draft");
    await settle();
    expect([doc.data.value?.title, doc.branches.value]).toEqual(["two!", []]);
    await db.branch(doc.id, "other");
    await db.discardBranch(doc.id, "other");
    expect(callsOf("endBranch").map((call) => call.split(", ").slice(1).join())).toEqual([
      '"d1","draft","merge")',
      '"d1","other","discard")',
    ]);
  });
});

describe("marks", () => {
  it("are asked for while somebody watches, and again at other heads", async () => {
    const doc = await db.createDocument(note("one"));
    const bold = { start: 0, end: 3, name: "bold", value: true };
    const marks = doc.marks(["title"]);
    await settle();
    expect(callsOf("marks")).toHaveLength(0);
    const seen: unknown[] = [];
    const stop = effect(() => void seen.push(marks.value));
    await settle();
    world.marks = [bold];
    await db.changeDoc(doc, (draft) => void (draft.title = "two"));
    await settle();
    world.write("d1", { title: "three" });
    await settle();
    expect(seen).toEqual([undefined, [], [bold]]);
    expect(callsOf("marks")).toHaveLength(3);
    await restart();
    stop();
    await settle();
    world.write("d1", { title: "four" });
    await settle();
    expect(callsOf("marks")).toHaveLength(3);
  });

  it("of older heads that come late are not shown", async () => {
    const doc = await db.createDocument(note("one"));
    const letGo = hold("marks");
    const marks = doc.marks(["title"]);
    watch(() => void marks.value);
    await settle();
    world.beforeCall = async () => undefined;
    world.marks = [{ start: 0, end: 1, name: "bold", value: true }];
    world.write("d1", { title: "two" });
    await settle();
    expect(marks.value).toEqual(world.marks);
    world.marks = [];
    letGo();
    await settle();
    expect(marks.value).toHaveLength(1);
  });

  it("are asked of the next worker when one dies over the question", async () => {
    const doc = await db.createDocument(note("one"));
    hold("marks");
    const marks = doc.marks(["title"]);
    watch(() => void marks.value);
    await settle();
    world.beforeCall = async () => undefined;
    await restart();
    expect(marks.value).toEqual([]);
  });

  it("go away with the document, and come back", async () => {
    const doc = await db.createDocument(note("one"));
    const marks = doc.marks(["title"]);
    watch(() => void marks.value);
    await settle();
    expect(marks.value).toEqual([]);
    world.locked = true;
    world.write("d1", {});
    await settle();
    expect(marks.value).toBeUndefined();
    world.locked = false;
    world.write("d1", {});
    await settle();
    expect(marks.value).toEqual([]);
  });
});

describe("onChange", () => {
  it("hears what was written here and elsewhere, until nobody listens", async () => {
    const heard: unknown[] = [];
    const stop = db.onChange((change) => heard.push(change));
    const stopOther = db.onChange(() => undefined);
    await db.createDocument(note("one"));
    expect(heard).toEqual([{ ids: ["d1"], isLocal: true }]);
    world.write("d1", { title: "two" });
    await settle();
    expect(heard[1]).toEqual({ ids: ["d1"], isLocal: false });
    await restart();
    world.write("d1", { title: "three" });
    await settle();
    expect(heard).toHaveLength(3);
    stop();
    stopOther();
    stop();
    await settle();
    world.write("d1", { title: "four" });
    await settle();
    expect(heard).toHaveLength(3);
    expect(callsOf("listenChanges").map((call) => call.split(", ")[1])).toEqual(["true)", "true)", "false)"]);
  });
});

describe("many documents", () => {
  it("are changed in calls of 64; those that an edit leaves alone are not written", async () => {
    const ids = await db.createDocuments(Array.from({ length: 130 }, (_, index) => note(`n${index}`)));
    const progress: number[] = [];
    const watched = await db.getDocument("d1");
    const changed = await db.changeDocs(
      [...ids, "d1"],
      (draft, id) => {
        if (id !== "d2") draft.meta.stars = 1;
      },
      { onProgress: ({ doneCount }) => progress.push(doneCount) },
    );
    expect(changed).toHaveLength(129);
    expect(progress).toEqual([64, 128, 130]);
    expect(watched.data.value?.meta.stars).toBe(1);
    expect(world.docs.get("d2")?.version).toBe(1);
  });

  it("stop at one that cannot be changed, saying which", async () => {
    const ids = await db.createDocuments([note("one"), note("two")]);
    const edit = (draft: Note): void => void (draft.title = "x");
    await expect(db.changeDocs([...ids, "none"], edit)).rejects.toMatchObject({
      code: "doc/missing",
      details: { docId: "none", doneCount: 0 },
    });
    const refused = db.changeDocs(ids, (draft, id) => {
      if (id === "d2") draft.title = (() => 1) as never;
      else draft.title = "x";
    });
    await expect(refused).rejects.toMatchObject({ code: "input/invalid", details: { docId: "d2" } });
    expect(world.docs.get("d1")?.version).toBe(1);
    const aborted = db.changeDocs(ids, edit, { signal: AbortSignal.abort() });
    expect(await codeOf(aborted)).toBe("aborted");
  });
});

describe("iterators", () => {
  const idsOf = async (run: AsyncIterable<{ doc: { id: string }; cursor: string }>, limit = 1_000) => {
    const ids: string[] = [];
    let cursor = "";
    for await (const step of run) {
      ids.push(step.doc.id);
      ({ cursor } = step);
      if (ids.length === limit) break;
    }
    return { ids, cursor };
  };

  it("give every change page by page, and go on from a cursor", async () => {
    await db.createDocuments(Array.from({ length: 100 }, (_, index) => note(`n${index}`)));
    const { ids, cursor } = await idsOf(db.iterateChangesSince());
    expect([ids.length, new Set(ids).size, cursor]).toEqual([100, 100, "100"]);
    world.write("d7", { title: "new" });
    const [step] = await collect(db.iterateChangesSince(cursor));
    expect(step).toMatchObject({ doc: { id: "d7", data: { title: "new" }, status: "ready" }, cursor: "101" });
    expect(Object.isFrozen(step?.doc.data)).toBe(true);
  });

  it("leave nothing out for who stops in the middle of a page", async () => {
    await db.createDocuments(Array.from({ length: 100 }, (_, index) => note(`n${index}`)));
    const first = await idsOf(db.iterateChangesSince(), 70);
    const second = await idsOf(db.iterateChangesSince(first.cursor));
    expect(new Set([...first.ids, ...second.ids]).size).toBe(100);
    expect(callsOf("changesSince")).toHaveLength(3);
    const early = await idsOf(db.iterateChangesSince(), 1);
    expect((await idsOf(db.iterateChangesSince(early.cursor))).ids).toHaveLength(100);
  });

  it("stop by their signal, also while a page is on its way", async () => {
    await db.createDocument(note("one"));
    const controller = new AbortController();
    const letGo = hold("changesSince");
    const running = idsOf(db.iterateChangesSince(undefined, { signal: controller.signal }));
    await settle();
    controller.abort(new Error("mine"));
    await expect(running).rejects.toMatchObject({ code: "aborted", cause: new Error("mine") });
    letGo();
    const seen: string[] = [];
    const other = new AbortController();
    const stopped = (async () => {
      for await (const { hash } of db.iterateDocumentHistory("d1", { signal: other.signal })) {
        seen.push(hash);
        other.abort();
      }
    })();
    expect(await codeOf(stopped)).toBe("aborted");
    expect(seen).toEqual(["d1-0"]);
  });

  it("fail with the worker, and can be begun again", async () => {
    await db.createDocument(note("one"));
    hold("changesSince");
    const running = codeOf(idsOf(db.iterateChangesSince("0")));
    await settle();
    world.beforeCall = async () => undefined;
    await restart();
    expect(await running).toBe("worker/restarted");
    expect((await idsOf(db.iterateChangesSince("0"))).ids).toEqual(["d1"]);
    db.dispose();
    expect(await codeOf(idsOf(db.iterateChangesSince()))).toBe("store/closed");
  });

  it("go through a history of many pages", async () => {
    const steps = await collect(db.iterateDocumentHistory("d1"));
    expect(steps.map(({ atMs }) => atMs)).toEqual(Array.from({ length: 100 }, (_, index) => index));
  });
});

describe("the past", () => {
  it("is asked of the document behind the handle", async () => {
    const doc = await db.createDocument(note("one"));
    expect(await db.undo(doc)).toEqual({ heads: ["d1-2"] });
    expect(doc.data.value?.title).toBe("undone");
    expect(await db.redo(doc, { groupMs: 5 })).toBeUndefined();
    expect(callsOf("undo").at(-1)).toContain('{"isRedo":true,"groupMs":5}');
    expect(await db.undoDepth(doc, { groupMs: 3 })).toEqual({ undo: 3, redo: 0 });
    expect(await db.diff(doc, ["a"], ["b"])).toEqual([{ op: "set", path: ["d1"], value: "a..b" }]);
    const then = await db.getDocumentAtTimestamp("d1", new Date(5));
    expect(then).toMatchObject({ id: "d1", data: { title: "undone" }, status: "ready" });
    expect(callsOf("documentAt")[0]).toContain('"d1", 5)');
    expect(await codeOf(db.getDocumentAtTimestamp("d1", Number.NaN))).toBe("input/invalid");
    const other = await tenant.openDB<Note>("other");
    expect(await codeOf(other.undo(doc))).toBe("input/invalid");
    await db.purgeDocHistory("d1");
    expect(world.docs.size).toBe(0);
    doc.dispose();
    expect(await codeOf(db.undo(doc))).toBe("store/closed");
  });
});

describe("named keys", () => {
  it("are made by the tenant, and seal new documents", async () => {
    await tenant.keys.createDocEncryptionKey("salaries");
    expect(callsOf("createKey")).toEqual(['createKey("t1", "salaries")']);
    expect(tenant.keys.list.value).toEqual([]);
    const doc = await db.createEncryptedDocument("salaries", note("one"));
    expect(doc.data.value?.title).toBe("one");
    expect(callsOf("createDocuments")[0]).toContain('{"keyName":"salaries"}');
  });
});

describe("shapes", () => {
  const noLongTitle: StandardSchema<Note> = {
    "~standard": {
      version: 1,
      vendor: "test",
      validate: (value) =>
        (value as Note).title.length < 5 ? { value } : { issues: [{ message: "too long", path: ["title"] }] },
    },
  };
  const options: OpenDatabaseOptions<Note> = {
    schema: noLongTitle,
    migrations: [{ to: 2, set: { label: field("title") } }],
  };

  it("hold every way of writing against the schema, before anything is shown or sent", async () => {
    const shaped = await tenant.openDB("notes", options);
    expect(callsOf("openDatabase").at(-1)).toContain('"version":2');
    const doc = await shaped.createDocument(note("one"));
    const before = doc.data.value;
    const calls = world.calls.length;
    const long = "far too long";
    const tries = [
      shaped.createDocument(note(long)),
      shaped.createDocuments([note("ok"), note(long)]),
      shaped.createEncryptedDocument("k", note(long)),
      shaped.changeDoc(doc, (draft) => void (draft.title = long)),
    ];
    expect(await Promise.all(tries.map(codeOf))).toEqual(Array<string>(4).fill("input/schema"));
    expect(doc.data.value).toBe(before);
    expect(world.calls.length).toBe(calls);
    const bulk = shaped.changeDocs([doc.id], (draft) => void (draft.title = long));
    await expect(bulk).rejects.toMatchObject({ code: "input/schema", details: { docId: doc.id } });
    expect(callsOf("changeDocuments")).toEqual([]);
    await shaped.changeDoc(doc, (draft) => void (draft.title = "two"));
  });

  it("are opened again with their database, and shared by who gives the very same", async () => {
    const first = await tenant.openDB("notes", options);
    const same = await tenant.openDB("notes", options);
    const opened = callsOf("openDatabase").length;
    const doc = await first.createDocument(note("one"));
    await same.changeDoc(doc, (draft) => void (draft.title = "two"));
    const plain = await db.getDocument(doc.id);
    expect(await codeOf(first.changeDoc(plain, () => undefined))).toBe("input/invalid");
    expect(opened).toBe(2);
    await restart();
    expect(
      callsOf("openDatabase")
        .slice(opened)
        .map((call) => call.includes('"version":2')),
    ).toEqual([false, true]);
  });

  it("that are asynchronous or no plain data are refused", async () => {
    const migrations = [{ to: 0, set: {} }];
    expect(await codeOf(tenant.openDB("notes", { migrations }))).toBe("input/invalid");
    expect(callsOf("openDatabase")).toHaveLength(1);
  });
});

describe("exportBackup", () => {
  const pieces = [Uint8Array.of(1), Uint8Array.of(2, 3), Uint8Array.of(4)];
  beforeEach(() => {
    world.backup.pieces = pieces;
  });

  it("reads a piece only when it is asked for", async () => {
    const stream = tenant.exportBackup({ password: "p" });
    await settle();
    expect(callsOf("openExport")).toEqual([]);
    const reader = stream.getReader();
    expect((await reader.read()).value).toEqual(Uint8Array.of(1));
    await settle();
    expect(world.backup.readCount).toBe(1);
    expect(callsOf("openExport")[0]).toContain('{"password":"p","documents":true,"files":true}');
    const rest = [await reader.read(), await reader.read(), await reader.read()];
    expect(rest.map(({ value }) => value?.length)).toEqual([2, 1, undefined]);
    expect(rest.at(-1)?.done).toBe(true);
    await settle();
    expect(world.backup.aborted).toEqual([]);
  });

  it("ends the export when the reader does not want the rest", async () => {
    const reader = tenant.exportBackup({ password: "p", documents: false }).getReader();
    await reader.read();
    await reader.cancel();
    await settle();
    expect(world.backup.aborted).toEqual([7]);
    const untouched = tenant.exportBackup({ password: "p" });
    await untouched.cancel();
    await settle();
    expect(callsOf("openExport")).toHaveLength(1);
  });

  it("ends by its signal, and with the worker", async () => {
    const controller = new AbortController();
    const head = Uint8Array.of(9);
    const options = { password: "p", resume: { head, sizeBytes: 5 }, signal: controller.signal };
    const reader = tenant.exportBackup(options).getReader();
    await reader.read();
    expect(callsOf("openExport")[0]).toContain('"resume":{"header":{"bytes":1},"sizeBytes":5}');
    controller.abort();
    expect(await codeOf(reader.read())).toBe("aborted");
    await settle();
    expect(world.backup.aborted).toEqual([7]);
    hold("readExport");
    const other = tenant.exportBackup({ password: "p" }).getReader();
    const reading = codeOf(other.read());
    await settle();
    world.beforeCall = async () => undefined;
    await restart();
    expect(await reading).toBe("worker/restarted");
  });
});

describe("importBackup", () => {
  it("takes a file in piece by piece", async () => {
    const progress: unknown[] = [];
    const report = await coffer.importBackup(new Blob([new Uint8Array(2_500_000)]), {
      password: "p",
      onProgress: (now) => progress.push(now),
    });
    expect(report).toEqual({ tenantId: "t1", commitCount: 3, newCount: 2, fileBytes: 0 });
    expect(world.backup.written.reduce((sum, piece) => sum + piece.length, 0)).toBe(2_500_000);
    expect(Math.max(...world.backup.written.map(({ length }) => length))).toBeLessThanOrEqual(1024 * 1024);
    expect(progress.at(-1)).toEqual({ sizeBytes: 2_500_000, commitCount: world.backup.written.length });
    await settle();
    expect([world.backup.aborted, callsOf("measureStorage")]).toEqual([[], ["measureStorage()"]]);
  });

  it("gives the import up when the file, the worker or the caller fails", async () => {
    let cancelled: unknown;
    const streamOf = (chunk: unknown): ReadableStream<Uint8Array> =>
      new ReadableStream({
        pull: (controller) => controller.enqueue(chunk as Uint8Array),
        cancel: (reason) => void (cancelled = reason),
      });
    expect(await codeOf(coffer.importBackup(streamOf("text"), { password: "p" }))).toBe("input/invalid");
    expect(isCofferError(cancelled)).toBe(true);
    const broken = new ReadableStream<Uint8Array>({
      pull: () => {
        throw new TypeError("disk");
      },
    });
    expect(await codeOf(coffer.importBackup(broken, { password: "p" }))).toBe("input/invalid");
    world.beforeCall = async (name) => {
      if (name === "writeImport") throw new CofferError("entry/corrupt");
    };
    const bytes = Uint8Array.of(1);
    expect(await codeOf(coffer.importBackup(streamOf(bytes), { password: "p" }))).toBe("entry/corrupt");
    const controller = new AbortController();
    world.beforeCall = async (name) => {
      if (name === "writeImport") controller.abort();
    };
    const aborted = coffer.importBackup(streamOf(bytes), { password: "p", signal: controller.signal });
    expect(await codeOf(aborted)).toBe("aborted");
    await settle();
    expect(world.backup.aborted).toEqual([8, 8, 8, 8]);
  });
});

describe("storage", () => {
  const measure = async (usageBytes: number, quotaBytes: number): Promise<string> => {
    world.emit([{ kind: "storage", usageBytes, quotaBytes }]);
    await settle();
    return coffer.status.value.storage.room;
  };

  it("says how much room there is", async () => {
    expect(coffer.status.value.storage.room).toBe("unknown");
    expect(await measure(0, 0)).toBe("unknown");
    expect(await measure(1e6, 1e10)).toBe("enough");
    expect(await measure(9.5e9, 1e10)).toBe("low");
    expect(await measure(1e6, 40e6)).toBe("low");
  });

  it("is full from a refusal on, until a measure finds more", async () => {
    const doc = await db.createDocument(note("one"));
    await measure(1e6, 1e10);
    world.beforeChange = async () => {
      throw new CofferError("store/quota");
    };
    expect(await codeOf(db.changeDoc(doc, (draft) => void (draft.title = "two")))).toBe("store/quota");
    expect(coffer.status.value.storage.room).toBe("full");
    expect(await measure(1e6, 1e10)).toBe("full");
    expect(await measure(2e6, 1e10)).toBe("full");
    expect(await measure(0.5e6, 1e10)).toBe("enough");
    expect(await measure(1e6, 1e10)).toBe("enough");
  });

  it("is asked to be kept once something is stored, and nobody waits for the answer", async () => {
    const asked: string[] = [];
    const persist = (): Promise<boolean> => {
      asked.push("persist");
      return new Promise(() => undefined);
    };
    const persisted = async (): Promise<boolean> => {
      asked.push("persisted");
      return false;
    };
    vi.stubGlobal("navigator", { storage: { persist, persisted } });
    const other = await openCofferWith(createWorld());
    const open = await other.openTenant("acme", { password: "secret" });
    const notes = await open.openDB<Note>("notes");
    await notes.getAllDocumentIds();
    expect(asked).toEqual(["persisted"]);
    await notes.createDocument(note("one"));
    await notes.createDocument(note("two"));
    expect(asked).toEqual(["persisted", "persist"]);
    expect(other.status.value.storage.persisted).toBe(false);
    await other.close();
  });

  it("is kept and measured when the application asks, and measured when the page comes into view", async () => {
    const page = new EventTarget();
    vi.stubGlobal("document", page);
    vi.stubGlobal("navigator", { storage: { persist: async () => true, persisted: async () => false } });
    const own = createWorld();
    const other = await openCofferWith(own);
    expect(await other.keepStorage()).toBe(true);
    expect(other.status.value.storage.persisted).toBe(true);
    page.dispatchEvent(new Event("visibilitychange"));
    await settle();
    expect(own.calls).toEqual(["measureStorage()", "measureStorage()"]);
    await other.close();
    page.dispatchEvent(new Event("visibilitychange"));
    await settle();
    expect(own.calls).toHaveLength(2);
  });

  it("that browsers do not speak of is not kept", async () => {
    vi.stubGlobal("navigator", {});
    expect(await coffer.keepStorage()).toBe(false);
  });
});

describe("openTenant", () => {
  it("without a password is the worker's to judge", async () => {
    await coffer.openTenant("t1");
    expect(callsOf("openTenant").at(-1)).toBe('openTenant("t1", {})');
    await coffer.openTenant("t1", { password: "p", keepSession: true });
    expect(callsOf("openTenant").at(-1)).toBe('openTenant("t1", {"password":"p","keepSession":true})');
  });
});

describe("calls that are handed on", () => {
  it("take no more than they name, whatever an event or an iteration passes", async () => {
    await Promise.all(["one", "two"].map(tenant.keys.createDocEncryptionKey));
    expect(callsOf("createKey")).toEqual(['createKey("t1", "one")', 'createKey("t1", "two")']);
  });
});
