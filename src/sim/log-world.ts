/**
 * A world of logs alone: one server, a network, and devices that write sealed commits and sync them. There are no documents, no
 * vaults and no Automerge, so that thousands of stories can be told in a minute.
 *
 * What is the product's: stores' contract, sealing, engine, conversation, runner, locks, the server's handler. What is not: what the
 * commits hold.
 */
import type { Crypto, SigningKeyPair } from "../crypto/index.ts";
import { encodeRecord } from "../directory/index.ts";
import { createContentKey, directoryDbId, sealCommit, type Commit, type ContentKey } from "../entry/index.ts";
import type { LogRecord, Store } from "../store/index.ts";
import {
  bytesToId,
  concatBytes,
  utf8ToBytes,
  type AuthorKey,
  type CommitHash,
  type DbId,
  type TenantId,
} from "../std/index.ts";
import { signPublication, startRunner, tenantStoreName, type Runner, type SyncAlarm } from "../sync/index.ts";
import { createQuickCrypto } from "./quick-crypto.ts";
import { Scheduler } from "./scheduler.ts";
import { SimDisk } from "./sim-disk.ts";
import { SimOrigin, type SimWorkerEnv } from "./sim-env.ts";
import { SimNetwork } from "./sim-network.ts";
import { SimServer } from "./sim-server.ts";

const serverUrl = "https://relay.test";

/** Who may write, and what a commit needs. */
export interface LogTenant {
  readonly tenantId: TenantId;
  readonly dbIds: readonly DbId[];
  readonly directoryDbId: DbId;
  readonly directoryHead: CommitHash;
  readonly key: ContentKey;
  readonly publication: Uint8Array<ArrayBuffer>;
  /** of what each commit holds */
  readonly plaintextBytes: number;
  /** The publication of a directory in which a person is revoked, but for these commits and their past. */
  revoke(person: Person, dbId: DbId, heads: readonly CommitHash[]): Promise<Uint8Array<ArrayBuffer>>;
}

interface Person {
  readonly key: AuthorKey;
  readonly signing: SigningKeyPair;
}

/** A worker of a device, with its link to the server. */
export interface LogTab {
  readonly env: SimWorkerEnv;
  readonly crypto: Crypto;
  readonly store: Store;
  readonly runner: Runner;
  /** the chain that its commits go on with */
  writer: Writer;
  /** one commit after the other */
  writing: Promise<unknown>;
}

interface Writer {
  readonly nonce: Uint8Array<ArrayBuffer>;
  readonly seq: number;
  readonly previous: CommitHash | undefined;
}

/** A device: its disk outlives its workers. */
export interface LogDevice {
  readonly name: string;
  readonly person: Person;
  readonly disk: SimDisk;
  readonly origin: SimOrigin;
  readonly tabs: LogTab[];
}

/** All of a world of logs. */
export interface LogWorld {
  readonly scheduler: Scheduler;
  readonly server: SimServer;
  readonly network: SimNetwork;
  readonly devices: readonly LogDevice[];
  readonly tenant: LogTenant;
  readonly alarms: { readonly device: string; readonly alarm: SyncAlarm }[];
  readonly refused: string[];
}

/** Publish a tenant and let everybody link it. The weather is fair so far. */
export async function createLogWorld(
  seed: number,
  deviceCount: number,
  plaintextBytes = 40,
): Promise<LogWorld> {
  const scheduler = new Scheduler(seed);
  const server = new SimServer(scheduler, serverUrl, createQuickCrypto);
  await scheduler.settle(server.start());
  const network = new SimNetwork(scheduler, server);
  const crypto = createQuickCrypto(new SimOrigin("admin", scheduler).openWorker());
  const people: Person[] = [];
  for (let i = 0; i < deviceCount; i++) people.push(await createPerson(crypto));
  const tenant = await createLogTenant(crypto, people, plaintextBytes);
  const devices = people.map((person, index): LogDevice => {
    const name = String.fromCharCode("a".charCodeAt(0) + index);
    const disk = new SimDisk(name, scheduler);
    return { name, person, disk, origin: new SimOrigin(name, scheduler), tabs: [] };
  });
  const world: LogWorld = { scheduler, server, network, devices, tenant, alarms: [], refused: [] };
  const [founder] = devices;
  if (founder === undefined) throw new Error("a world has a device");
  const publish = network.open(founder.origin.openWorker()).http.publish(tenant.publication);
  await scheduler.settle(publish);
  for (const device of devices) await scheduler.settle(openTab(world, device, device.origin.openWorker()));
  await scheduler.run(2000);
  for (const { disk } of devices) disk.flush();
  return world;
}

async function createPerson(crypto: Crypto): Promise<Person> {
  const signing = await crypto.createSigningPair();
  return { key: bytesToId("AuthorKey", signing.publicKey), signing };
}

async function createLogTenant(
  crypto: Crypto,
  people: readonly Person[],
  plaintextBytes: number,
): Promise<LogTenant> {
  const admin = await createPerson(crypto);
  const genesis = concatBytes(Uint8Array.of(1), admin.signing.publicKey, crypto.randomBytes(80));
  const tenantId = bytesToId("TenantId", crypto.sha256(utf8ToBytes("coffer/genesis/v1\0"), genesis));
  const createKey = (secret: Uint8Array): Promise<ContentKey> =>
    createContentKey(crypto, { keyId: bytesToId("KeyId", crypto.randomBytes(16)), epoch: 1, secret });
  const secret = crypto.randomBytes(32);
  const publicInfos = await createKey(secret);
  const grants = people.map(({ key }) =>
    encodeRecord({
      kind: "grantaccess",
      userKey: key,
      encryptionKey: crypto.randomBytes(32),
      nameHash: crypto.randomBytes(32),
    }),
  );
  const writerNonce = crypto.randomBytes(16);
  const dbId = directoryDbId(crypto, tenantId);
  const sealDirectory = (records: readonly Uint8Array[], before?: Commit): Promise<Commit> =>
    sealCommit(crypto, {
      tenantId,
      dbId,
      author: admin.key,
      signingKey: admin.signing.privateKey,
      writerNonce,
      writerSeq: before === undefined ? 1 : 2,
      predecessors: before === undefined ? [] : [before.commitHash],
      directoryHead: before?.commitHash,
      createdAtMs: 1,
      entries: records.map((plaintext) => ({
        entryType: "directory_record",
        docId: bytesToId("DocId", new Uint8Array(16)),
        dependencies: [],
        key: publicInfos,
        plaintext,
      })),
    });
  const publish = (...directory: readonly Commit[]): Promise<Uint8Array<ArrayBuffer>> =>
    signPublication(crypto, admin.signing.privateKey, {
      genesis,
      publicInfosKey: { keyId: publicInfos.keyId, epoch: publicInfos.epoch, secret },
      createdAtMs: Date.UTC(2026, 0, 1),
      origin: serverUrl,
      directoryCommits: directory.map(({ bytes }) => bytes),
    });
  const first = await sealDirectory(grants);
  return {
    tenantId,
    dbIds: [1, 2].map((name) => bytesToId("DbId", new Uint8Array(16).fill(name))),
    directoryDbId: dbId,
    directoryHead: first.commitHash,
    publication: await publish(first),
    key: await createKey(crypto.randomBytes(32)),
    plaintextBytes,
    async revoke({ key: userKey }, cutDb, heads) {
      const cuts = heads.length === 0 ? [] : [{ dbId: cutDb, heads }];
      return publish(
        first,
        await sealDirectory([encodeRecord({ kind: "revokeaccess", userKey, cuts })], first),
      );
    },
  };
}

/** The name of the store of a world's tenant, the same on every device. */
export const storeNameOf = ({ tenantId }: LogTenant): string => tenantStoreName("coffer", tenantId);

/** Link a worker of a device to the server; never resolves when the worker is gone before that. */
export async function openTab(world: LogWorld, device: LogDevice, env: SimWorkerEnv): Promise<void> {
  const { name, person } = device;
  const crypto = createQuickCrypto(env);
  const store = await device.disk.open(env).openStore(storeNameOf(world.tenant));
  const runner = startRunner({
    env,
    crypto,
    store,
    transport: world.network.open(env),
    tenantId: world.tenant.tenantId,
    signer: { key: person.key, privateKey: person.signing.privateKey },
    onAlarm: (alarm) => void world.alarms.push({ device: name, alarm }),
    onRefused: ({ commitHash, code }) => void world.refused.push(`${name} ${commitHash} ${code}`),
  });
  const writer = createWriter(crypto);
  device.tabs.push({ env, crypto, store, runner, writer, writing: Promise.resolve() });
}

function createWriter(crypto: Crypto): Writer {
  return { nonce: crypto.randomBytes(16), seq: 0, previous: undefined };
}

/** A worker dies where it stands. */
export function killTab(world: LogWorld, device: LogDevice, tab: LogTab): void {
  world.scheduler.note(`${tab.env.name} dies`);
  tab.env.kill();
  device.tabs.splice(device.tabs.indexOf(tab), 1);
}

/**
 * Seal a commit and store it, after those that this worker was asked for before.
 *
 * @returns its hash, once it is durable
 * @throws what the store throws
 */
export function writeCommit(
  world: LogWorld,
  device: LogDevice,
  tab: LogTab,
  dbId: DbId,
): Promise<CommitHash> {
  const written = tab.writing.then(() => writeNext(world, device, tab, dbId));
  tab.writing = written.catch(() => {
    // Whether it is there is not known: what follows stands on nothing.
    tab.writer = createWriter(tab.crypto);
  });
  return written;
}

async function writeNext(
  { tenant }: LogWorld,
  { person }: LogDevice,
  tab: LogTab,
  dbId: DbId,
): Promise<CommitHash> {
  const { crypto, store, writer } = tab;
  const commit: Commit = await sealCommit(crypto, {
    tenantId: tenant.tenantId,
    dbId,
    author: person.key,
    signingKey: person.signing.privateKey,
    writerNonce: writer.nonce,
    writerSeq: writer.seq + 1,
    predecessors: writer.previous === undefined ? [] : [writer.previous],
    directoryHead: tenant.directoryHead,
    createdAtMs: tab.env.nowMs(),
    entries: [
      {
        entryType: "doc_change",
        docId: bytesToId("DocId", crypto.randomBytes(16)),
        dependencies: [],
        key: tenant.key,
        plaintext: crypto.randomBytes(tenant.plaintextBytes),
      },
    ],
  });
  const { commitHash, bytes } = commit;
  const record = { commitHash, bytes: new Uint8Array(bytes), origin: "" };
  const result = await store.write({ records: [record] });
  if (result.kind !== "stored") throw new Error("a batch without slots is never in conflict");
  tab.writer = { ...writer, seq: writer.seq + 1, previous: commitHash };
  return commitHash;
}

/** What lies in a device's log, looked at from outside. */
export async function recordsOf({ tenant }: LogWorld, { disk }: LogDevice): Promise<readonly LogRecord[]> {
  const store = await disk.inspect(storeNameOf(tenant));
  const records = await store.readLog({ after: 0, maxCount: Infinity, maxBytes: Infinity });
  store.close();
  return records;
}
