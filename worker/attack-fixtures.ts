/**
 * A stage for attacks: a victim's device, and people who hold everything a member holds and write what they like.
 *
 * The victim is driven as a page drives its worker. What a hostile server, peer or member brings is appended to its log, as sync does.
 */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { expect } from "vitest";
import { loadAutomerge, type DocChange, type DocEngine } from "../src/doc/index.ts";
import type { DraftOperation, DraftValue } from "../src/draft/index.ts";
import {
  deriveActorId,
  deriveDocId,
  deriveNameId,
  directoryDbId,
  parseCommit,
  sealCommit,
  type Commit,
  type CommitDraft,
  type ContentKey,
  type EntryDraft,
} from "../src/entry/index.ts";
import {
  loadBag,
  openBagSecrets,
  unlockVault,
  type KeyBag,
  type UnlockedIdentity,
} from "../src/keys/index.ts";
import {
  copyBytes,
  type CommitHash,
  type DbId,
  type DocId,
  type EntryHash,
  type TenantId,
} from "../src/std/index.ts";
import { createMemoryStorage, type Storage } from "../src/store/index.ts";
import type { TenantSnapshot } from "./api.ts";
import { crypto, env, newSubscription, people, startDevice, type Device } from "./device-fixtures.ts";

const password = "marble tunnel saffron";
const sharePassword = "lusab-babad-gutih-tugad";
const wasm = createRequire(import.meta.url).resolve("@automerge/automerge/automerge.wasm");

/** The engine that attackers use, too. */
export const loadEngine = (): Promise<DocEngine> => loadAutomerge(() => readFile(wasm));

/** A sealed change, with what an attacker remembers of it. */
export interface Forged {
  readonly docId: DocId;
  readonly change: DocChange;
  readonly entry: EntryDraft;
}

interface AuthorParts {
  readonly identity: UnlockedIdentity;
  readonly bag: KeyBag;
  readonly tenantId: TenantId;
  readonly engine: DocEngine;
  readonly directoryHead: CommitHash | undefined;
}

/** Someone who holds a member's keys and keeps no rule. */
export class Author {
  readonly identity: UnlockedIdentity;
  readonly key: ContentKey;
  readonly namesKey: Uint8Array;
  readonly tenantId: TenantId;
  readonly dbId: DbId;
  readonly engine: DocEngine;
  /** what they were made of: someone else with the same keys is made of it, too */
  readonly parts: AuthorParts;
  directoryHead: CommitHash | undefined;

  constructor(parts: AuthorParts) {
    this.parts = parts;
    const { bag, engine, identity, tenantId } = parts;
    const key = bag.current(deriveNameId(crypto, bag.namesKey, "key", "default"));
    if (key === undefined) throw new Error("a member holds the default key");
    this.identity = identity;
    this.key = key;
    this.namesKey = bag.namesKey;
    this.tenantId = tenantId;
    this.dbId = deriveNameId(crypto, bag.namesKey, "db", "contacts");
    this.engine = engine;
    this.directoryHead = parts.directoryHead;
  }

  get author() {
    return this.identity.publicIdentity.signingKey;
  }

  nonce(): Uint8Array<ArrayBuffer> {
    return env.randomBytes(16);
  }

  actor(writerNonce: Uint8Array, docId: DocId): string {
    return deriveActorId(crypto, { author: this.author, writerNonce, docId });
  }

  create(writerNonce: Uint8Array, docCounter: number, value: DraftValue): Forged {
    const { author, dbId, key, tenantId } = this;
    const docId = deriveDocId(crypto, { author, dbId, tenantId, keyId: key.keyId, writerNonce, docCounter });
    const { change } = this.engine.encodeCreate({ value, actor: this.actor(writerNonce, docId), timeMs: 0 });
    const entry: EntryDraft = {
      entryType: "doc_create",
      docId,
      dependencies: [],
      key,
      docCounter,
      plaintext: change.bytes,
    };
    return { docId, change, entry };
  }

  /** An edit on top of changes; `dependencies` are the entries that hold the last of them. */
  edit(
    before: readonly DocChange[],
    options: {
      docId: DocId;
      writerNonce: Uint8Array;
      operations: readonly DraftOperation[];
      dependencies: EntryDraft["dependencies"];
      actor?: string;
      note?: string;
      timeMs?: number;
    },
  ): Forged {
    const { docId, operations, writerNonce } = options;
    const doc = this.engine.createDoc();
    doc.applyChanges(before);
    const actor = options.actor ?? this.actor(writerNonce, docId);
    const [change] = doc.replay({
      operations,
      baseHeads: doc.heads,
      actor,
      timeMs: options.timeMs ?? 0,
      ...(options.note !== undefined && { note: options.note }),
    }).changes;
    doc.close();
    if (change === undefined) throw new Error("an edit is a change");
    const { dependencies } = options;
    const entry: EntryDraft = {
      entryType: "doc_change",
      docId,
      dependencies,
      key: this.key,
      plaintext: change.bytes,
    };
    return { docId, change, entry };
  }

  seal(draft: Partial<CommitDraft> & Pick<CommitDraft, "entries">): Promise<Commit> {
    return sealCommit(crypto, {
      tenantId: this.tenantId,
      dbId: this.dbId,
      author: this.author,
      signingKey: this.identity.signing.privateKey,
      writerNonce: this.nonce(),
      writerSeq: 1,
      predecessors: [],
      directoryHead: this.directoryHead,
      createdAtMs: env.nowMs(),
      ...draft,
    });
  }
}

/** The entry hash of a commit's entry. */
export function entryHashOf(commit: Commit, index = 0): EntryHash {
  const hash = commit.entries[index]?.entryHash;
  if (hash === undefined) throw new Error("no such entry");
  return hash;
}

/** One device that has the tenant open. */
export interface Replica {
  readonly device: Device;
  readonly storage: Storage;
  readonly tenantId: TenantId;
  readonly database: number;
}

export interface Stage {
  readonly victim: Replica;
  readonly villain: Author;
  readonly bystander: Author;
  readonly villainReplica: Replica;
  readonly proof: { readonly adminKey: string; readonly adminPassword: string };
}

/** Found a tenant and let two members join. */
export async function setStage(): Promise<Stage> {
  const storage = createMemoryStorage(env);
  const device = await startDevice(storage);
  const tenant = await device.api.createTenant(people);
  const tenantId = tenant.id as TenantId;
  const victim = await openContacts({ device, storage, tenantId });
  const proof = { adminKey: tenant.adminUser?.key ?? "", adminPassword: people.adminPassword };
  const one = await join(victim, proof, "cn=villain/o=acme");
  const two = await join(victim, proof, "cn=bystander/o=acme");
  const directoryHead = await lastDirectoryCommit(victim);
  one.author.directoryHead = directoryHead;
  two.author.directoryHead = directoryHead;
  await bring(one.replica, await logOf(victim));
  return { victim, villain: one.author, bystander: two.author, villainReplica: one.replica, proof };
}

/** Another device that has joined and holds the directory, or the given commits of it, and nothing else. */
export async function addReplica(stage: Stage, userName: string, held?: readonly Commit[]): Promise<Replica> {
  const { replica } = await join(stage.victim, stage.proof, userName);
  const directory = directoryDbId(crypto, stage.victim.tenantId);
  const commits = (await logOf(stage.victim)).filter((commit) => commit.header.dbId === directory);
  await bring(replica, held ?? commits);
  return replica;
}

async function openContacts(rest: Omit<Replica, "database">): Promise<Replica> {
  const database = newSubscription();
  await rest.device.api.openDatabase(rest.tenantId, "contacts", database);
  return { ...rest, database };
}

/** Open a replica again in a fresh worker, from what its storage holds. */
export async function reopen(replica: Replica, userPassword = password): Promise<Replica> {
  await replica.device.api.closeTenant(replica.tenantId);
  const device = await startDevice(replica.storage);
  await device.api.openTenant(replica.tenantId, {
    userName: undefined,
    password: userPassword,
    keepSession: false,
  });
  return openContacts({ device, storage: replica.storage, tenantId: replica.tenantId });
}

async function join(
  { device: admin, tenantId }: Replica,
  proof: Stage["proof"],
  userName: string,
): Promise<{ replica: Replica; author: Author }> {
  const storage = createMemoryStorage(env);
  const device = await startDevice(storage);
  const { key } = await device.api.createUserId(userName, password);
  const response = await admin.api.approveJoinRequest(tenantId, await device.api.createJoinRequest(key), {
    ...proof,
    sharePassword,
    serverUrl: undefined,
    expiresInMs: 60_000,
  });
  await device.api.joinTenant(response, { key, password, sharePassword });
  const own = await storage.openStore("coffer/device");
  const vault = (await own.readSlot(`vault/${key}`))?.value as Uint8Array;
  const identity = await unlockVault(crypto, vault, password);
  const bag = await bagOf({ storage, tenantId }, identity);
  own.close();
  const engine = await loadEngine();
  const author = new Author({ identity, bag, tenantId, engine, directoryHead: undefined });
  return { replica: await openContacts({ device, storage, tenantId }), author };
}

/** The keys that a replica holds now. */
export async function bagOf(
  { storage, tenantId }: Pick<Replica, "storage" | "tenantId">,
  identity: UnlockedIdentity,
): Promise<KeyBag> {
  const store = await storage.openStore(`coffer/tenant/${tenantId}`);
  const sealed = (await store.readSlot("bag"))?.value as Uint8Array;
  store.close();
  return loadBag(crypto, await openBagSecrets(crypto, identity, sealed, { minVersion: 0 }));
}

/** The commits of a replica's log, in order. */
export async function logOf({ storage, tenantId }: Replica): Promise<readonly Commit[]> {
  const store = await storage.openStore(`coffer/tenant/${tenantId}`);
  const records = await store.readLog({ after: 0, maxCount: 100_000, maxBytes: 1 << 30 });
  store.close();
  return records.flatMap((record) => {
    const verdict = parseCommit(crypto, record.bytes);
    return verdict.kind === "verified" ? [verdict.commit] : [];
  });
}

export async function lastDirectoryCommit(replica: Replica): Promise<CommitHash | undefined> {
  const directory = directoryDbId(crypto, replica.tenantId);
  return (await logOf(replica)).findLast(({ header }) => header.dbId === directory)?.commitHash;
}

/** Append records to a replica's log, as sync does. */
export async function bring(
  { storage, tenantId }: Replica,
  commits: readonly Pick<Commit, "commitHash" | "bytes">[],
): Promise<void> {
  const store = await storage.openStore(`coffer/tenant/${tenantId}`);
  const records = commits.map(({ bytes, commitHash }) => ({
    commitHash,
    bytes: copyBytes(bytes),
    origin: "peer",
  }));
  await store.write({ records });
  store.close();
}

export async function valueOf({ database, device }: Replica, id: string): Promise<unknown> {
  return (await device.api.openDocument(database, id, newSubscription())).value;
}

/** What the page is told of the tenant now. */
export function tenantOf({ device, tenantId }: Replica): TenantSnapshot | undefined {
  const event = device.events.findLast((one) => one.kind === "tenant" && one.tenantId === tenantId);
  return event?.kind === "tenant" ? event.snapshot : undefined;
}

/** Expect something to become true, on a busy machine too. */
export function eventually<T>(read: () => T, options: { interval?: number } = {}) {
  return expect.poll(read, { timeout: 60_000, ...options });
}

/** Every document of a replica, by id. */
export async function stateOf(replica: Replica): Promise<ReadonlyMap<string, unknown>> {
  const ids = await replica.device.api.documentIds(replica.database);
  const state = new Map<string, unknown>();
  for (const id of ids.toSorted()) state.set(id, await valueOf(replica, id));
  return state;
}

/**
 * Bring hostile commits in one batch with an honest one behind them, and hold the victim to it: what was there is as it was, the
 * honest one is there, an edit works. Returns what the victim says of it.
 */
export async function strike(
  { bystander, victim }: Stage,
  hostile: readonly Pick<Commit, "commitHash" | "bytes">[],
): Promise<TenantSnapshot> {
  const before = await stateOf(victim);
  const writerNonce = bystander.nonce();
  const honest = bystander.create(writerNonce, 0, { name: "honest" });
  const commit = await bystander.seal({ writerNonce, entries: [honest.entry] });
  await bring(victim, [...hostile, commit]);
  await eventually(() => victim.device.api.documentIds(victim.database)).toContain(honest.docId);
  expect(await stateOf(victim)).toEqual(new Map(before).set(honest.docId, { name: "honest" }));
  const [own = ""] = await victim.device.api.createDocuments(victim.database, [{ still: "works" }]);
  expect(await valueOf(victim, own)).toEqual({ still: "works" });
  const snapshot = tenantOf(victim);
  if (snapshot === undefined) throw new Error("no tenant");
  return snapshot;
}
