/**
 * A worker that measures keys and people where the work is done: the product's own service, over a store in memory and with passwords that
 * cost nothing, so that only what grows with members and documents is left; and the fold of the directory alone.
 */
import { createFastHash, createWebCrypto, type Crypto } from "../../src/crypto/index.ts";
import { createDirectory, foldCommit, foldLines, type OpenedCommit } from "../../src/directory/index.ts";
import { createChangeCodec } from "../../src/doc/index.ts";
import { parseCommit, type Commit } from "../../src/entry/index.ts";
import { createIdentity, createVault, encodeJoinRequest } from "../../src/keys/index.ts";
import { bytesToId, copyBytes, createSystemEnv, utf8ToBytes } from "../../src/std/index.ts";
import { createMemoryStorage, type Storage } from "../../src/store/index.ts";
import type { AdminProof, TenantSnapshot, WorkerApi } from "../../worker/api.ts";
import { createService } from "../../worker/service.ts";
import { answerOnce } from "./ask.ts";
import { makeRows } from "./rows.ts";

export type PeopleQuestion =
  | { readonly kind: "pull"; readonly count: number }
  | { readonly kind: "members"; readonly count: number; readonly rounds: number }
  | { readonly kind: "fold"; readonly count: number };

/** Milliseconds of each round. */
export interface PeopleAnswer {
  /** verify, judge, open and list all documents of a first pull */
  readonly pullMs?: number;
  /** one new member beside all the others */
  readonly admitMs?: number;
  /** a new epoch of the tenant's key for all members */
  readonly rotateMs?: readonly number[];
  /** all commits at once, as an opening folds them */
  readonly foldMs?: number;
  /** commit after commit, as they arrive */
  readonly foldEachMs?: number;
  /** one more commit on all of them */
  readonly foldOneMs?: number;
}

const env = createSystemEnv();
const sharePassword = "lusab-babad-gutih-tugad";
const names = {
  tenantName: "bench",
  adminName: "cn=admin/o=bench",
  adminPassword: "correct horse battery",
  userName: "cn=owner/o=bench",
  userPassword: "staple orbit lantern",
};

async function openCrypto(): Promise<Crypto> {
  const hash = createFastHash();
  await hash.settled;
  const crypto = createWebCrypto(env, hash.sha256);
  return {
    ...crypto,
    deriveFromPassword: async (password, { salt }) => crypto.sha256(utf8ToBytes(password), salt),
  };
}

async function startService(crypto: Crypto, storage: Storage): Promise<WorkerApi> {
  const codec = createChangeCodec((bytes) => crypto.sha256(bytes));
  const never = (): never => {
    throw new Error("Nothing here needs Automerge or a server");
  };
  const api = createService(({ name }) => ({
    env,
    crypto,
    codec,
    storage,
    scope: name,
    openTransport: never,
    loadEngine: async () => never(),
    prepareEngine: () => undefined,
  }));
  await api.start({ name: "bench", wasmUrl: undefined, lifeLock: `bench-${Math.random()}` }, () => undefined);
  return api;
}

interface Founder {
  readonly api: WorkerApi;
  readonly storage: Storage;
  readonly tenant: TenantSnapshot;
  readonly proof: AdminProof;
}

async function found(crypto: Crypto): Promise<Founder> {
  const storage = createMemoryStorage(env);
  const api = await startService(crypto, storage);
  const tenant = await api.createTenant(names);
  const proof = { adminKey: tenant.adminUser?.key ?? "", adminPassword: names.adminPassword };
  return { api, storage, tenant, proof };
}

const invitation = (proof: AdminProof) => ({
  ...proof,
  sharePassword,
  serverUrl: undefined,
  expiresInMs: 600_000,
});

/** Let a second device join, put everything into its log as a pull does, and wait until all of it is listed. */
async function measurePull(count: number): Promise<PeopleAnswer> {
  const crypto = await openCrypto();
  const { api, proof, storage, tenant } = await found(crypto);
  await api.openDatabase(tenant.id, "people", 1);
  const rows = makeRows(count);
  for (let from = 0; from < count; from += 512)
    await api.createDocuments(
      1,
      rows.slice(from, from + 512).map((row) => ({ ...row })),
    );
  const other = createMemoryStorage(env);
  const guest = await startService(crypto, other);
  const { key } = await guest.createUserId("cn=guest/o=bench", names.userPassword);
  const request = await guest.createJoinRequest(key);
  const response = await api.approveJoinRequest(tenant.id, request, invitation(proof));
  await guest.joinTenant(response, { key, password: names.userPassword, sharePassword });
  await guest.openDatabase(tenant.id, "people", 1);
  const from = await storage.openStore(`bench/tenant/${tenant.id}`);
  const records = await from.readLog({ after: 0, maxCount: 1_000_000, maxBytes: 1 << 30 });
  from.close();
  const into = await other.openStore(`bench/tenant/${tenant.id}`);
  const startMs = performance.now();
  await into.write({
    records: records.map(({ bytes, commitHash }) => ({
      bytes: copyBytes(bytes),
      commitHash,
      origin: "server",
    })),
  });
  for (;;) {
    const { length } = await guest.documentIds(1);
    if (length === count) break;
    // Asking lists all ids: seldom enough to cost nothing.
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
  return { pullMs: performance.now() - startMs };
}

async function admit(crypto: Crypto, { api, proof, tenant }: Founder, number: number): Promise<void> {
  const secrets = await createIdentity(crypto, `cn=member ${number}/o=bench`);
  const { identity } = await createVault(crypto, { secrets, password: names.userPassword, nowMs: 1 });
  const request = await encodeJoinRequest(crypto, identity, env.nowMs());
  await api.approveJoinRequest(tenant.id, request, invitation(proof));
}

async function measureMembers(count: number, rounds: number): Promise<PeopleAnswer> {
  const crypto = await openCrypto();
  const founder = await found(crypto);
  // The founder is one of them.
  for (let member = 1; member < count; member++) await admit(crypto, founder, member);
  const rotateMs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const startMs = performance.now();
    await founder.api.rotateKey(founder.tenant.id, "default", founder.proof);
    rotateMs.push(performance.now() - startMs);
  }
  const startMs = performance.now();
  await admit(crypto, founder, count);
  return { rotateMs, admitMs: performance.now() - startMs };
}

/** Each member came with a commit of their own: a grant and a card. */
async function measureFold(count: number): Promise<PeopleAnswer> {
  const crypto = await openCrypto();
  const { storage, tenant } = await found(crypto);
  const store = await storage.openStore(`bench/tenant/${tenant.id}`);
  const [record] = await store.readLog({ after: 0, maxCount: 1, maxBytes: 1 << 20 });
  store.close();
  const parsed = record === undefined ? undefined : parseCommit(crypto, record.bytes);
  if (parsed?.kind !== "verified") throw new Error("a tenant begins with a commit");
  const first = parsed.commit;
  const numbered = (number: number): Uint8Array => {
    const bytes = new Uint8Array(32);
    new DataView(bytes.buffer).setUint32(0, number + 1);
    return bytes;
  };
  const hashOf = (number: number) => bytesToId("CommitHash", numbered(number));
  const opened = (number: number): OpenedCommit => {
    const previous = number === 0 ? undefined : hashOf(number - 1);
    const predecessors = previous === undefined ? [] : [previous];
    const header = { ...first.header, predecessors, directoryHead: previous };
    const commit: Commit = { ...first, header, commitHash: hashOf(number) };
    const userKey = bytesToId("AuthorKey", numbered(number));
    const keys = { encryptionKey: numbered(number), nameHash: numbered(number) };
    return {
      commit,
      records: [
        { kind: "grantaccess", userKey, ...keys },
        { kind: "membercard", userKey, userName: `cn=member ${number}/o=bench` },
      ],
    };
  };
  const line = Array.from({ length: count }, (_, number) => opened(number));
  const empty = createDirectory(crypto, first.header.tenantId, first.header.author);
  let startMs = performance.now();
  const whole = foldLines(empty, line);
  const foldMs = performance.now() - startMs;
  startMs = performance.now();
  let state = empty;
  for (const { commit, records } of line) {
    const verdict = foldCommit(state, commit, records);
    if (verdict.kind !== "applied") throw new Error(verdict.kind);
    state = verdict.state;
  }
  const foldEachMs = performance.now() - startMs;
  if (state.usersByKey.size !== count || whole.usersByKey.size !== count) throw new Error("some are missing");
  const more = 100;
  const rest = Array.from({ length: more }, (_, number) => opened(count + number));
  startMs = performance.now();
  for (const { commit, records } of rest) {
    const verdict = foldCommit(state, commit, records);
    if (verdict.kind === "applied") state = verdict.state;
  }
  return { foldMs, foldEachMs, foldOneMs: (performance.now() - startMs) / more };
}

answerOnce<PeopleQuestion, PeopleAnswer>(async (question) => {
  switch (question.kind) {
    case "pull":
      return measurePull(question.count);
    case "members":
      return measureMembers(question.count, question.rounds);
    case "fold":
      return measureFold(question.count);
  }
});
