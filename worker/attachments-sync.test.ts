import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket as NodeWebSocket } from "ws";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { backUp, restore } from "../server/src/backup.ts";
import { startServer, type RunningServer } from "../server/src/index.ts";
import {
  attachmentField,
  attachmentLimits,
  encodePart,
  encodeRecord,
  readAttachments,
  readPart,
  type Part,
} from "../src/attachment/index.ts";
import { bytesToBase64url, CofferError, parseId } from "../src/std/index.ts";
import { runsOf } from "../src/std/runs-fixtures.ts";
import { createMemoryStorage, type Storage } from "../src/store/index.ts";
import {
  addChunks,
  ChunkLink,
  ChunkStore,
  createChunkQuestion,
  createHttpTransport,
  factsOf,
  freeChunks,
  isReceived,
  noChunks,
  readDeviceSigner,
  shareChunkNews,
} from "../src/sync/index.ts";
import { syncTenants } from "../sw/sync-tenants.ts";
import type { AttachmentState, FileSums } from "../src/page/attachment-types.ts";
import {
  closeDevices,
  createTabsEnv,
  crypto,
  draft,
  env,
  newSubscription,
  people,
  startDevice,
  type Device,
} from "./device-fixtures.ts";

// Node 20 has no WebSocket of its own.
globalThis.WebSocket ??= NodeWebSocket as unknown as typeof WebSocket;

const { chunkBytes, partBytes } = attachmentLimits;
let dataFolder: string;
let server: RunningServer;

beforeEach(async () => {
  dataFolder = await mkdtemp(join(tmpdir(), "coffer-test-"));
  server = await startServer({ dataFolder, port: 0 });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await closeDevices();
  await server.close();
  await rm(dataFolder, { recursive: true, force: true });
});

interface Party {
  readonly storage: Storage;
  readonly device: Device;
  readonly tenantId: string;
  readonly database: number;
}

const open = { userName: undefined, password: people.userPassword, keepSession: false };
const contentOf = (size: number): Uint8Array =>
  Uint8Array.from({ length: size }, (_, at) => (at * 31 + (at >>> 8) + (at >>> 16)) & 255);

async function founded(
  world = env,
): Promise<Party & { readonly proof: { adminKey: string; adminPassword: string } }> {
  const storage = createMemoryStorage(env);
  const device = await startDevice(storage, world);
  const tenant = await device.api.createTenant(people);
  const proof = { adminKey: tenant.adminUser?.key ?? "", adminPassword: people.adminPassword };
  await device.api.publish(tenant.id, server.url, proof);
  const database = newSubscription();
  await device.api.openDatabase(tenant.id, "films", database);
  return { storage, device, tenantId: tenant.id, database, proof };
}

/** A second device: what the first one's backup says, in a store of its own. */
async function restored(
  { device, tenantId }: Party,
  wrap: (storage: Storage) => Storage = (storage) => storage,
): Promise<Party> {
  const password = "fourteen amber foxes under glass";
  const number = await device.api.openExport(tenantId, { password, documents: false, resume: undefined });
  const storage = wrap(createMemoryStorage(env));
  const other = await startDevice(storage);
  const importId = await other.api.openImport(password);
  for (
    let piece = await device.api.readExport(number);
    piece !== undefined;
    piece = await device.api.readExport(number)
  )
    await other.api.writeImport(importId, piece);
  await other.api.finishImport(importId);
  await other.api.openTenant(tenantId, open);
  await other.api.connect(tenantId, server.url);
  const database = newSubscription();
  await other.api.openDatabase(tenantId, "films", database);
  return { storage, device: other, tenantId, database };
}

async function add(party: Party, docId: string, bytes: Uint8Array): Promise<readonly Part[]> {
  const { api } = party.device;
  const upload = await api.openUpload(party.database, docId);
  for (let from = 0; from < bytes.length; from += partBytes)
    await api.writeUpload(upload, bytes.slice(from, from + partBytes));
  const { atMs, id, parts } = await api.finishUpload(upload);
  const read = parts.map((part) => readPart(part) ?? expect.fail("a part"));
  const value = encodeRecord({ name: "a.mp4", type: "video/mp4", addedAtMs: atMs, parts: read });
  const doc = newSubscription();
  const { heads } = await api.openDocument(party.database, docId, doc);
  await api.changeDocument(doc, draft([{ op: "set", path: [attachmentField(id)], value }], heads));
  await api.closeDocument(doc);
  await api.nameParts(party.database, parts);
  return read;
}

const read = (
  { database, device }: Party,
  docId: string,
  part: Part,
  range = { from: 0, to: part.sizeBytes },
) => device.api.readPart(database, docId, encodePart(part), range);

const codeOf = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => "none",
    (error: unknown) => (error as CofferError).code,
  );

const chunksOf = ({ storage, tenantId }: Party): ChunkStore =>
  new ChunkStore(storage, "coffer", parseId("TenantId", tenantId) ?? expect.fail("an id"));

/** Whether all chunks of a device have a receipt. */
async function isSent(party: Party): Promise<boolean> {
  const parts = await chunksOf(party).parts();
  return parts.length > 0 && parts.every((part) => part.chunks.every((_, index) => isReceived(part, index)));
}

const addressOf = (input: RequestInfo | URL): string =>
  input instanceof Request ? input.url : typeof input === "string" ? input : input.href;

/** The requests about chunks that left this process. */
function watchRequests(): { readonly method: string; readonly hash: string; readonly url: string }[] {
  const seen: { method: string; hash: string; url: string }[] = [];
  const real = globalThis.fetch;
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    const [, hash] = /\/blob\/([\w-]{43})/.exec(addressOf(input)) ?? [];
    if (hash !== undefined) seen.push({ method: init?.method ?? "GET", hash, url: addressOf(input) });
    return real(input, init);
  });
  return seen;
}

/** A round of the service worker on a device where everything is locked. */
const syncedBy = ({ storage }: Party) =>
  syncTenants({
    env,
    crypto,
    storage,
    scope: "coffer",
    openTransport: (url) => ({ http: createHttpTransport(env, url), live: undefined }),
  });

/** Link two devices by what their pages would carry. */
async function linkPeers(a: Party, b: Party): Promise<void> {
  const ends = [a, b].map((party) => ({ ...party, subscription: newSubscription(), told: 0 }));
  for (const { device, subscription, tenantId } of ends) await device.api.openPeer(tenantId, subscription);
  const [one = expect.fail("two"), two = expect.fail("two")] = ends;
  const carry = async (from: typeof one, to: typeof one): Promise<void> => {
    for (; from.told < from.device.events.length; from.told++) {
      const event = from.device.events[from.told];
      if (event?.kind === "peer" && event.subscription === from.subscription && "message" in event)
        await to.device.api.tellPeer(to.subscription, event.message);
    }
  };
  let isOver = false;
  closingLinks.push(() => void (isOver = true));
  void (async () => {
    while (!isOver) {
      await carry(one, two);
      await carry(two, one);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  await two.device.api.syncPeer(two.subscription);
}

const closingLinks: (() => void)[] = [];
afterEach(() => {
  for (const close of closingLinks.splice(0)) close();
});

describe("a peer", () => {
  it("brings what no server has; who read it sends it to the server, and lets it go only then", async () => {
    const alone = await founded();
    const { api } = alone.device;
    const [docId = ""] = await api.createDocuments(alone.database, [{ title: "Ran" }]);
    const bytes = contentOf(2 * chunkBytes);
    const [part = expect.fail("a part")] = await add(alone, docId, bytes);
    const reader = await restored(alone);
    await linkPeers(alone, reader);
    await expect.poll(() => reader.device.api.documentIds(reader.database)).toEqual([docId]);
    // The log is there, the file is not.
    await reader.device.api.sync(reader.tenantId, server.url);
    expect(Buffer.compare(await read(reader, docId, part), bytes)).toBe(0);
    await expect.poll(() => isSent(reader)).toBe(true);
    expect(await reader.device.api.freeParts(reader.database, [encodePart(part)])).toBeGreaterThan(
      bytes.length,
    );
    const later = await restored(alone);
    await later.device.api.sync(later.tenantId, server.url);
    expect(Buffer.compare(await read(later, docId, part), bytes)).toBe(0);
  });
});

describe("two stores", () => {
  it("documents go to one server, attachments to another, and whoever has the first alone has no bytes of them", async () => {
    const second = await startServer({ dataFolder: await mkdtemp(join(tmpdir(), "coffer-test-")), port: 0 });
    try {
      const owner = await founded();
      const { api } = owner.device;
      await api.publish(owner.tenantId, second.url, owner.proof);
      await api.connect(owner.tenantId, server.url, false);
      await api.connect(owner.tenantId, second.url);
      const [docId = ""] = await api.createDocuments(owner.database, [{ title: "Ran" }]);
      const bytes = contentOf(chunkBytes + 9);
      const requests = watchRequests();
      const [part = expect.fail()] = await add(owner, docId, bytes);
      await api.sync(owner.tenantId, server.url);
      await api.sync(owner.tenantId, second.url);
      expect(await isSent(owner)).toBe(true);
      const parts = await chunksOf(owner).parts();
      expect(parts.map(({ received }) => [...received.keys()])).toEqual([[second.url]]);
      expect(requests.every(({ url }) => url.startsWith(second.url))).toBe(true);
      // Another device hears of both, and that the first has none, by the backup that it begins with.
      const other = await restored(owner);
      await other.device.api.disconnect(other.tenantId, second.url);
      await expect.poll(() => other.device.api.documentIds(other.database)).toEqual([docId]);
      const before = requests.length;
      expect(await codeOf(read(other, docId, part))).toBe("net/offline");
      expect(requests.length).toBe(before);
      await other.device.api.connect(other.tenantId, second.url);
      expect(Buffer.compare(await read(other, docId, part), bytes)).toBe(0);
      expect(requests.every(({ url }) => url.startsWith(second.url))).toBe(true);
    } finally {
      await closeDevices();
      await second.close();
    }
  });

  it("a link without attachments stays one, in the service worker and after a restart too, until it is to have them", async () => {
    const owner = await founded();
    const { api } = owner.device;
    await api.connect(owner.tenantId, server.url, false);
    const [docId = ""] = await api.createDocuments(owner.database, [{ title: "Ran" }]);
    const requests = watchRequests();
    await add(owner, docId, contentOf(chunkBytes + 9));
    await api.sync(owner.tenantId, server.url);
    // Connecting again says nothing about them.
    await api.connect(owner.tenantId, server.url);
    await api.sync(owner.tenantId, server.url);
    await api.closeTenant(owner.tenantId);
    await expect.poll(() => syncedBy(owner)).toEqual([undefined]);
    const again = await startDevice(owner.storage);
    await again.api.openTenant(owner.tenantId, open);
    await again.api.sync(owner.tenantId, server.url);
    expect([requests, await isSent(owner)]).toEqual([[], false]);
    await again.api.connect(owner.tenantId, server.url, true);
    await expect.poll(() => isSent(owner)).toBe(true);
    await again.api.connect(owner.tenantId, server.url, false);
    const after = requests.length;
    const database = newSubscription();
    await again.api.openDatabase(owner.tenantId, "films", database);
    await add({ ...owner, device: again, database }, docId, contentOf(77));
    await again.api.sync(owner.tenantId, server.url);
    expect([requests.length, await isSent(owner)]).toEqual([after, false]);
    // Whoever ends the link and begins another one begins with attachments.
    await again.api.disconnect(owner.tenantId, server.url);
    await again.api.connect(owner.tenantId, server.url);
    await expect.poll(() => isSent(owner)).toBe(true);
  });
});

describe("a disk that fills up under the chunks", () => {
  /** A storage whose writes of chunks fail from a number on. */
  function filling(inner: Storage, count: { left: number }): Storage {
    return {
      ...inner,
      async openStore(name) {
        const store = await inner.openStore(name);
        const write = store.write.bind(store);
        store.write = async (batch) => {
          if (name.endsWith("/chunks") && count.left-- <= 0) throw new CofferError("store/quota");
          return write(batch);
        };
        return store;
      },
    };
  }

  it("while they are sent, at each of them, repeats one at most, and loses none", async () => {
    const owner = await founded();
    const { api } = owner.device;
    const [docId = ""] = await api.createDocuments(owner.database, [{ title: "Ran" }]);
    await add(owner, docId, contentOf(4 * chunkBytes));
    await api.connect(owner.tenantId, server.url, false);
    await api.sync(owner.tenantId, server.url);
    const count = { left: Infinity };
    const tenantId = parseId("TenantId", owner.tenantId) ?? expect.fail();
    const chunks = new ChunkStore(filling(owner.storage, count), "coffer", tenantId);
    const store = await owner.storage.openStore(`coffer/tenant/${owner.tenantId}`);
    const signer = (await readDeviceSigner(store)) ?? expect.fail();
    const http = createHttpTransport(env, server.url);
    const requests = watchRequests();
    const push = () => new ChunkLink({ env, crypto, store, chunks, http, tenantId, signer }).push();
    for (let full = 0; full < 4; full++) {
      count.left = full === 0 ? 0 : 1;
      expect(await push()).toMatchObject({ code: "store/quota", leftCount: 4 - full });
    }
    count.left = Infinity;
    expect(await push()).toMatchObject({ code: undefined, leftCount: 0 });
    store.close();
    // Four times the bytes were there and the receipt was not kept.
    expect(requests.length).toBe(4 + 4);
    expect(new Set(requests.map(({ hash }) => hash)).size).toBe(4);
  });

  it("while they are fetched, at each of them, shows all of the file, keeps whole chunks, and goes on behind them", async () => {
    const owner = await founded();
    const { api } = owner.device;
    await api.connect(owner.tenantId, server.url);
    const [docId = ""] = await api.createDocuments(owner.database, [{ title: "Ran" }]);
    const bytes = contentOf(4 * chunkBytes + 3);
    const [part = expect.fail()] = await add(owner, docId, bytes);
    await expect.poll(() => isSent(owner)).toBe(true);
    const requests = watchRequests();
    for (let full = 0; full <= 5; full++) {
      const count = { left: Infinity };
      const other = await restored(owner, (inner) => filling(inner, count));
      await expect.poll(() => other.device.api.documentIds(other.database)).toEqual([docId]);
      await expect.poll(() => codeOf(read(other, docId, part, { from: 0, to: 0 }))).toBe("none");
      requests.length = 0;
      count.left = full;
      expect(Buffer.compare(await read(other, docId, part), bytes)).toBe(0);
      expect(requests.length).toBe(5);
      const [kept] = await chunksOf(other).parts();
      expect(kept?.chunks.filter(({ isHere }) => isHere).length ?? 0).toBe(full);
      // What is to stay cannot, and that is said.
      count.left = 0;
      const pin = () => other.device.api.pinPart(other.database, docId, encodePart(part), true);
      if (full < 5) expect(await codeOf(pin())).toBe("store/quota");
      count.left = Infinity;
      requests.length = 0;
      await pin();
      expect(requests.length).toBe(5 - full);
      expect(Buffer.compare(await read(other, docId, part), bytes)).toBe(0);
      await other.device.api.closeTenant(other.tenantId);
    }
  });
});

describe("files and a server", () => {
  it("are sent behind their documents, fetched when somebody reads them, and kept then", async () => {
    const owner = await founded();
    const [docId = ""] = await owner.device.api.createDocuments(owner.database, [{ title: "Ran" }]);
    const bytes = contentOf(2 * chunkBytes + 99);
    const [part = expect.fail()] = await add(owner, docId, bytes);
    await owner.device.api.connect(owner.tenantId, server.url);
    await expect.poll(() => isSent(owner)).toBe(true);
    const other = await restored(owner);
    await expect.poll(async () => (await other.device.api.documentIds(other.database)).length).toBe(1);
    await expect
      .poll(async () => {
        const { value } = await other.device.api.openDocument(other.database, docId, newSubscription());
        return value === undefined ? 0 : readAttachments(value).length;
      })
      .toBe(1);
    // Nothing of it came by itself.
    expect(await chunksOf(other).parts()).toEqual([]);
    const requests = watchRequests();
    const middle = await read(other, docId, part, { from: chunkBytes + 5, to: chunkBytes + 9 });
    expect(Buffer.compare(middle, bytes.subarray(chunkBytes + 5, chunkBytes + 9))).toBe(0);
    expect(requests.map(({ method }) => method)).toEqual(["GET"]);
    expect(Buffer.compare(await read(other, docId, part), bytes)).toBe(0);
    expect(requests.length).toBe(3);
    await other.device.api.disconnect(other.tenantId, server.url);
    expect(Buffer.compare(await read(other, docId, part), bytes)).toBe(0);
    expect(requests.length).toBe(3);
  });

  it("go on at the chunk after a kill, and repeat at most one", async () => {
    const owner = await founded();
    const { api } = owner.device;
    const [docId = ""] = await api.createDocuments(owner.database, [{ title: "Ran" }]);
    await add(owner, docId, contentOf(5 * chunkBytes));
    // The log first; then links of one's own, so that each can be killed at a chunk.
    await api.connect(owner.tenantId, server.url);
    await expect.poll(() => isSent(owner)).toBe(true);
    const chunks = chunksOf(owner);
    const [part = expect.fail()] = await chunks.parts();
    await chunks.edit(part.commitHash, (before) => ({ ...before, received: new Map() }));
    await api.disconnect(owner.tenantId, server.url);
    const tenantId = parseId("TenantId", owner.tenantId) ?? expect.fail();
    const store = await owner.storage.openStore(`coffer/tenant/${owner.tenantId}`);
    const signer = (await readDeviceSigner(store)) ?? expect.fail();
    const requests = watchRequests();
    for (let killedAt = 1; killedAt <= 5; killedAt++) {
      const abort = new AbortController();
      const real = createHttpTransport(env, server.url);
      let sent = 0;
      const http = {
        ...real,
        chunks: {
          get: real.chunks?.get ?? expect.fail(),
          // The bytes arrive; whoever sent them dies before hearing so.
          put: async (request: Parameters<NonNullable<typeof real.chunks>["put"]>[0]) => {
            const answer = await real.chunks?.put(request);
            sent += 1;
            if (sent === 2) abort.abort();
            if (abort.signal.aborted) throw new TypeError("gone");
            return answer;
          },
        },
      };
      await new ChunkLink({ env, crypto, store, chunks, http, tenantId, signer }).push(abort.signal);
    }
    store.close();
    const counts = new Map<string, number>();
    for (const { hash, method } of requests)
      if (method === "PUT") counts.set(hash, (counts.get(hash) ?? 0) + 1);
    // Each of the kills repeats one, and no more.
    expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBe(5 + 4);
    expect(counts.size).toBe(5);
    expect((await chunks.parts()).every((one) => one.received.get(server.url) === 0b11111)).toBe(true);
  });

  it("are sent by the service worker while everything is locked", async () => {
    const owner = await founded();
    const { api } = owner.device;
    const [docId = ""] = await api.createDocuments(owner.database, [{ title: "Ran" }]);
    await api.connect(owner.tenantId, server.url);
    await api.sync(owner.tenantId, server.url);
    await api.closeTenant(owner.tenantId);
    const offline = await startDevice(owner.storage);
    vi.spyOn(globalThis, "fetch").mockRejectedValue(new TypeError("no network"));
    await offline.api.openTenant(owner.tenantId, open);
    const database = newSubscription();
    await offline.api.openDatabase(owner.tenantId, "films", database);
    await add({ ...owner, device: offline, database }, docId, contentOf(chunkBytes + 1));
    await offline.api.closeTenant(owner.tenantId);
    expect(await isSent(owner)).toBe(false);
    vi.restoreAllMocks();
    const world = { env, crypto, storage: owner.storage, scope: "coffer" };
    const openTransport = (url: string) => ({ http: createHttpTransport(env, url), live: undefined });
    expect(await syncTenants({ ...world, openTransport })).toEqual([undefined]);
    expect(await isSent(owner)).toBe(true);
  });

  it("are not let go before a receipt that verifies, and come again when they were", async () => {
    const owner = await founded();
    const { api } = owner.device;
    const [docId = ""] = await api.createDocuments(owner.database, [{ title: "Ran" }]);
    const bytes = contentOf(chunkBytes);
    const [part = expect.fail()] = await add(owner, docId, bytes);
    const chunks = chunksOf(owner);
    const real = globalThis.fetch;
    vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
      const response = await real(input, init);
      if (!addressOf(input).includes("/blob/") || init?.method !== "PUT") return response;
      return Response.json({ receipt: bytesToBase64url(new Uint8Array(64).fill(7)) }, { status: 201 });
    });
    await api.connect(owner.tenantId, server.url);
    expect(await codeOf(api.sync(owner.tenantId, server.url))).toBe("protocol/malformed");
    expect(await chunks.evict(part.commitHash)).toBe(0);
    vi.restoreAllMocks();
    await api.sync(owner.tenantId, server.url);
    expect(await chunks.evict(part.commitHash)).toBeGreaterThan(chunkBytes);
    expect(Buffer.compare(await read(owner, docId, part), bytes)).toBe(0);
    expect((await chunks.part(part.commitHash))?.chunks[0]?.isHere).toBe(true);
    await chunks.evict(part.commitHash);
    await api.disconnect(owner.tenantId, server.url);
    expect(await codeOf(read(owner, docId, part))).toBe("net/offline");
  });

  it("that a restored server lacks are brought again: what it signed before its backup was taken counts no more", async () => {
    const owner = await founded();
    const { api } = owner.device;
    const [docId = ""] = await api.createDocuments(owner.database, [{ title: "Ran" }]);
    await add(owner, docId, contentOf(chunkBytes));
    await api.connect(owner.tenantId, server.url);
    await add(owner, docId, contentOf(5 * chunkBytes));
    await api.sync(owner.tenantId, server.url);
    expect(await isSent(owner)).toBe(true);
    const kept = (await chunksOf(owner).parts()).flatMap(({ chunks }) =>
      chunks.map(({ hash }) => bytesToBase64url(hash)),
    );
    const backup = await mkdtemp(join(tmpdir(), "coffer-test-"));
    backUp(dataFolder, join(backup, "taken"));
    const bytes = contentOf(chunkBytes + 7);
    const [part = expect.fail()] = await add(owner, docId, bytes);
    await api.sync(owner.tenantId, server.url);
    expect(await isSent(owner)).toBe(true);
    const { port } = new URL(server.url);
    await server.close();
    await rm(dataFolder, { recursive: true, force: true });
    await restore(join(backup, "taken"), dataFolder, { crypto, env });
    await rm(backup, { recursive: true, force: true });
    server = await startServer({ dataFolder, port: Number(port) });
    const requests = watchRequests();
    await expect.poll(() => codeOf(api.sync(owner.tenantId, server.url)), { timeout: 20_000 }).toBe("none");
    await expect.poll(() => requests.filter(({ method }) => method === "PUT").length).toBeGreaterThan(1);
    await expect.poll(() => isSent(owner)).toBe(true);
    // What its backup had it was asked for in one request, and not sent.
    expect(kept).toHaveLength(6);
    expect(requests.filter(({ hash, method }) => method === "PUT" && kept.includes(hash))).toEqual([]);
    expect(await chunksOf(owner).evict(part.commitHash)).toBeGreaterThan(chunkBytes);
    expect(Buffer.compare(await read(owner, docId, part), bytes)).toBe(0);
  });

  it("that a server has are not sent again: it is asked for many at once, and only what it signed for counts", async () => {
    const owner = await founded();
    const { api } = owner.device;
    const [docId = ""] = await api.createDocuments(owner.database, [{ title: "Ran" }]);
    await api.connect(owner.tenantId, server.url);
    await add(owner, docId, contentOf(5 * chunkBytes));
    await expect.poll(() => isSent(owner)).toBe(true);
    const chunks = chunksOf(owner);
    const forget = async (): Promise<void> => {
      for (const { commitHash } of await chunks.parts())
        await chunks.edit(commitHash, (part) => ({ ...part, received: new Map() }));
    };
    const tenantId = parseId("TenantId", owner.tenantId) ?? expect.fail();
    await api.disconnect(owner.tenantId, server.url);
    const store = await owner.storage.openStore(`coffer/tenant/${owner.tenantId}`);
    const signer = (await readDeviceSigner(store)) ?? expect.fail();
    const push = async (answer: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes) => {
      await forget();
      const http = createHttpTransport(env, server.url);
      const seen = { asked: 0, put: 0 };
      const link = new ChunkLink({
        env,
        crypto,
        store,
        chunks,
        tenantId,
        signer,
        askFirst: createChunkQuestion(),
        http: {
          ...http,
          exchange: (request) => {
            if (request.endpoint === "blobs") seen.asked += 1;
            return http.exchange({ ...request, onChunk: (bytes) => request.onChunk(answer(bytes)) });
          },
          chunks: {
            get: http.chunks?.get ?? expect.fail(),
            put: async (request) => {
              seen.put += 1;
              return http.chunks?.put(request);
            },
          },
        },
      });
      const { code } = await link.push();
      return { ...seen, code, isSent: await isSent(owner) };
    };
    expect(await push()).toEqual({ asked: 1, put: 0, code: undefined, isSent: true });
    // One receipt is bent: that chunk is sent, and no other one.
    const bend = (at: number) => (bytes: Uint8Array) =>
      bytes.map((byte, index) => (index === at ? byte ^ 1 : byte));
    expect(await push(bend(40))).toEqual({ asked: 1, put: 1, code: undefined, isSent: true });
    for (const lie of [new Uint8Array(0), new Uint8Array(10_000).fill(1), Uint8Array.of(1, 2, 3)])
      expect(await push(() => lie)).toEqual({
        asked: 1,
        put: 0,
        code: "protocol/malformed",
        isSent: false,
      });
    expect(
      await push(() => {
        throw new CofferError("input/unknown-id");
      }),
    ).toEqual({ asked: 1, put: 5, code: undefined, isSent: true });
    store.close();
  });

  it("that a server swaps are an error, never wrong bytes", async () => {
    const owner = await founded();
    const { api } = owner.device;
    const [docId = ""] = await api.createDocuments(owner.database, [{ title: "Ran" }]);
    const [part = expect.fail()] = await add(owner, docId, contentOf(2 * chunkBytes));
    await api.connect(owner.tenantId, server.url);
    await expect.poll(() => isSent(owner)).toBe(true);
    const chunks = chunksOf(owner);
    const [known = expect.fail()] = await chunks.parts();
    const second = (await chunks.chunksOf([known.chunks[1]?.hash ?? expect.fail()]))[0];
    await chunks.evict(part.commitHash);
    const real = globalThis.fetch;
    const lies = [new Uint8Array(second ?? expect.fail()), new Uint8Array(0), new Uint8Array(400_000)];
    for (const lie of lies) {
      vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) =>
        addressOf(input).includes("/blob/") ? new Response(lie) : real(input, init),
      );
      const code = await codeOf(read(owner, docId, part, { from: 0, to: 9 }));
      expect(["entry/corrupt", "protocol/malformed"]).toContain(code);
      vi.restoreAllMocks();
    }
    expect(await read(owner, docId, part, { from: 0, to: 9 })).toHaveLength(9);
  });

  it("are purged from the server by the admin's word, and refused there afterwards", async () => {
    const owner = await founded();
    const { api } = owner.device;
    const [docId = ""] = await api.createDocuments(owner.database, [{ title: "Ran" }]);
    await add(owner, docId, contentOf(chunkBytes));
    await api.connect(owner.tenantId, server.url);
    await expect.poll(() => isSent(owner)).toBe(true);
    const [known = expect.fail()] = await chunksOf(owner).parts();
    const tenantId = parseId("TenantId", owner.tenantId) ?? expect.fail();
    const store = await owner.storage.openStore(`coffer/tenant/${owner.tenantId}`);
    const signer = (await readDeviceSigner(store)) ?? expect.fail();
    const http = createHttpTransport(env, server.url);
    const link = new ChunkLink({ env, crypto, store, chunks: chunksOf(owner), http, tenantId, signer });
    const gone = { ...known, chunks: known.chunks.map((chunk) => ({ ...chunk, isHere: false })) };
    expect(await link.fetch(gone, 0)).toHaveLength(known.chunks[0]?.sizeBytes ?? -1);
    const kept = (await chunksOf(owner).chunksOf([known.chunks[0]?.hash ?? expect.fail()]))[0];
    await api.purgeDocument(owner.database, docId, owner.proof);
    await api.sync(owner.tenantId, server.url);
    expect(await codeOf(link.fetch(gone, 0))).toBe("input/unknown-id");
    // Whoever has it still does not bring it back.
    const place = {
      commitHash: known.commitHash,
      dbId: known.dbId,
      docId: known.docId,
      createdAtMs: known.createdAtMs,
    };
    const hash = known.chunks[0]?.hash ?? expect.fail();
    await chunksOf(owner).addOwn(place, [{ hash, bytes: kept ?? expect.fail() }], 1);
    await chunksOf(owner).edit(known.commitHash, (part) => ({ ...part, isNamed: true }));
    expect((await link.push()).code).toBe("doc/deleted");
    store.close();
  });
});

/** What a device was told last of a file, and of all files in sum. */
function told({ device, tenantId }: Party, subscription: number) {
  return {
    file: (): AttachmentState | undefined => {
      const last = device.events.findLast(
        (event) => event.kind === "file" && event.subscription === subscription,
      );
      return last?.kind === "file" ? last.state : undefined;
    },
    sums: (): FileSums | undefined => {
      const last = device.events.findLast((event) => event.kind === "tenant" && event.tenantId === tenantId);
      return last?.kind === "tenant" ? last.snapshot.status.files : undefined;
    },
  };
}

/** What a plain count of a device's chunks says. */
async function counted(party: Party): Promise<Omit<FileSums, "budgetBytes">> {
  const parts = (await chunksOf(party).parts()).map(factsOf);
  const { hereBytes, ...sums } = parts.reduce((sum, facts) => addChunks(sum, facts), noChunks);
  return { localBytes: hereBytes, ...sums };
}

describe("what a device keeps of files", () => {
  it("is told as it changes: unsafe, safe, fetched, let go, pinned, and in sum what a plain count says", async () => {
    const owner = await founded();
    const { api } = owner.device;
    const [docId = ""] = await api.createDocuments(owner.database, [{ title: "Ran" }]);
    const bytes = contentOf(2 * chunkBytes + 9);
    const [part = expect.fail()] = await add(owner, docId, bytes);
    const own = newSubscription();
    await api.watchFile(owner.database, [encodePart(part)], own);
    const atHome = told(owner, own);
    await expect.poll(atHome.file).toMatchObject({ place: "local", isSafe: false, isPinned: false });
    expect(atHome.sums()).toEqual({ ...(await counted(owner)), budgetBytes: undefined });
    await api.connect(owner.tenantId, server.url);
    await expect.poll(atHome.file).toMatchObject({ place: "local", isSafe: true });
    const other = await restored(owner);
    await expect.poll(async () => (await other.device.api.documentIds(other.database)).length).toBe(1);
    const theirs = newSubscription();
    await other.device.api.watchFile(other.database, [encodePart(part)], theirs);
    const away = told(other, theirs);
    await expect.poll(away.file).toEqual({ place: "remote", localBytes: 0, isSafe: true, isPinned: false });
    await expect.poll(() => codeOf(read(other, docId, part, { from: 0, to: 4 }))).toBe("none");
    await expect.poll(away.file).toMatchObject({ place: "partly" });
    await other.device.api.pinPart(other.database, docId, encodePart(part), true);
    await expect.poll(away.file).toMatchObject({ place: "local", isPinned: true });
    expect(await other.device.api.freeParts(other.database, [encodePart(part)])).toBe(0);
    await expect.poll(away.sums).toEqual({ ...(await counted(other)), budgetBytes: undefined });
    expect(away.sums()?.pinnedBytes).toBeGreaterThan(bytes.length);
    await other.device.api.pinPart(other.database, docId, encodePart(part), false);
    expect(await other.device.api.freeParts(other.database, [encodePart(part)])).toBeGreaterThan(
      bytes.length,
    );
    await expect.poll(away.file).toMatchObject({ place: "remote", isPinned: false });
    await other.device.api.unwatchFile(theirs);
    expect(Buffer.compare(await read(other, docId, part), bytes)).toBe(0);
    await expect.poll(away.sums).toMatchObject(await counted(other));
    expect(away.file()).toMatchObject({ place: "remote" });
  });

  it("is kept to a budget: what was used longest ago goes, what is pinned or on this device alone stays", async () => {
    const owner = await founded();
    const { api } = owner.device;
    const [docId = ""] = await api.createDocuments(owner.database, [{ title: "Ran" }]);
    const parts: Part[] = [];
    for (let at = 0; at < 4; at++) parts.push(...(await add(owner, docId, contentOf(chunkBytes + at))));
    const chunks = chunksOf(owner);
    const hereOf = async (): Promise<readonly boolean[]> =>
      Promise.all(
        parts.map(async ({ commitHash }) => (await chunks.part(commitHash))?.chunks[0]?.isHere === true),
      );
    // Nobody else has any of it: no budget takes it.
    const before = await api.limitFiles(owner.tenantId, { budgetBytes: 0, freeBytes: 1e9 });
    expect(await hereOf()).toEqual([true, true, true, true]);
    expect(before).toEqual({ ...(await counted(owner)), budgetBytes: 0 });
    expect(before.unsafeBytes).toBe(before.localBytes);
    await api.limitFiles(owner.tenantId, { budgetBytes: null });
    await api.connect(owner.tenantId, server.url);
    await expect.poll(() => isSent(owner)).toBe(true);
    for (const [at, { commitHash }] of parts.entries())
      await chunks.edit(commitHash, (part) => ({ ...part, usedAtMs: [2, 1, 4, 3][at] ?? 0 }));
    await api.pinPart(owner.database, docId, encodePart(parts[1] ?? expect.fail()), true);
    const kept = await api.limitFiles(owner.tenantId, { budgetBytes: 2.5 * (chunkBytes + 100) });
    expect(await hereOf()).toEqual([false, true, true, false]);
    expect(kept).toEqual({ ...(await counted(owner)), budgetBytes: 2.5 * (chunkBytes + 100) });
    // What is read comes back, and pushes out what was used before it.
    await read(owner, docId, parts[0] ?? expect.fail());
    await expect.poll(hereOf).toEqual([true, true, false, false]);
    const little = await api.limitFiles(owner.tenantId, { budgetBytes: null, freeBytes: 1 });
    expect(await hereOf()).toEqual([false, true, false, false]);
    expect(little).toMatchObject({ freeableBytes: 0, budgetBytes: undefined });
  });

  it("is told to the other tabs, whichever of them sends", async () => {
    const world = createTabsEnv();
    const owner = await founded(world);
    const [docId = ""] = await owner.device.api.createDocuments(owner.database, [{ title: "Ran" }]);
    const [part = expect.fail()] = await add(owner, docId, contentOf(chunkBytes));
    const tab = await startDevice(owner.storage, world);
    await tab.api.openTenant(owner.tenantId, open);
    const database = newSubscription();
    await tab.api.openDatabase(owner.tenantId, "films", database);
    const subscription = newSubscription();
    await tab.api.watchFile(database, [encodePart(part)], subscription);
    const there = told({ ...owner, device: tab }, subscription);
    await expect.poll(there.file).toMatchObject({ place: "local", isSafe: false });
    const chunks = chunksOf(owner);
    const release = shareChunkNews(world, chunks);
    await chunks.edit(part.commitHash, (known) => ({ ...known, received: new Map([["srv", 1]]) }));
    await expect.poll(there.file).toMatchObject({ isSafe: true });
    await freeChunks(chunks, 1);
    await expect.poll(there.file).toMatchObject({ place: "remote" });
    release();
  });
});

/** How a life of a link ends: at which chunk of it, and when. */
const death = fc.record({
  atChunk: fc.nat(2),
  upload: fc.constantFrom("before it left", "before it was heard of", "before it was noted"),
  download: fc.constantFrom(
    "before it came",
    "halfway",
    "with another's bytes",
    "doubled",
    "before it was kept",
  ),
});
type Death = typeof death extends fc.Arbitrary<infer D> ? D : never;

describe("links that die again and again", () => {
  it("bring each chunk with at most one repeated a death, both ways, and never a wrong byte", async () => {
    const owner = await founded();
    const { api } = owner.device;
    const [docId = ""] = await api.createDocuments(owner.database, [{ title: "Ran" }]);
    const files = [2 * chunkBytes + 3, chunkBytes, 17, 300, 5].map(contentOf);
    const parts: Part[] = [];
    for (const bytes of files) parts.push(...(await add(owner, docId, bytes)));
    await api.connect(owner.tenantId, server.url);
    await expect.poll(() => isSent(owner)).toBe(true);
    await api.disconnect(owner.tenantId, server.url);
    const tenantId = parseId("TenantId", owner.tenantId) ?? expect.fail();
    const store = await owner.storage.openStore(`coffer/tenant/${owner.tenantId}`);
    const signer = (await readDeviceSigner(store)) ?? expect.fail();
    // Whoever dies so often signs in more often than a server allows.
    const often = { perMinute: 600_000, burst: 100_000 };
    const { port } = new URL(server.url);
    await server.close();
    server = await startServer({
      dataFolder,
      port: Number(port),
      limits: { anonymous: often, member: often },
    });
    const real = createHttpTransport(env, server.url);
    const way = real.chunks ?? expect.fail();
    const nameOf = (hash: Uint8Array): string => bytesToBase64url(hash);
    const gone = new TypeError("gone");

    /** A link of one life, over a chunk store that may die while it notes something. */
    const linkOf = (chunks: ChunkStore, moved: Partial<typeof way>) =>
      new ChunkLink({
        env,
        crypto,
        store,
        chunks,
        tenantId,
        signer,
        http: { ...real, chunks: { ...way, ...moved } },
      });
    const all = chunksOf(owner);
    const chunkCount = (await all.parts()).reduce((sum, { chunks }) => sum + chunks.length, 0);

    const upload = async (deaths: readonly Death[]): Promise<number> => {
      for (const { commitHash } of parts)
        await all.edit(commitHash, (part) => ({ ...part, received: new Map() }));
      const sentBefore = new Set<string>();
      let died = 0;
      for (const death of [...deaths, undefined]) {
        let [count, repeated] = [0, 0];
        let isDead = false;
        const chunks = chunksOf(owner);
        const note = chunks.edit.bind(chunks);
        const put: typeof way.put = async (request) => {
          if (isDead) throw gone;
          const isLast = death !== undefined && count++ === death.atChunk;
          isDead = isLast;
          if (isLast && death.upload === "before it left") throw gone;
          if (sentBefore.has(nameOf(request.hash))) repeated += 1;
          sentBefore.add(nameOf(request.hash));
          const answer = await way.put(request);
          if (isLast && death.upload === "before it was heard of") throw gone;
          return answer;
        };
        chunks.edit = async (...args) => {
          if (isDead) throw gone;
          await note(...args);
        };
        const { leftCount } = await linkOf(chunks, { put }).push();
        chunks.close();
        expect(repeated).toBeLessThanOrEqual(1);
        died += isDead ? 1 : 0;
        if (death === undefined) expect(leftCount).toBe(0);
      }
      expect([sentBefore.size, await isSent(owner)]).toEqual([chunkCount, true]);
      return died;
    };

    const download = async (deaths: readonly Death[]): Promise<number> => {
      for (const { commitHash } of parts) await all.evict(commitHash);
      const cameBefore = new Set<string>();
      let died = 0;
      for (const death of [...deaths, undefined]) {
        let [count, repeated] = [0, 0];
        let isDead = false;
        const chunks = chunksOf(owner);
        const keep = chunks.addFetched.bind(chunks);
        let last = new Uint8Array(0);
        const get: typeof way.get = async (request) => {
          const isLast = death !== undefined && count++ === death.atChunk;
          isDead = isLast;
          if (isLast && death.download === "before it came") throw gone;
          if (cameBefore.has(nameOf(request.hash))) repeated += 1;
          const bytes = await way.get(request);
          cameBefore.add(nameOf(request.hash));
          if (isLast && death.download === "halfway") return bytes.slice(0, bytes.length >> 1);
          if (isLast && death.download === "doubled")
            return new Uint8Array([...bytes.slice(0, 99), ...bytes]);
          if (isLast && death.download === "with another's bytes") {
            const other = last.length === bytes.length ? last : bytes.toReversed();
            return new Uint8Array(other);
          }
          last = new Uint8Array(bytes);
          return bytes;
        };
        chunks.addFetched = async (...args) => {
          if (isDead) throw gone;
          await keep(...args);
        };
        const link = linkOf(chunks, { get });
        for (const part of await chunks.parts())
          for (const [index, { isHere }] of part.chunks.entries()) {
            if (isHere || isDead) continue;
            const code = await codeOf(link.fetch(part, index));
            if (isDead) expect(code).not.toBe("none");
            else expect(code).toBe("none");
          }
        chunks.close();
        expect(repeated).toBeLessThanOrEqual(1);
        died += isDead ? 1 : 0;
      }
      for (const [at, part] of parts.entries())
        expect(Buffer.compare(await read(owner, docId, part), files[at] ?? expect.fail())).toBe(0);
      return died;
    };

    let deathCount = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(death, { minLength: 30, maxLength: 30 }), async (deaths) => {
        deathCount += (await upload(deaths)) + (await download(deaths));
      }),
      { numRuns: runsOf(60), endOnFailure: true },
    );
    store.close();
    expect(deathCount).toBeGreaterThanOrEqual(500);
  });
});
