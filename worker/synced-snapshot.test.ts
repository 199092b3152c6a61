import { afterEach, beforeEach, expect, it } from "vitest";
import type { DocChange } from "../src/doc/index.ts";
import type { Commit, EntryDraft } from "../src/entry/index.ts";
import {
  bring,
  entryHashOf,
  eventually,
  loadEngine,
  logOf,
  reopen,
  setStage,
  tenantOf,
  valueOf,
  type Author,
  type Forged,
  type Replica,
  type Stage,
} from "./attack-fixtures.ts";
import { closeDevices, crypto, draft, env, newSubscription, people } from "./device-fixtures.ts";
import { createChangeCodec } from "../src/doc/index.ts";
import type { DocId } from "../src/std/index.ts";
import { readSyncedSnapshot, writeSnapshot } from "../src/tenant/synced-snapshot.ts";
import { WorkerHost } from "./host.ts";
import { tenantCalls } from "./tenant-calls.ts";

let stage: Stage;

beforeEach(async () => {
  stage = await setStage();
});
afterEach(closeDevices);

interface History {
  readonly author: Author;
  readonly writerNonce: Uint8Array;
  readonly made: readonly Forged[];
  readonly commits: readonly Commit[];
}

/** A document with three changes, a commit each. */
async function history(author = stage.bystander): Promise<History> {
  const writerNonce = author.nonce();
  const made = [author.create(writerNonce, 0, { n: 0 })];
  const commits: Commit[] = [];
  for (let seq = 1; ; seq++) {
    const last = made.at(-1);
    const before = commits.at(-1);
    if (last === undefined) throw new Error("made");
    const predecessors = before === undefined ? [] : [before.commitHash];
    const commit = await author.seal({ writerNonce, writerSeq: seq, predecessors, entries: [last.entry] });
    commits.push(commit);
    if (seq === 3) return { author, writerNonce, made, commits };
    const { docId } = last;
    const operations = [{ op: "set" as const, path: ["n"], value: seq }];
    const changes = made.map(({ change }) => change);
    made.push(author.edit(changes, { docId, writerNonce, operations, dependencies: [entryHashOf(commit)] }));
  }
}

function saveOf(author: Author, changes: readonly DocChange[]): Uint8Array<ArrayBuffer> {
  const doc = author.engine.createDoc();
  doc.applyChanges(changes);
  const bytes = doc.snapshot();
  doc.close();
  return bytes;
}

/** A snapshot of the first `count` changes that says it covers the heads at `covers`. */
function snapshotOf({ author, made, commits }: History, count: number, covers = count): EntryDraft {
  const [first] = made;
  const head = commits[covers - 1];
  if (first === undefined || head === undefined) throw new Error("made");
  const changes = made.slice(0, count).map(({ change }) => change);
  return {
    entryType: "doc_snapshot",
    docId: first.docId,
    dependencies: [entryHashOf(head)],
    key: author.key,
    plaintext: saveOf(author, changes),
  };
}

const sealed = ({ author }: History, entry: EntryDraft): Promise<Commit> => author.seal({ entries: [entry] });
const reasonOf = (replica: Replica, { commitHash }: Commit): string | undefined =>
  tenantOf(replica)?.quarantine.find((row) => row.commitHash === commitHash)?.reason;

async function settled(replica: Replica): Promise<void> {
  await eventually(() => tenantOf(replica)?.status.unjudgedCount).toBe(0);
}

it("a snapshot of just what is accepted is taken, whenever it comes, and changes nothing", async () => {
  const { victim } = stage;
  const one = await history();
  const { docId } = one.made[0] ?? {};
  if (docId === undefined) throw new Error("made");
  const snapshot = await sealed(one, snapshotOf(one, 3));
  const [first, second, third] = one.commits;
  if (first === undefined || second === undefined || third === undefined) throw new Error("sealed");
  await bring(victim, [snapshot, first]);
  await eventually(() => victim.device.api.documentIds(victim.database)).toEqual([docId]);
  await eventually(() => tenantOf(victim)?.status.unjudgedCount).toBe(1);
  await bring(victim, [third, second]);
  await settled(victim);
  expect(await valueOf(victim, docId)).toEqual({ n: 2 });
  await bring(victim, [await sealed(one, snapshotOf(one, 2))]);
  const again = await reopen(victim, people.userPassword);
  await settled(again);
  expect(await valueOf(again, docId)).toEqual({ n: 2 });
  expect(tenantOf(again)?.status.quarantinedCount).toBe(0);
});

it("one that holds more, less or others than it covers is refused, and so is what is no document", async () => {
  const { victim } = stage;
  const one = await history();
  const other = await history();
  await bring(victim, [...one.commits, ...other.commits]);
  await eventually(() => victim.device.api.documentIds(victim.database)).toHaveLength(2);
  const good = snapshotOf(one, 3);
  const garbage = good.plaintext.slice();
  garbage[20] = (garbage[20] ?? 0) ^ 255;
  const hostile: readonly [EntryDraft, string][] = [
    [snapshotOf(one, 3, 2), "snapshot"],
    [snapshotOf(one, 2, 3), "snapshot"],
    [{ ...good, plaintext: snapshotOf(other, 3).plaintext }, "snapshot"],
    [{ ...good, plaintext: garbage }, "snapshot"],
    [{ ...good, plaintext: new Uint8Array(0) }, "snapshot"],
    [{ ...good, plaintext: new Uint8Array(400_000) }, "snapshot"],
    [{ ...good, dependencies: [] }, "dependencies"],
  ];
  for (const [entry, reason] of hostile) {
    const commit = await sealed(one, entry);
    await bring(victim, [commit]);
    await eventually(() => reasonOf(victim, commit)).toBe(reason);
  }
  const [first] = one.made;
  if (first === undefined) throw new Error("made");
  expect(await valueOf(victim, first.docId)).toEqual({ n: 2 });
});

it("a snapshot that a device writes is taken by others, and gives all that it covers", async () => {
  const { victim, villainReplica } = stage;
  const [id = ""] = await victim.device.api.createDocuments(victim.database, [{ n: 1 }]);
  const docId = id as DocId;
  const doc = newSubscription();
  const { heads } = await victim.device.api.openDocument(victim.database, id, doc);
  await victim.device.api.changeDocument(doc, draft([{ op: "set", path: ["n"], value: 2 }], heads));
  await victim.device.api.closeTenant(victim.tenantId);
  const writer = await openSession(victim, people.userPassword);
  await writer.session.exclusive(() => writeSnapshot(writer.session.core, writer.database, docId));
  const missing = writeSnapshot(writer.session.core, writer.database, "A".repeat(22) as DocId);
  await expect(missing).rejects.toMatchObject({ code: "doc/missing" });
  const log = await logOf(victim);
  expect(log.at(-1)?.entries[0]?.header?.entryType).toBe("doc_snapshot");
  await villainReplica.device.api.closeTenant(villainReplica.tenantId);
  const reader = await openSession(villainReplica, "marble tunnel saffron");
  await bring(villainReplica, log);
  await reader.session.catchUp();
  const { core } = reader.session;
  const { catalog } = reader.database;
  const changes = await readSyncedSnapshot(core, catalog, docId);
  const entries = catalog.get(docId)?.entries.map(({ changeHash }) => changeHash) ?? [];
  expect(changes?.map(({ hash }) => hash).toSorted()).toEqual(entries.toSorted());
  expect(entries).toHaveLength(2);
  // What it covers is not accepted any more: it is not used.
  catalog.withdraw(
    docId,
    new Set(
      catalog
        .get(docId)
        ?.entries.slice(1)
        .map(({ entryHash }) => entryHash),
    ),
  );
  expect(await readSyncedSnapshot(core, catalog, docId)).toBeUndefined();
  await writer.host.close(writer.session.core.tenantId);
  await reader.host.close(core.tenantId);
});

/** Open a replica's tenant without a page. */
async function openSession(replica: Replica, password: string) {
  const host = new WorkerHost((options) => ({
    env,
    crypto,
    storage: replica.storage,
    scope: options.name,
    openTransport: () => {
      throw new Error("nothing is sent here");
    },
    codec: createChangeCodec((bytes) => crypto.sha256(bytes)),
    loadEngine,
    prepareEngine: () => undefined,
  }));
  await host.start({ name: "coffer", wasmUrl: undefined, lifeLock: "life" }, () => undefined);
  await tenantCalls(host).openTenant(replica.tenantId, { userName: undefined, password, keepSession: false });
  const session = host.tenant(replica.tenantId);
  const database = await session.exclusive(async () => session.database("contacts"));
  return { host, session, database };
}
