/** Attacks by contents of files: of commits that nobody judges, and of those that are refused, brought by a peer or in a bundle. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  addReplica,
  bring,
  eventually,
  lastDirectoryCommit,
  logOf,
  reopen,
  setStage,
  tenantOf,
  type Author,
  type Replica,
  type Stage,
} from "../../worker/attack-fixtures.ts";
import { closeDevices, crypto, env, newSubscription, people } from "../../worker/device-fixtures.ts";
import type { Commit } from "../entry/index.ts";
import { bytesToId, concatBytes, copyBytes, createPeerChannels } from "../std/index.ts";
import { createMemoryStorage, type Store } from "../store/index.ts";
import {
  ChunkStore,
  createDeviceSets,
  linkPeer,
  partOf,
  writeBundle,
  type BundlePlace,
  type StoredPart,
} from "../sync/index.ts";

let stage: Stage;

beforeEach(async () => {
  stage = await setStage();
});
afterEach(closeDevices);

const chunkBytes = 50_000;

/** A part of a file, of whoever writes what they like. */
interface Part {
  readonly commit: Commit;
  readonly part: StoredPart;
}

async function writePart(by: Author): Promise<Part> {
  const writerNonce = by.nonce();
  const { docId } = by.create(writerNonce, 0, {});
  const entries = [0, 1].map((index) => ({
    entryType: "attachment_chunk" as const,
    docId,
    dependencies: index === 0 ? [] : [{ index: index - 1 }],
    key: by.key,
    isApart: true,
    plaintext: env.randomBytes(chunkBytes),
  }));
  const commit = await by.seal({ writerNonce, entries });
  const part = partOf(commit, { isNamed: true, isOwn: false, usedAtMs: 0 }) ?? expect.fail("a part");
  return { commit, part };
}

/** Someone who names a directory that nobody ever sees: their commits wait for ever. */
async function writeUnjudged(by: Author): Promise<Part> {
  const before = by.directoryHead;
  by.directoryHead = bytesToId("CommitHash", env.randomBytes(32));
  const part = await writePart(by);
  by.directoryHead = before;
  return part;
}

/** A device that has these files, the victim's log where nothing else is said, and no rule. */
interface Carrier {
  readonly store: Store;
  readonly chunks: ChunkStore;
}

async function createCarrier(parts: readonly Part[], log?: readonly Commit[]): Promise<Carrier> {
  const { tenantId } = stage.victim;
  const storage = createMemoryStorage(env);
  const store = await storage.openStore("carrier");
  const chunks = new ChunkStore(storage, "carrier", tenantId);
  const commits = [...(log ?? (await logOf(stage.victim))), ...parts.map(({ commit }) => commit)];
  const records = commits.map(({ bytes, commitHash }) => ({
    commitHash,
    bytes: copyBytes(bytes),
    origin: "",
  }));
  await store.write({ records });
  for (const { commit, part } of parts) {
    const ciphertexts = commit.entries.map(({ ciphertext, header }) => ({
      hash: header?.ciphertextHash ?? expect.fail("a header"),
      bytes: ciphertext ?? expect.fail("a ciphertext"),
    }));
    await chunks.addOwn(part, ciphertexts, 1);
    await chunks.edit(part.commitHash, (before) => ({ ...before, isNamed: true }));
  }
  return { store, chunks };
}

/** Everything that a carrier holds, as a file. */
async function bundleOf({ chunks, store }: Carrier): Promise<Uint8Array> {
  const { tenantId } = stage.victim;
  const sets = createDeviceSets(store, tenantId);
  const standing: Pick<BundlePlace, "standingOf" | "nowMs"> = {
    standingOf: () => "accepted",
    nowMs: () => 1,
  };
  const userKey = stage.villain.author;
  const pieces: Uint8Array[] = [];
  const place = { crypto, store, sets, chunks, tenantId, userKey, ...standing };
  for await (const piece of writeBundle(place, undefined, 1e9)) pieces.push(piece);
  return concatBytes(...pieces);
}

async function takeIn({ device: { api }, tenantId }: Replica, bundle: Uint8Array) {
  const id = await api.openBundleImport(tenantId);
  await api.writeImport(id, bundle);
  return api.finishBundleImport(id);
}

/** Link a carrier with a replica; what it holds is there when the promise resolves. */
async function link({ device, tenantId }: Replica, { chunks, store }: Carrier) {
  const { api, events } = device;
  const subscription = newSubscription();
  const [here, there] = createPeerChannels();
  let at = events.length;
  const timer = setInterval(() => {
    for (const event of events.slice(at))
      if (event.kind === "peer" && event.subscription === subscription && "message" in event)
        here.post(new Uint8Array(event.message));
    at = events.length;
  }, 2);
  await api.openPeer(tenantId, subscription);
  here.onMessage((message) => void api.tellPeer(subscription, message.slice()));
  const userKey = stage.villain.author;
  const place = { env, crypto, store, chunks, tenantId, userKey, bringBytes: 0 };
  const linked = linkPeer({ ...place, channel: there, standingOf: () => "accepted" });
  await linked.sync();
  return {
    linked,
    async end() {
      linked.close();
      await api.closePeer(subscription);
      clearInterval(timer);
    },
  };
}

const chunksOf = ({ storage, tenantId }: Replica): ChunkStore => new ChunkStore(storage, "coffer", tenantId);

/** What a replica keeps of a file: how, and how many of its chunks. */
async function keptOf(replica: Replica, { part }: Part) {
  const chunks = chunksOf(replica);
  const known = await chunks.part(part.commitHash);
  const bytes = await chunks.chunksOf(part.chunks.map(({ hash }) => hash));
  chunks.close();
  const count = bytes.filter((one) => one !== undefined).length;
  return known === undefined ? { count } : { count, isNamed: known.isNamed, isOwn: known.isOwn };
}

const nothing = { count: 0 };
const kept = { count: 2, isNamed: true, isOwn: true };
const unjudged = { count: 2, isNamed: false, isOwn: false };
const filesOf = ({ device, tenantId }: Replica, limits = {}) => device.api.limitFiles(tenantId, limits);
const isRefused = (replica: Replica, { commit }: Part): boolean =>
  tenantOf(replica)?.quarantine.some(({ commitHash }) => commitHash === commit.commitHash) === true;

/** Members' files: of one whom the admin has thrown out, one that nobody can judge, and an honest one. */
async function writeAll(): Promise<Readonly<Record<"revoked" | "waiting" | "honest", Part>>> {
  const { bystander, proof, victim, villain } = stage;
  await victim.device.api.revokeUser(victim.tenantId, villain.author, proof);
  return {
    revoked: await writePart(villain),
    waiting: await writeUnjudged(bystander),
    honest: await writePart(bystander),
  };
}

describe("contents of files that nobody accepted", () => {
  it("are not brought from a peer that holds them, who is linked on, and an honest file beside them is", async () => {
    const { victim } = stage;
    const files = await writeAll();
    const before = await victim.device.api.documentIds(victim.database);
    const { linked, end } = await link(victim, await createCarrier(Object.values(files)));
    await eventually(() => isRefused(victim, files.revoked)).toBe(true);
    await eventually(() => keptOf(victim, files.honest)).toEqual(kept);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await keptOf(victim, files.revoked)).toEqual(nothing);
    expect(await keptOf(victim, files.waiting)).toEqual(nothing);
    expect(linked.status.phase).toBe("live");
    expect(await victim.device.api.documentIds(victim.database)).toEqual(before);
    await end();
  });

  it("leave nothing behind in a bundle where they were refused; where nobody judges they go when there is need, and after a week", async () => {
    const { tenantId } = stage.victim;
    const files = await writeAll();
    const bundle = await bundleOf(await createCarrier(Object.values(files)));
    await takeIn(stage.victim, bundle);
    const { device } = stage.victim;
    expect(isRefused(stage.victim, files.revoked)).toBe(true);
    expect(await keptOf(stage.victim, files.revoked)).toEqual(nothing);
    expect(await keptOf(stage.victim, files.honest)).toEqual(kept);
    expect(await keptOf(stage.victim, files.waiting)).toEqual(unjudged);
    // It is nobody's to give, and no reason to be careful.
    const { fileBytes } = await device.api.measureBundle(tenantId, undefined, 1e9);
    const { freeableBytes, localBytes, unsafeBytes } = await filesOf(stage.victim);
    expect([localBytes, unsafeBytes, freeableBytes]).toEqual([2 * fileBytes, fileBytes, fileBytes]);
    await filesOf(stage.victim, { freeBytes: 1e9 });
    expect(await keptOf(stage.victim, files.waiting)).toMatchObject(nothing);
    expect(await keptOf(stage.victim, files.honest)).toEqual(kept);
    // Again, and then nobody makes room.
    await takeIn(stage.victim, bundle);
    expect(await keptOf(stage.victim, files.waiting)).toEqual(unjudged);
    const chunks = chunksOf(stage.victim);
    await chunks.edit(files.waiting.commit.commitHash, (part) => ({ ...part, usedAtMs: 1 }));
    chunks.close();
    const victim = await reopen(stage.victim, people.userPassword);
    await eventually(() => keptOf(victim, files.waiting)).toEqual(nothing);
    expect(await keptOf(victim, files.honest)).toEqual(kept);
  });
});

describe("contents of files that came before their commits were judged", () => {
  it("while the device was locked are kept when it is unlocked, those of a member; the others go", async () => {
    const { tenantId } = stage.victim;
    const { device } = stage.victim;
    const files = await writeAll();
    const bundle = await bundleOf(await createCarrier(Object.values(files)));
    await device.api.lock(tenantId);
    await takeIn(stage.victim, bundle);
    for (const file of Object.values(files)) expect(await keptOf(stage.victim, file)).toEqual(unjudged);
    expect(await device.api.measureBundle(tenantId, undefined, 1e9)).toEqual({
      fileBytes: 0,
      leftOutBytes: 0,
    });
    await device.api.unlock(tenantId, { password: people.userPassword });
    await eventually(() => keptOf(stage.victim, files.honest)).toEqual(kept);
    await eventually(() => keptOf(stage.victim, files.revoked)).toEqual(nothing);
    expect((await filesOf(stage.victim)).unsafeBytes).toBeGreaterThan(2 * chunkBytes);
  });

  it("are kept, or go, as soon as what the commits waited for is here, without coming again", async () => {
    const { bystander, proof, victim, villain } = stage;
    const behind = await addReplica(stage, "cn=behind/o=acme");
    const known = (await logOf(victim)).length;
    await addReplica(stage, "cn=later/o=acme");
    const head = await lastDirectoryCommit(victim);
    for (const author of [bystander, villain]) author.directoryHead = head;
    const [honest, revoked] = [await writePart(bystander), await writePart(villain)];
    await takeIn(behind, await bundleOf(await createCarrier([honest, revoked], [])));
    for (const file of [honest, revoked]) expect(await keptOf(behind, file)).toEqual(unjudged);
    await victim.device.api.revokeUser(victim.tenantId, villain.author, proof);
    await bring(behind, (await logOf(victim)).slice(known));
    await eventually(() => keptOf(behind, honest)).toEqual(kept);
    await eventually(() => keptOf(behind, revoked)).toEqual(nothing);
  });
});
