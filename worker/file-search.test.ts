/** The texts of files in the full text: found as words of their document, here and elsewhere, and gone with what they were made of. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { WebSocket as NodeWebSocket } from "ws";
import { afterEach, describe, expect, it, vi } from "vitest";
import { startServer } from "../server/src/index.ts";
import {
  attachmentField,
  derivedField,
  encodeDerived,
  encodeRecord,
  readPart,
} from "../src/attachment/index.ts";
import type { DraftOperation } from "../src/draft/index.ts";
import { bytesToBase64url, bytesToHex, parseId } from "../src/std/index.ts";
import { createMemoryStorage, type Storage } from "../src/store/index.ts";
import { ChunkStore } from "../src/sync/index.ts";
import type { SearchMessage, SearchRow, WorkerEvent } from "./api.ts";
import {
  closeDevices,
  draft,
  env,
  newSubscription,
  people,
  startDevice,
  type Device,
} from "./device-fixtures.ts";

// Node 20 has no WebSocket of its own.
globalThis.WebSocket ??= NodeWebSocket as unknown as typeof WebSocket;

afterEach(async () => {
  vi.restoreAllMocks();
  await closeDevices();
});

const byPassword = { userName: undefined, password: people.userPassword, keepSession: false };
const plain: SearchMessage = {
  text: "",
  fields: undefined,
  prefix: "none",
  fuzzy: 0,
  filter: undefined,
  sort: [],
  locale: undefined,
  limit: 50,
  offset: 0,
  highlight: true,
  excerptLength: 40,
};

interface Opened {
  readonly device: Device;
  readonly storage: Storage;
  readonly tenantId: string;
  readonly database: number;
}

async function founded(storage: Storage = createMemoryStorage(env)): Promise<Opened> {
  const device = await startDevice(storage);
  const { id: tenantId } = await device.api.createTenant(people);
  const database = newSubscription();
  await device.api.openDatabase(tenantId, "notes", database);
  return { device, storage, tenantId, database };
}

async function reopened({ storage, tenantId }: Opened): Promise<Opened> {
  const device = await startDevice(storage);
  await device.api.openTenant(tenantId, byPassword);
  const database = newSubscription();
  await device.api.openDatabase(tenantId, "notes", database);
  return { device, storage, tenantId, database };
}

async function edit({ database, device }: Opened, docId: string, operations: readonly DraftOperation[]) {
  const doc = newSubscription();
  const { heads } = await device.api.openDocument(database, docId, doc);
  await device.api.changeDocument(doc, draft(operations, heads));
  await device.api.closeDocument(doc);
}

async function upload({ database, device: { api } }: Opened, docId: string, content: string) {
  const number = await api.openUpload(database, docId);
  await api.writeUpload(number, new TextEncoder().encode(content));
  const { atMs, id, parts } = await api.finishUpload(number);
  return { atMs, id, bytes: parts, parts: parts.map((part) => readPart(part) ?? expect.fail("a part")) };
}

/** Add a file of ten bytes whose text is another, as a page does with an extractor. */
async function addFile(opened: Opened, docId: string, { name, text }: { name: string; text: string }) {
  const file = await upload(opened, docId, "ten bytes.");
  const { bytes, parts } = await upload(opened, docId, text);
  const [part = expect.fail("a part")] = parts;
  const record = encodeRecord({ name, type: "application/pdf", addedAtMs: file.atMs, parts: file.parts });
  const derived = encodeDerived({ type: "text/plain", ofBytes: 10, part });
  await edit(opened, docId, [
    { op: "set", path: [attachmentField(file.id)], value: record },
    { op: "set", path: [derivedField(file.id, "text")], value: derived },
  ]);
  await opened.device.api.nameParts(opened.database, [...file.bytes, ...bytes]);
  return { id: file.id, part };
}

const removal = (id: string): readonly DraftOperation[] => [
  { op: "delete", path: [attachmentField(id)] },
  { op: "delete", path: [derivedField(id, "text")] },
];

/** A search as a page shows it. */
async function search({ database, device }: Opened, asked: Partial<SearchMessage>) {
  const subscription = newSubscription();
  const events = () =>
    device.events.filter((one) => one.kind === "search" && one.subscription === subscription) as Extract<
      WorkerEvent,
      { kind: "search" }
    >[];
  await device.api.openSearch(database, { ...plain, ...asked }, subscription);
  await expect.poll(() => events().at(-1)?.status.phase).toBe("ready");
  return {
    ids: () => events().at(-1)?.order ?? [],
    row: (id: string): SearchRow | undefined =>
      events()
        .flatMap(({ changed }) => changed)
        .findLast((row) => row.id === id),
  };
}

const idsOf = async (opened: Opened, asked: Partial<SearchMessage>) => (await search(opened, asked)).ids();

async function everythingIn(storage: Storage): Promise<string> {
  const all: string[] = [];
  for (const name of await storage.listStores()) {
    const store = await storage.openStore(name);
    for (const { value } of await store.readSlots(""))
      if (value instanceof Uint8Array) all.push(bytesToHex(value));
    for (const { bytes } of await store.readLog({ after: 0, maxCount: 10_000, maxBytes: 1e9 }))
      all.push(bytesToHex(bytes));
    store.close();
  }
  return all.join(" ");
}

const hex = (text: string): string => bytesToHex(new TextEncoder().encode(text));

describe("the text of a file", () => {
  it("finds its document, says in which file, and only where files are looked at", async () => {
    const opened = await founded();
    const [film = "", other = ""] = await opened.device.api.createDocuments(opened.database, [
      { title: "Ran" },
      { title: "katana" },
    ]);
    const live = await search(opened, { text: "katana" });
    expect(live.ids()).toEqual([other]);
    const { id } = await addFile(opened, film, {
      name: "screenplay.pdf",
      text: "EXT. CASTLE. He draws his Katana.",
    });
    await expect.poll(() => [...live.ids()].toSorted()).toEqual([film, other].toSorted());
    expect(live.row(film)?.marks).toEqual([{ field: "$files", path: [id, "text"], from: 26, to: 32 }]);
    const [excerpt] = live.row(film)?.excerpts ?? [];
    expect([excerpt?.path, excerpt?.text]).toEqual([[id, "text"], "EXT. CASTLE. He draws his Katana."]);
    expect(await idsOf(opened, { text: "katana", fields: ["$files"] })).toEqual([film]);
    expect(await idsOf(opened, { text: "katana", fields: ["title"] })).toEqual([other]);
    // Its name is looked at too, and its type is not.
    const byName = await search(opened, { text: "screenplay" });
    expect(byName.row(film)?.marks).toEqual([{ field: "$files", path: [id, "name"], from: 0, to: 10 }]);
    expect(await idsOf(opened, { text: "application" })).toEqual([]);
  });

  it("is kept sealed, stands after a restart, and goes with the file, its growth, and its document", async () => {
    const opened = await founded();
    const [a = "", b = "", c = ""] = await opened.device.api.createDocuments(opened.database, [
      { title: "one" },
      { title: "two" },
      { title: "three" },
    ]);
    const files = [];
    for (const doc of [a, b, c])
      files.push(await addFile(opened, doc, { name: "n.pdf", text: "canaryofthemine everywhere" }));
    expect((await idsOf(opened, { text: "canaryofthemine" })).toSorted()).toEqual([a, b, c].toSorted());
    const slots = async () => {
      const store = await opened.storage.openStore(`coffer/tenant/${opened.tenantId}`);
      const found = await store.readSlots("text/");
      store.close();
      return found.length;
    };
    await expect.poll(slots).toBe(2);
    expect(await everythingIn(opened.storage)).not.toContain(hex("canaryofthemine"));
    await opened.device.api.closeTenant(opened.tenantId);
    // The index has it: of the chunks, none is read again.
    const reading = vi.spyOn(ChunkStore.prototype, "chunksOf");
    const again = await reopened(opened);
    const live = await search(again, { text: "canaryofthemine", highlight: false, excerptLength: undefined });
    expect([...live.ids()].toSorted()).toEqual([a, b, c].toSorted());
    expect(reading).not.toHaveBeenCalled();
    await edit(again, a, removal(files[0]?.id ?? ""));
    await expect.poll(() => [...live.ids()].toSorted()).toEqual([b, c].toSorted());
    const grown = await upload(again, b, "more");
    const path = [attachmentField(files[1]?.id ?? ""), "parts"];
    await edit(again, b, [{ op: "splice", path, index: 1, remove: 0, values: [...grown.bytes] }]);
    await expect.poll(() => live.ids()).toEqual([c]);
    await again.device.api.purgeDocument(again.database, c);
    await expect.poll(() => live.ids()).toEqual([]);
    const { part = expect.fail("a part") } = files[2] ?? {};
    const chunks = new ChunkStore(
      opened.storage,
      "coffer",
      parseId("TenantId", opened.tenantId) ?? expect.fail(),
    );
    expect(await chunks.part(part.commitHash)).toBeUndefined();
  });

  it("is nothing where a document names another's, or what is no text of its own", async () => {
    const opened = await founded();
    const [a = "", b = ""] = await opened.device.api.createDocuments(opened.database, [
      { title: "mine" },
      { title: "theirs" },
    ]);
    const { part } = await addFile(opened, a, { name: "n.pdf", text: "treasure" });
    const file = await upload(opened, b, "ten bytes.");
    const record = encodeRecord({ name: "theirs", type: "", addedAtMs: 1, parts: file.parts });
    const derived = encodeDerived({ type: "text/plain", ofBytes: 10, part });
    await edit(opened, b, [
      { op: "set", path: [attachmentField(file.id)], value: record },
      { op: "set", path: [derivedField(file.id, "text")], value: derived },
    ]);
    expect(await idsOf(opened, { text: "treasure" })).toEqual([a]);
    expect(await idsOf(opened, { text: "theirs" })).toEqual([b]);
  });

  it("made at once on two devices is one, the same everywhere", async () => {
    const opened = await founded();
    const { api } = opened.device;
    const [film = ""] = await api.createDocuments(opened.database, [{ title: "Ran" }]);
    const { id } = await addFile(opened, film, { name: "n.pdf", text: "first" });
    const made = [await upload(opened, film, "left"), await upload(opened, film, "right")];
    const docs = [newSubscription(), newSubscription()];
    const heads = [];
    for (const doc of docs) heads.push((await api.openDocument(opened.database, film, doc)).heads);
    // Both stand on the same heads, as two devices that do not know of each other do.
    for (const [at, { parts }] of made.entries()) {
      const [part = expect.fail("a part")] = parts;
      const value = encodeDerived({ type: "text/plain", ofBytes: 10, part });
      const set = { op: "set", path: [derivedField(id, "text")], value } as const;
      await api.changeDocument(docs[at] ?? 0, draft([set], heads[at] ?? []));
    }
    const counts = [];
    for (const text of ["left", "right", "first"]) counts.push((await idsOf(opened, { text })).length);
    expect(counts.toSorted()).toEqual([0, 0, 1]);
    expect(counts[2]).toBe(0);
    await api.closeTenant(opened.tenantId);
    const again = await reopened(opened);
    const after = [];
    for (const text of ["left", "right", "first"]) after.push((await idsOf(again, { text })).length);
    expect(after).toEqual(counts);
  });
});

describe("a text that is elsewhere", () => {
  it("is fetched and found once it is to be had, and never where the key is missing", async () => {
    const folder = await mkdtemp(join(tmpdir(), "coffer-test-"));
    const server = await startServer({ dataFolder: folder, port: 0 });
    try {
      const owner = await founded();
      const { api } = owner.device;
      const tenant = (await api.resumeTenant(owner.tenantId, undefined)).adminUser;
      const proof = { adminKey: tenant?.key ?? "", adminPassword: people.adminPassword };
      const storage = createMemoryStorage(env);
      const other = await startDevice(storage);
      const password = "marble tunnel saffron";
      const bring = async (documents: boolean): Promise<void> => {
        const exporting = await api.openExport(owner.tenantId, { password, documents, resume: undefined });
        const importing = await other.api.openImport(password);
        for (;;) {
          const piece = await api.readExport(exporting);
          if (piece === undefined) break;
          await other.api.writeImport(importing, piece);
        }
        await other.api.finishImport(importing);
      };
      await bring(true);
      await api.publish(owner.tenantId, server.url, proof);
      await api.connect(owner.tenantId, server.url);
      await api.createKey(owner.tenantId, "salaries");
      const [secret = ""] = await api.createDocuments(owner.database, [{ n: 1 }], { keyName: "salaries" });
      const [open = ""] = await api.createDocuments(owner.database, [{ n: 2 }]);
      await other.api.openTenant(owner.tenantId, byPassword);
      await other.api.connect(owner.tenantId, server.url);
      const database = newSubscription();
      await other.api.openDatabase(owner.tenantId, "notes", database);
      const copy: Opened = { device: other, storage, tenantId: owner.tenantId, database };
      const live = await search(copy, { text: "plenty" });
      for (const doc of [secret, open]) await addFile(owner, doc, { name: "n.pdf", text: "plenty of it" });
      await api.sync(owner.tenantId, server.url);
      await expect.poll(() => live.ids()).toEqual([open]);
      await expect.poll(() => live.row(open)?.excerpts[0]?.text).toBe("plenty of it");
      expect(live.ids()).toEqual([open]);
      await bring(false);
      await expect.poll(() => [...live.ids()].toSorted()).toEqual([secret, open].toSorted());
      // What came is kept: without a server it is found again.
      await other.api.closeTenant(owner.tenantId);
      await server.close();
      const later = await reopened(copy);
      expect((await idsOf(later, { text: "plenty" })).toSorted()).toEqual([secret, open].toSorted());
    } finally {
      await closeDevices();
      await server.close().catch(() => undefined);
      await rm(folder, { recursive: true, force: true });
    }
  });

  it("is asked for again after a while where it was not to be had", async () => {
    const opened = await founded();
    const [film = ""] = await opened.device.api.createDocuments(opened.database, [{ title: "Ran" }]);
    const { part } = await addFile(opened, film, { name: "n.pdf", text: "katana" });
    const store = await opened.storage.openStore(`coffer/tenant/${opened.tenantId}/chunks`);
    const chunks = new ChunkStore(
      opened.storage,
      "coffer",
      parseId("TenantId", opened.tenantId) ?? expect.fail(),
    );
    const [{ hash } = expect.fail("a chunk")] = (await chunks.part(part.commitHash))?.chunks ?? [];
    const name = `c/${bytesToBase64url(hash)}`;
    const value = (await store.readSlot(name))?.value;
    await store.write({ slots: [{ name, value: undefined }] });
    const live = await search(opened, { text: "katana" });
    const other = await search(opened, { text: "ran" });
    expect([live.ids(), other.ids()]).toEqual([[], [film]]);
    await store.write({ slots: [{ name, value }] });
    await expect.poll(() => live.ids()).toEqual([film]);
    store.close();
  });
});

describe("whatever is added, removed and edited", () => {
  const words = ["amber", "basalt", "cobalt"];
  const step = fc.record({
    kind: fc.constantFrom("add", "add", "remove", "title", "grow"),
    doc: fc.nat(1),
    file: fc.nat(3),
    word: fc.constantFrom(...words),
  });

  it("what is found is what the documents and their files say, live and in an index built afresh", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
        const opened = await founded();
        const docs = await opened.device.api.createDocuments(opened.database, [{ title: "" }, { title: "" }]);
        /** the dull twin: of each document its title, and of each of its files the text that still counts */
        const model = docs.map(() => ({ title: "", files: [] as { id: string; text: string }[] }));
        const live = await Promise.all(words.map((text) => search(opened, { text })));
        for (const { doc, file, kind, word } of steps) {
          const [docId = "", state = expect.fail()] = [docs[doc], model[doc]];
          const target = state.files[file % Math.max(1, state.files.length)];
          if (kind === "add")
            state.files.push({
              id: (await addFile(opened, docId, { name: "n", text: `x ${word}` })).id,
              text: word,
            });
          else if (kind === "title") {
            await edit(opened, docId, [{ op: "set", path: ["title"], value: word }]);
            state.title = word;
          } else if (target !== undefined && kind === "remove") {
            await edit(opened, docId, removal(target.id));
            state.files.splice(state.files.indexOf(target), 1);
          } else if (target !== undefined) {
            const { bytes } = await upload(opened, docId, "more");
            const path = [attachmentField(target.id), "parts"];
            await edit(opened, docId, [{ op: "splice", path, index: 1, remove: 0, values: [...bytes] }]);
            target.text = "";
          }
        }
        const wanted = words.map((word) =>
          docs
            .filter(
              (_, at) => model[at]?.title === word || model[at]?.files.some(({ text }) => text === word),
            )
            .toSorted(),
        );
        await expect.poll(() => live.map(({ ids }) => [...ids()].toSorted())).toEqual(wanted);
        await opened.device.api.closeTenant(opened.tenantId);
        const fresh = await reopened(opened);
        const again = [];
        for (const text of words) again.push((await idsOf(fresh, { text })).toSorted());
        expect(again).toEqual(wanted);
      }),
      { numRuns: 8 },
    );
  });
});
