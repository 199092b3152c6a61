/** Two histories of one server, shown to two members: whoever hears of both notices, by what each says in their commits of what they saw. */
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket as NodeWebSocket } from "ws";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { startServer, type RunningServer } from "../server/src/index.ts";
import { deriveLogKeyId, type CommitHeader } from "../src/entry/index.ts";
import { bytesToHex, bytesToId, parseBase64url } from "../src/std/index.ts";
import {
  Author,
  bring,
  eventually,
  logOf,
  setStage,
  stateOf,
  strike,
  tenantOf,
  type Replica,
  type Stage,
} from "./attack-fixtures.ts";
import { closeDevices, crypto } from "./device-fixtures.ts";

// Node 20 has no WebSocket of its own.
globalThis.WebSocket ??= NodeWebSocket as unknown as typeof WebSocket;

const folders: string[] = [];
const servers: RunningServer[] = [];

async function folderOf(copied?: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "coffer-test-"));
  folders.push(folder);
  if (copied !== undefined) await cp(copied, folder, { recursive: true });
  return folder;
}

async function serve(dataFolder: string): Promise<RunningServer> {
  const server = await startServer({ dataFolder, port: 0 });
  servers.push(server);
  return server;
}

let stage: Stage;
let member: Replica;
beforeEach(async () => {
  stage = await setStage();
  member = stage.villainReplica;
});
afterEach(async () => {
  await closeDevices();
  for (const server of servers.splice(0)) await server.close();
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

const connect = ({ device, tenantId }: Replica, url: string) => device.api.connect(tenantId, url);
const sync = ({ device, tenantId }: Replica, url: string) => device.api.sync(tenantId, url);
const write = async ({ database, device }: Replica, text: string) =>
  (await device.api.createDocuments(database, [{ text }]))[0] ?? "";

async function publish({ device, tenantId }: Replica, url: string): Promise<void> {
  await device.api.publish(tenantId, url, stage.proof);
  await device.api.connect(tenantId, url);
}

/** What a replica's last commit in its database of documents says. */
async function lastHeader(replica: Replica): Promise<CommitHeader> {
  const found = (await logOf(replica)).findLast(({ header }) => header.dbId === stage.villain.dbId);
  if (found === undefined) throw new Error("it wrote something");
  return found.header;
}

const alarmsOf = (replica: Replica, kind: string) =>
  (tenantOf(replica)?.alarms ?? []).filter((alarm) => alarm.kind === kind);

/** Sync until the server is proven to have it all; a head of it is kept then. */
async function settle(replica: Replica, url: string): Promise<void> {
  await sync(replica, url);
  await sync(replica, url);
}

it("a commit says which head of a server's log its author verified last, by a name that members only can tell", async () => {
  const { url } = await serve(await folderOf());
  const { victim, villain } = stage;
  await write(victim, "before");
  expect((await lastHeader(victim)).seen.size).toBe(0);
  await publish(victim, url);
  await settle(victim, url);
  await write(victim, "after");
  const { seen } = await lastHeader(victim);
  const { serverKey } = (await (await fetch(`${url}/sync/capabilities`)).json()) as { serverKey: string };
  const key = parseBase64url(serverKey) ?? new Uint8Array();
  expect(seen).toMatchObject({ size: 1, logKeyId: deriveLogKeyId(crypto, villain.namesKey, key) });
  expect(bytesToHex(seen.logKeyId)).not.toBe(bytesToHex(crypto.sha256(key).subarray(0, 8)));
  await settle(victim, url);
  await write(victim, "and then");
  expect((await lastHeader(victim)).seen.size).toBe(2);
});

it("who was shown another history is noticed by whoever hears of them, on any way, and nothing stops", async () => {
  const { victim } = stage;
  const folder = await folderOf();
  const honest = await serve(folder);
  await publish(victim, honest.url);
  await write(victim, "what both have");
  await settle(victim, honest.url);
  await victim.device.api.disconnect(victim.tenantId, honest.url);
  servers.splice(servers.indexOf(honest), 1);
  await honest.close();
  const [one, other] = [await serve(await folderOf(folder)), await serve(folder)];
  await connect(victim, one.url);
  await connect(member, other.url);
  await settle(member, other.url);
  await write(victim, "on one side");
  await write(member, "on the other side");
  await settle(victim, one.url);
  await settle(member, other.url);
  expect([...alarmsOf(victim, "fork"), ...alarmsOf(member, "fork")]).toEqual([]);
  // It says what it saw after the histories parted, and comes to the others past both servers.
  const told = await write(victim, "by hand");
  await bring(member, await logOf(victim));
  await eventually(() => alarmsOf(member, "fork")).toHaveLength(1);
  const [alarm] = alarmsOf(member, "fork");
  const { author } = await lastHeader(victim);
  expect(alarm?.detail).toContain(author);
  expect(alarm?.detail).toContain(other.url);
  await eventually(async () => [...(await stateOf(member)).values()]).toContainEqual({ text: "by hand" });
  expect(await member.device.api.documentIds(member.database)).toContain(told);
  const late = await write(member, "still works");
  await settle(member, other.url);
  expect((await stateOf(member)).get(late)).toEqual({ text: "still works" });
});

/** A victim with a server, whose log has some commits that were proven one by one, and as many that came at once. */
async function shownTwice(url: string): Promise<void> {
  const { victim } = stage;
  await publish(victim, url);
  await connect(member, url);
  for (const text of ["one", "two"]) {
    await write(victim, text);
    await settle(victim, url);
  }
  await settle(member, url);
  await member.device.api.disconnect(member.tenantId, url);
  for (const text of ["three", "four", "five", "six"]) {
    await write(victim, text);
    await settle(victim, url);
  }
  await connect(member, url);
  await settle(member, url);
}

it("a claim of a size that was never proven here is decided by the leaves of the log", async () => {
  const { url } = await serve(await folderOf());
  await shownTwice(url);
  const { victim, villain, bystander } = stage;
  const { seen } = await lastHeader(victim);
  const headers = (await logOf(victim)).map(({ header }) => header);
  const middle = headers.find((header) => header.dbId === villain.dbId && header.seen.size === 4)?.seen;
  if (middle === undefined) throw new Error("it saw that size");
  const say = async (author: Author, claim: typeof seen) => {
    const writerNonce = author.nonce();
    const { entry, docId } = author.create(writerNonce, 0, { by: author.author });
    return { docId, commit: await author.seal({ writerNonce, entries: [entry], seen: claim }) };
  };
  const truth = await say(bystander, middle);
  const lie = await say(villain, { ...middle, rootPrefix: new Uint8Array(16).fill(1) });
  await bring(member, [truth.commit, lie.commit]);
  await eventually(async () => {
    await sync(member, url);
    return alarmsOf(member, "fork").map(({ detail }) => detail.includes(lie.commit.commitHash));
  }).toEqual([true]);
  // What it says is as good as any other document of a member.
  expect((await stateOf(member)).get(lie.docId)).toEqual({ by: villain.author });
  expect((await stateOf(member)).get(truth.docId)).toEqual({ by: bystander.author });
});

it("a member who lies about a server is named, a stranger is not heard", async () => {
  const { url } = await serve(await folderOf());
  await shownTwice(url);
  const { bystander, villain } = stage;
  await write(member, "on what was proven");
  const { seen } = await lastHeader(member);
  const untrue = { ...seen, rootPrefix: new Uint8Array(16).fill(2) };
  const pair = await crypto.createSigningPair();
  const stranger = new Author({
    ...bystander.parts,
    identity: {
      ...bystander.identity,
      publicIdentity: {
        ...bystander.identity.publicIdentity,
        signingKey: bytesToId("AuthorKey", pair.publicKey),
      },
      signing: pair,
    },
  });
  const entryBy = (author: Author, writerNonce: Uint8Array<ArrayBuffer>) =>
    author.create(writerNonce, 0, { is: "there" }).entry;
  const nonce = stranger.nonce();
  const strange = await stranger.seal({
    writerNonce: nonce,
    entries: [entryBy(stranger, nonce)],
    seen: untrue,
  });
  const before = alarmsOf(member, "fork");
  await strike({ ...stage, victim: member }, [strange]);
  expect(alarmsOf(member, "fork")).toEqual(before);
  const own = villain.nonce();
  const lie = await villain.seal({ writerNonce: own, entries: [entryBy(villain, own)], seen: untrue });
  await bring(member, [lie]);
  await eventually(() => alarmsOf(member, "fork").map(({ detail }) => detail)).toMatchObject([
    expect.stringContaining(villain.author),
  ]);
});

it("a commit that follows what nobody brings is told of as a gap, once all was shown, and counts by itself", async () => {
  const { url } = await serve(await folderOf());
  const { victim, villain } = stage;
  await publish(victim, url);
  await connect(member, url);
  await settle(member, url);
  const writerNonce = villain.nonce();
  const create = async (writerSeq: number, predecessors: CommitHeader["predecessors"]) => {
    const { docId, entry } = villain.create(writerNonce, writerSeq, { seq: writerSeq });
    return { docId, commit: await villain.seal({ writerNonce, writerSeq, predecessors, entries: [entry] }) };
  };
  const first = await create(1, []);
  const second = await create(2, [first.commit.commitHash]);
  const third = await create(3, [second.commit.commitHash]);
  await bring(victim, [first.commit, third.commit]);
  await eventually(() => stateOf(victim)).toEqual(
    new Map([first, third].map(({ docId }, index) => [docId, { seq: index * 2 + 1 }])),
  );
  await settle(victim, url);
  expect(alarmsOf(victim, "gap")).toEqual([]);
  const { now: realNow } = Date;
  const now = vi.spyOn(Date, "now").mockImplementation(() => realNow() + 40_000);
  try {
    // The live connection takes the leap for a long silence, and is opened anew.
    await eventually(async () => {
      await sync(victim, url).catch(() => undefined);
      return alarmsOf(victim, "gap").map(({ detail }) => detail);
    }).toEqual([expect.stringContaining(third.commit.commitHash)]);
  } finally {
    now.mockRestore();
  }
  await bring(victim, [second.commit]);
  await eventually(() => victim.device.api.documentIds(victim.database)).toContain(second.docId);
});
