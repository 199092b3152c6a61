import { beforeAll, describe, expect, it, vi } from "vitest";
import type { Commit } from "../../src/entry/index.ts";
import { createSystemEnv, type CommitHash } from "../../src/std/index.ts";
import { createMemoryStorage as createStores, type Store } from "../../src/store/index.ts";
import {
  decodeFrames,
  runOnce,
  startRunner,
  syncLimits,
  type Frame,
  type HttpTransport,
  type LiveTransport,
  type Runner,
} from "../../src/sync/index.ts";
import {
  createTestEnv,
  createTestRelay,
  createUser,
  crypto,
  failureOf,
  origin,
  publish,
  TestTenant,
  type TestRelay,
  type TestUser,
} from "./fixtures.ts";

/*
 * A device brings what a revoked author wrote to a server that has nothing of it but the directory with the revocation: as far as the cut
 * covers it, however much it is, whatever lies around it, and each commit about once.
 */
const text = "x".repeat(120_000);
/** about as many as a request of a device holds */
const perRequest = 17;

interface Place {
  readonly anna: TestUser;
  readonly bert: TestUser;
  readonly carl: TestUser;
  readonly tenant: TestTenant;
}

async function createPlace(): Promise<Place> {
  const [anna, bert, carl] = [await createUser(), await createUser(), await createUser()];
  return { anna, bert, carl, tenant: await TestTenant.withUsers(anna, bert, carl) };
}

/** Commits of one author, each behind the one before. */
async function writeLine(
  tenant: TestTenant,
  author: TestUser,
  count: number,
  { after, size = text }: { after?: Commit | undefined; size?: string } = {},
): Promise<Commit[]> {
  const line: Commit[] = [];
  let last = after;
  for (let at = 0; at < count; at++) {
    last = await tenant.write(author, { text: size, predecessors: last ? [last.commitHash] : [] });
    line.push(last);
  }
  return line;
}

const hashesOf = (commits: readonly { readonly commitHash: CommitHash }[]): CommitHash[] =>
  commits.map(({ commitHash }) => commitHash);

interface Device {
  readonly store: Store;
  readonly refused: CommitHash[];
  /** what each request that held commits held, and the bytes of all */
  readonly pushes: (readonly CommitHash[])[];
  sentBytes: number;
  write(...commits: readonly Commit[]): Promise<void>;
  /** One cycle; `dieAfter`: so many requests with commits reach the server, and then the device is gone. */
  once(test: TestRelay, dieAfter?: number): Promise<string | undefined>;
  /** Keep a live link up, by the system's clock. */
  follow(test: TestRelay): Runner;
}

const waiting = { timeout: 30_000 };

let deviceCount = 0;
async function createDevice(tenant: TestTenant, user: TestUser): Promise<Device> {
  // Its timers stand still, so that what is put off is not tried again within a cycle.
  const env = createTestEnv();
  const store = await createStores(env).openStore(`device-${deviceCount++}`);
  const device: Device = {
    store,
    refused: [],
    pushes: [],
    sentBytes: 0,
    async write(...commits) {
      for (const { commitHash, bytes } of commits)
        await store.write({ records: [{ commitHash, bytes: new Uint8Array(bytes), origin: "" }] });
    },
    async once(test, dieAfter = Infinity) {
      let left = dieAfter;
      const seen = (body: Uint8Array): void => {
        const pushed = hashesIn(decodeFrames(body) ?? []);
        if (pushed.length === 0) return;
        if (left-- === 0) abort.abort();
        else {
          device.pushes.push(pushed);
          device.sentBytes += body.length;
        }
      };
      const abort = new AbortController();
      const summary = await runOnce({
        env,
        crypto,
        store,
        tenantId: tenant.tenantId,
        signer: { key: user.key, privateKey: user.signing.privateKey },
        transport: { http: httpOf(test, seen), live: undefined },
        onRefused: ({ commitHash }) => void device.refused.push(commitHash),
        signal: abort.signal,
      });
      return summary === "busy" ? summary : summary.code;
    },
    follow(test) {
      return startRunner({
        env: createSystemEnv(),
        crypto,
        store,
        tenantId: tenant.tenantId,
        signer: { key: user.key, privateKey: user.signing.privateKey },
        transport: { http: httpOf(test, () => undefined), live: liveOf(test) },
        onRefused: ({ commitHash }) => void device.refused.push(commitHash),
      });
    },
  };
  return device;
}

const hashByBytes = new Map<string, CommitHash>();
const nameOf = (bytes: Uint8Array): string => Buffer.from(crypto.sha256(bytes)).toString("hex");

function hashesIn(frames: readonly Frame[]): CommitHash[] {
  return frames
    .flatMap((frame) => (frame.type === "push" ? frame.commits : []))
    .flatMap((bytes) => hashByBytes.get(nameOf(bytes)) ?? []);
}

function remember(...commits: readonly Commit[]): void {
  for (const { bytes, commitHash } of commits) hashByBytes.set(nameOf(bytes), commitHash);
}

/** The relay's own handler as a transport. */
function httpOf({ relay }: TestRelay, onRequest: (body: Uint8Array) => void): HttpTransport {
  const ask = async (path: string, init: RequestInit): Promise<Response> => {
    const response = await relay.fetch(new Request(origin + path, init));
    if (!response.ok) throw await failureOf(response);
    return response;
  };
  return {
    origin,
    readCapabilities: async () => (await ask("/sync/capabilities", {})).json() as never,
    postJson: async (path, body) =>
      (
        await ask(path, {
          method: "POST",
          headers: { "Content-Type": "application/json" },
          body: JSON.stringify(body),
        })
      ).json(),
    publish: async () => undefined,
    async exchange({ body, endpoint = "sync", onChunk, signal, tenantId, token }) {
      onRequest(body);
      signal?.throwIfAborted();
      const headers = {
        "Content-Type": "application/octet-stream",
        Authorization: `Bearer ${Buffer.from(token).toString("base64url")}`,
      };
      const response = await ask(`/v1/t/${tenantId}/${endpoint}`, { method: "POST", headers, body });
      onChunk(new Uint8Array(await response.arrayBuffer()));
    },
  };
}

/** The relay's live sessions as a transport. */
function liveOf({ relay }: TestRelay): LiveTransport {
  return {
    open: async (tenantId, { onClose, onMessage }) => {
      const session = relay.openLive(tenantId, {
        send: (message) => queueMicrotask(() => onMessage(message)),
        close: onClose,
        bufferedBytes: () => 0,
      });
      return {
        send: (message) => void session.onMessage(message),
        close: () => session.onClose(),
      };
    },
  };
}

/** What a server has of a tenant's database, in its order. */
async function held({ storage }: TestRelay, { dbId, tenantId }: TestTenant): Promise<CommitHash[]> {
  const rows = await storage.readKeys(tenantId, dbId, 0, 100_000);
  return hashesOf(rows);
}

const sorted = (commits: readonly { readonly commitHash: CommitHash }[]): CommitHash[] =>
  hashesOf(commits).sort();

/** How often each commit of some was sent. */
function sendings({ pushes }: Device, commits: readonly Commit[]): number {
  const asked = new Set(hashesOf(commits));
  return pushes.flat().filter((hash) => asked.has(hash)).length;
}

async function freshServer(tenant: TestTenant, options: Parameters<typeof createTestRelay>[0] = {}) {
  const test = await createTestRelay({ env: createTestEnv(), ...options });
  expect((await publish(test.relay, tenant)).status).toBe(201);
  return test;
}

/** Two lists in one, in turns. */
function interleaved<T>(some: readonly T[], others: readonly T[]): T[] {
  const longest = Math.max(some.length, others.length);
  return Array.from({ length: longest }, (_, at) => [some[at], others[at]])
    .flat()
    .filter((one) => one !== undefined);
}

describe("what a revoked author wrote, at a server that begins anew", () => {
  let place: Place;
  let covered: Commit[];
  let beyond: Commit[];
  let others: Commit[];
  beforeAll(async () => {
    place = await createPlace();
    const { anna, bert, tenant } = place;
    covered = await writeLine(tenant, bert, perRequest * 5);
    beyond = await writeLine(tenant, bert, perRequest * 2, { after: covered.at(-1) });
    others = await writeLine(tenant, anna, 3, { size: "short" });
    await tenant.revoke(bert, hashesOf(covered.slice(-1)));
    remember(...covered, ...beyond, ...others);
  }, 60_000);

  it.each([
    ["whose cut is its end", 0],
    ["whose cut is in its middle", Infinity],
  ])("arrives, %s, however many requests it takes, and what is beyond is refused", async (_, count) => {
    const { anna, tenant } = place;
    const refused = beyond.slice(0, count);
    const device = await createDevice(tenant, anna);
    await device.write(...covered, ...refused, ...others);
    const server = await freshServer(tenant);
    expect(await device.once(server)).toBeUndefined();
    expect((await held(server, tenant)).toSorted()).toEqual(sorted([...covered, ...others]));
    expect(device.refused.toSorted()).toEqual(sorted(refused));
    // The first request is put off; everything else goes once.
    expect(sendings(device, covered)).toBeLessThanOrEqual(covered.length + perRequest + 1);
    expect(sendings(device, refused)).toBe(refused.length);
    expect(device.pushes.length).toBeLessThanOrEqual((covered.length + refused.length) / perRequest + 4);
  });

  it("is read to its end by whoever comes after", async () => {
    const { anna, carl, tenant } = place;
    const [device, reader] = [await createDevice(tenant, anna), await createDevice(tenant, carl)];
    await device.write(...covered, ...beyond, ...others);
    const env = createTestEnv();
    const signing = await crypto.createSigningPair();
    const server = await freshServer(tenant, { env, signing });
    expect(await device.once(server)).toBeUndefined();
    expect(await reader.once(server)).toBeUndefined();
    const log = await reader.store.readLog({ after: 0, maxCount: 1000, maxBytes: 1e9 });
    const directory = new Set(hashesOf(tenant.directory));
    expect(sorted(log).filter((hash) => !directory.has(hash))).toEqual(sorted([...covered, ...others]));
    // And from there another server has it, in the order in which it lies there.
    env.advance(5000);
    const second = await freshServer(tenant, { env, signing });
    expect(await reader.once(second)).toBeUndefined();
    expect((await held(second, tenant)).toSorted()).toEqual(sorted([...covered, ...others]));
  });

  it("arrives from a device that dies in the middle again and again, and goes on where it was", async () => {
    const { anna, tenant } = place;
    const device = await createDevice(tenant, anna);
    await device.write(...covered, ...beyond, ...others);
    const server = await freshServer(tenant);
    let deaths = 0;
    // Two requests in a life: the one that is put off, and one of what is wanted.
    while ((await device.once(server, 2)) !== undefined && deaths < 30) deaths++;
    expect(deaths).toBeGreaterThan(4);
    expect((await held(server, tenant)).toSorted()).toEqual(sorted([...covered, ...others]));
    expect(device.refused.toSorted()).toEqual(sorted(beyond));
    expect(sendings(device, covered)).toBeLessThan(covered.length * 3);
  });

  it("arrives from two devices, each of which has a part of it", async () => {
    const { anna, carl, tenant } = place;
    const [early, late] = [await createDevice(tenant, anna), await createDevice(tenant, carl)];
    const half = perRequest * 2;
    await early.write(...covered.slice(0, half), ...others);
    await late.write(...covered.slice(half), ...beyond);
    const server = await freshServer(tenant);
    // What comes before is not known without what comes after; everything else is there.
    expect(await early.once(server)).toBe("directory/behind");
    expect((await held(server, tenant)).toSorted()).toEqual(sorted(others));
    // What is wanted is not here: the request that was told so is made once more, and nothing else is.
    expect(sendings(early, covered)).toBe(half + perRequest);
    expect(await early.once(server)).toBe("directory/behind");
    // Nor what lies beyond without all that the cut covers.
    expect(await late.once(server)).toBe("directory/behind");
    expect((await held(server, tenant)).toSorted()).toEqual(sorted([...covered.slice(half), ...others]));
    expect(await early.once(server)).toBeUndefined();
    expect(await late.once(server)).toBeUndefined();
    expect((await held(server, tenant)).toSorted()).toEqual(sorted([...covered, ...others]));
    expect(late.refused.toSorted()).toEqual(sorted(beyond));
  });

  it("arrives over a live link too, whoever brings it to the device", async () => {
    const { anna, tenant } = place;
    const server = await freshServer(tenant);
    const device = await createDevice(tenant, anna);
    await device.write(...others);
    const runner = device.follow(server);
    try {
      await vi.waitFor(() => expect(runner.status).toMatchObject({ phase: "live", pendingPush: 0 }), waiting);
      const records = [...covered, ...beyond].map(({ bytes, commitHash }) => ({
        commitHash,
        bytes: new Uint8Array(bytes),
        origin: "peer",
      }));
      await device.store.write({ records });
      await vi.waitFor(() => expect(device.refused).toHaveLength(beyond.length), waiting);
      await vi.waitFor(
        () => expect(runner.status).toMatchObject({ phase: "live", pendingPush: 0, error: undefined }),
        waiting,
      );
    } finally {
      await runner.stop();
    }
    expect((await held(server, tenant)).toSorted()).toEqual(sorted([...covered, ...others]));
    expect(device.refused.toSorted()).toEqual(sorted(beyond));
  });

  it("arrives again after its server was restored to nothing, in a new epoch", async () => {
    const { anna, bert, tenant } = await createPlace();
    const line = await writeLine(tenant, bert, perRequest * 3);
    const own = await writeLine(tenant, anna, 3, { size: "short" });
    remember(...line, ...own);
    const env = createTestEnv();
    const signing = await crypto.createSigningPair();
    const before = await freshServer(tenant, { env, signing });
    const [author, device] = [await createDevice(tenant, bert), await createDevice(tenant, anna)];
    await author.write(...line);
    await device.write(...own);
    for (const one of [author, device]) expect(await one.once(before)).toBeUndefined();
    await tenant.revoke(bert, hashesOf(line.slice(-1)));
    expect((await publish(before.relay, tenant)).status).toBe(200);
    expect(await device.once(before)).toBeUndefined();
    // Epochs count seconds.
    env.advance(5000);
    const after = await freshServer(tenant, { env, signing });
    expect(await device.once(after)).toBeUndefined();
    expect((await held(after, tenant)).toSorted()).toEqual(sorted([...line, ...own]));
  });
});

describe("several who were revoked", () => {
  it("stand in nobody's way, nor does who was granted access again", async () => {
    const { anna, bert, carl, tenant } = await createPlace();
    const [ofBert, ofCarl] = [
      await writeLine(tenant, bert, perRequest * 2),
      await writeLine(tenant, carl, perRequest * 3),
    ];
    await tenant.revoke(bert, hashesOf(ofBert.slice(-1)));
    // Of two ends, one of which follows the other's middle.
    const branch = await writeLine(tenant, carl, perRequest, { after: ofCarl[4] });
    await tenant.revoke(carl, hashesOf([...ofCarl.slice(-4, -3), ...branch.slice(-1)]));
    const beyond = ofCarl.slice(-3);
    await tenant.grant(bert);
    const again = await writeLine(tenant, bert, perRequest, { after: ofBert.at(-1) });
    const own = await writeLine(tenant, anna, 2, { size: "short" });
    const all = [...interleaved(ofBert, ofCarl), ...branch, ...again, ...own];
    remember(...all);
    const device = await createDevice(tenant, anna);
    await device.write(...all);
    const server = await freshServer(tenant);
    expect(await device.once(server)).toBeUndefined();
    const refused = new Set(hashesOf(beyond));
    const kept = all.filter(({ commitHash }) => !refused.has(commitHash));
    expect((await held(server, tenant)).toSorted()).toEqual(sorted(kept));
    expect(device.refused.toSorted()).toEqual(sorted(beyond));
    expect(sendings(device, all)).toBeLessThanOrEqual(all.length + 3 * perRequest);
  }, 30_000);

  it("are known by their commits, however many small ones there are", async () => {
    const { anna, bert, tenant } = await createPlace();
    const line = await writeLine(tenant, bert, syncLimits.commitsPerFrame + 200, { size: "short" });
    const own = await writeLine(tenant, anna, 2, { size: "short" });
    remember(...line, ...own);
    await tenant.revoke(bert, hashesOf(line.slice(-1)));
    const device = await createDevice(tenant, anna);
    await device.write(...line, ...own);
    const server = await freshServer(tenant);
    expect(await device.once(server)).toBeUndefined();
    expect((await held(server, tenant)).toSorted()).toEqual(sorted([...line, ...own]));
  }, 60_000);
});

describe("what no server can judge", () => {
  it("holds up nothing that was written after it, and is tried again", async () => {
    const { anna, bert, tenant } = await createPlace();
    const { head: directoryHead } = await TestTenant.withUsers(bert);
    if (directoryHead === undefined) throw new Error("A tenant has a directory");
    const early = await Promise.all(
      Array.from({ length: perRequest * 3 }, () => tenant.write(bert, { text, directoryHead })),
    );
    const own = await writeLine(tenant, anna, perRequest * 2);
    remember(...early, ...own);
    const device = await createDevice(tenant, anna);
    await device.write(...early, ...own);
    const server = await freshServer(tenant);
    for (const times of [1, 2]) {
      expect(await device.once(server)).toBe("directory/behind");
      expect((await held(server, tenant)).toSorted()).toEqual(sorted(own));
      expect(sendings(device, early)).toBe(early.length * times);
    }
    expect(device.refused).toEqual([]);
  });
});
