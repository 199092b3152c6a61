/** Tenants, users and commits as the rooms make them, and a client that speaks the protocol to a relay. */
import { createWebCrypto, type Crypto, type SigningKeyPair } from "../../src/crypto/index.ts";
import { encodeRecord, type DirectoryRecord, type Role } from "../../src/directory/index.ts";
import {
  createContentKey,
  directoryDbId,
  encodeCommit,
  sealCommit,
  type Commit,
  type ContentKey,
} from "../../src/entry/index.ts";
import {
  bytesToBase64url,
  bytesToId,
  concatBytes,
  createSystemEnv,
  isErrorCode,
  utf8ToBytes,
  CofferError,
  type AuthorKey,
  type CommitHash,
  type DbId,
  type DocId,
  type Env,
  type TenantId,
} from "../../src/std/index.ts";
import {
  authenticate,
  decodeFrames,
  encodeFrames,
  parseDelegation,
  signDelegation,
  signPublication,
  type Frame,
  type LogCursor,
  type Signer,
} from "../../src/sync/index.ts";
import {
  createMemoryStorage,
  createRelay,
  type Relay,
  type RelayOptions,
  type RelayStorage,
} from "../src/index.ts";

export const crypto: Crypto = createWebCrypto();
export const origin = "http://relay.test";
export const canary = "CANARY-the-quick-brown-fox";

/** The system's world with a clock that can be turned and timers that run when told. */
export interface TestEnv extends Env {
  advance(ms: number): void;
}

export function createTestEnv(): TestEnv {
  const system = createSystemEnv();
  let skippedMs = 0;
  let timers: { atMs: number; run: () => void }[] = [];
  const nowMs = (): number => system.nowMs() + skippedMs;
  return {
    ...system,
    nowMs,
    monotonicMs: () => system.monotonicMs() + skippedMs,
    setTimer(afterMs, run) {
      const timer = { atMs: nowMs() + afterMs, run };
      timers.push(timer);
      return () => void (timers = timers.filter((other) => other !== timer));
    },
    advance(ms) {
      skippedMs += ms;
      const due = timers.filter(({ atMs }) => atMs <= nowMs());
      timers = timers.filter(({ atMs }) => atMs > nowMs());
      for (const { run } of due) run();
    },
  };
}

export interface TestUser {
  readonly key: AuthorKey;
  readonly signing: SigningKeyPair;
}

export async function createUser(): Promise<TestUser> {
  const signing = await crypto.createSigningPair();
  return { key: bytesToId("AuthorKey", signing.publicKey), signing };
}

export function createDbId(): DbId {
  return bytesToId("DbId", crypto.randomBytes(16));
}

export interface CommitOptions {
  readonly text?: string;
  /** instead of `text`: one entry each */
  readonly texts?: readonly string[];
  readonly predecessors?: readonly CommitHash[];
  readonly directoryHead?: CommitHash;
  readonly dbId?: DbId;
  readonly writerSeq?: number;
}

/** A tenant with an admin, its keys, and a directory that grows. */
export class TestTenant {
  readonly admin: TestUser;
  readonly tenantId: TenantId;
  readonly genesis: Uint8Array;
  readonly dbId = createDbId();
  readonly directoryDbId: DbId;
  readonly directory: Commit[] = [];
  readonly #keys: {
    readonly publicInfos: ContentKey;
    readonly documents: ContentKey;
    readonly secret: Uint8Array;
  };
  readonly #writerNonce = crypto.randomBytes(16);

  private constructor(admin: TestUser, genesis: Uint8Array, keys: TestTenant["keys"]) {
    this.admin = admin;
    this.genesis = genesis;
    this.tenantId = bytesToId("TenantId", crypto.sha256(utf8ToBytes("coffer/genesis/v1\0"), genesis));
    this.directoryDbId = directoryDbId(crypto, this.tenantId);
    this.#keys = keys;
  }

  get keys() {
    return this.#keys;
  }

  get head(): CommitHash | undefined {
    return this.directory.at(-1)?.commitHash;
  }

  static async create(): Promise<TestTenant> {
    const admin = await createUser();
    const genesis = concatBytes(Uint8Array.of(1), admin.signing.publicKey, crypto.randomBytes(80));
    const secret = crypto.randomBytes(32);
    const create = (bytes: Uint8Array): Promise<ContentKey> =>
      createContentKey(crypto, {
        keyId: bytesToId("KeyId", crypto.randomBytes(16)),
        epoch: 1,
        secret: bytes,
      });
    const keys = {
      publicInfos: await create(secret),
      documents: await create(crypto.randomBytes(32)),
      secret,
    };
    return new TestTenant(admin, genesis, keys);
  }

  /** A tenant whose directory grants these users. */
  static async withUsers(...users: readonly TestUser[]): Promise<TestTenant> {
    const tenant = await TestTenant.create();
    for (const user of users) await tenant.grant(user);
    return tenant;
  }

  async sealDirectory(
    records: readonly DirectoryRecord[],
    options: {
      author?: TestUser;
      head?: CommitHash | undefined;
      writerSeq?: number;
      /** a merge follows others beside its head */
      alsoBehind?: readonly CommitHash[];
    } = {},
  ): Promise<Commit> {
    const head = "head" in options ? options.head : this.head;
    const author = options.author ?? this.admin;
    return sealCommit(crypto, {
      tenantId: this.tenantId,
      dbId: this.directoryDbId,
      author: author.key,
      signingKey: author.signing.privateKey,
      writerNonce:
        head === undefined || options.writerSeq === 1 || options.alsoBehind
          ? crypto.randomBytes(16)
          : this.#writerNonce,
      writerSeq:
        options.writerSeq ?? (head === undefined || options.alsoBehind ? 1 : this.directory.length + 1),
      predecessors: head === undefined ? [] : [head, ...(options.alsoBehind ?? [])],
      directoryHead: head,
      createdAtMs: Date.now(),
      entries: records.map((record) => ({
        entryType: "directory_record",
        docId: bytesToId("DocId", new Uint8Array(16)),
        dependencies: [],
        key: record.kind === "membercard" ? this.#keys.documents : this.#keys.publicInfos,
        plaintext: encodeRecord(record),
      })),
    });
  }

  async appendDirectory(records: readonly DirectoryRecord[]): Promise<Commit> {
    const commit = await this.sealDirectory(records);
    this.directory.push(commit);
    return commit;
  }

  async grant(user: TestUser): Promise<Commit> {
    return this.appendDirectory([
      {
        kind: "grantaccess",
        userKey: user.key,
        encryptionKey: crypto.randomBytes(32),
        nameHash: crypto.randomBytes(32),
      },
      { kind: "membercard", userKey: user.key, userName: `${canary}-name` },
    ]);
  }

  async revoke(user: TestUser, heads: readonly CommitHash[] = []): Promise<Commit> {
    const cuts = heads.length === 0 ? [] : [{ dbId: this.dbId, heads }];
    return this.appendDirectory([{ kind: "revokeaccess", userKey: user.key, cuts }]);
  }

  /** The role of a user in the tenant's database, with what of theirs need not have known of it. */
  async give(user: TestUser, role: Role, heads: readonly CommitHash[] = []): Promise<Commit> {
    const cuts = heads.length === 0 ? [] : [{ dbId: this.dbId, heads }];
    return this.appendDirectory([
      { kind: "role", dbId: this.dbId, edits: [{ subject: { kind: "user", userKey: user.key }, role }] },
      { kind: "narrowing", users: [{ userKey: user.key, cuts }] },
    ]);
  }

  async write(author: TestUser, options: CommitOptions = {}): Promise<Commit> {
    const { predecessors = [] } = options;
    return sealCommit(crypto, {
      tenantId: this.tenantId,
      dbId: options.dbId ?? this.dbId,
      author: author.key,
      signingKey: author.signing.privateKey,
      writerNonce: crypto.randomBytes(16),
      writerSeq: options.writerSeq ?? 1,
      predecessors,
      directoryHead: options.directoryHead ?? this.head,
      createdAtMs: Date.now(),
      entries: (options.texts ?? [options.text ?? canary]).map((text) => ({
        entryType: "doc_change",
        docId: randomDocId(),
        dependencies: [],
        key: this.#keys.documents,
        plaintext: utf8ToBytes(text),
      })),
    });
  }

  publication(
    options: { origin?: string; createdAtMs?: number; signer?: TestUser; secret?: Uint8Array } = {},
  ): Promise<Uint8Array<ArrayBuffer>> {
    const { keyId, epoch } = this.#keys.publicInfos;
    return signPublication(crypto, (options.signer ?? this.admin).signing.privateKey, {
      genesis: this.genesis,
      publicInfosKey: { keyId, epoch, secret: options.secret ?? this.#keys.secret },
      createdAtMs: options.createdAtMs ?? Date.now(),
      origin: options.origin ?? origin,
      directoryCommits: this.directory.map(({ bytes }) => bytes),
    });
  }
}

function randomDocId(): DocId {
  return bytesToId("DocId", crypto.randomBytes(16));
}

export interface TestRelay {
  readonly relay: Relay;
  readonly env: TestEnv;
  readonly storage: RelayStorage;
  readonly serverKey: Uint8Array;
}

export async function createTestRelay(
  options: Partial<RelayOptions> & { env?: TestEnv } = {},
): Promise<TestRelay> {
  const env = options.env ?? createTestEnv();
  const storage = options.storage ?? createMemoryStorage({ crypto, env });
  const signing = options.signing ?? (await crypto.createSigningPair());
  const relay = createRelay({ crypto, storage, signing, origins: [origin], ...options, env });
  return { relay, env, storage, serverKey: signing.publicKey };
}

/** How a client reaches a relay: in process, or over the network. */
export type Fetch = (request: Request) => Promise<Response>;

/** A device of one user. */
export class TestClient {
  readonly replicaId = crypto.randomBytes(16);
  readonly fetch: Fetch;
  readonly url: string;
  readonly tenantId: TenantId;
  readonly signer: Signer;
  token: Uint8Array | undefined;

  constructor(
    fetch: Fetch,
    tenantId: TenantId,
    user: TestUser,
    options: { url?: string; delegation?: Uint8Array } = {},
  ) {
    this.fetch = fetch;
    this.url = options.url ?? origin;
    this.tenantId = tenantId;
    this.signer = { key: user.key, privateKey: user.signing.privateKey, delegation: options.delegation };
  }

  async postJson(path: string, body: unknown): Promise<unknown> {
    const headers = { "Content-Type": "application/json" };
    const response = await this.fetch(
      new Request(this.url + path, { method: "POST", headers, body: JSON.stringify(body) }),
    );
    if (!response.ok) throw await failureOf(response);
    return response.json();
  }

  async signIn(serverKey: Uint8Array, claimedOrigin = this.url): Promise<void> {
    const http = {
      origin: claimedOrigin,
      postJson: (path: string, body: unknown) => this.postJson(path, body),
    };
    const session = await authenticate(http, crypto, this.signer, { tenantId: this.tenantId, serverKey });
    this.token = session.token;
  }

  async exchangeRaw(body: Uint8Array, tenantId = this.tenantId): Promise<Response> {
    const headers: Record<string, string> = { "Content-Type": "application/octet-stream" };
    if (this.token !== undefined) headers["Authorization"] = `Bearer ${bytesToBase64url(this.token)}`;
    const url = `${this.url}/v1/t/${tenantId}/sync`;
    return this.fetch(new Request(url, { method: "POST", headers, body: new Uint8Array(body) }));
  }

  async exchange(...frames: readonly Frame[]): Promise<readonly Frame[]> {
    const response = await this.exchangeRaw(
      encodeFrames([{ type: "hello", version: 1, replicaId: this.replicaId }, ...frames]),
    );
    if (!response.ok) throw await failureOf(response);
    const answer = decodeFrames(new Uint8Array(await response.arrayBuffer()));
    if (answer === undefined) throw new CofferError("protocol/malformed");
    return answer;
  }

  async push(dbId: DbId, ...commits: readonly { readonly bytes: Uint8Array }[]) {
    const frames = await this.exchange({ type: "push", dbId, commits: commits.map(({ bytes }) => bytes) });
    return frames.flatMap((frame) => (frame.type === "ack" ? frame.results : []));
  }

  pull(
    cursors: readonly LogCursor[] = [],
    options: { full?: boolean; maxBytes?: number; allDatabases?: boolean } = {},
  ) {
    const { full = false, maxBytes = 1e6, allDatabases = true } = options;
    return this.exchange({ type: "pull", allDatabases, full, cursors, maxBytes });
  }
}

/** A commit without the ciphertexts of some entries; each keeps its header. */
export function withoutCiphertexts(
  commit: Commit,
  isErased: (index: number) => boolean = () => true,
): { readonly bytes: Uint8Array<ArrayBuffer> } {
  const entries = commit.entries.map((entry, index) => {
    const { ciphertext, ...rest } = entry;
    return isErased(index) || ciphertext === undefined ? rest : entry;
  });
  return { bytes: encodeCommit({ ...commit, entries }) };
}

/** The commits of an answer, with their hashes or bytes, by log. */
export function itemsOf(frames: readonly Frame[], dbId: DbId) {
  return frames.flatMap((frame) => (frame.type === "commits" && frame.dbId === dbId ? frame.items : []));
}

export async function failureOf(response: Response): Promise<CofferError> {
  const body: unknown = await response.json();
  const code = typeof body === "object" && body !== null && "code" in body ? body.code : undefined;
  return new CofferError(isErrorCode(code) ? code : "net/failed", { status: response.status });
}

/** Publish a tenant and sign a member in. */
export async function joinTenant(test: TestRelay, tenant: TestTenant, user: TestUser): Promise<TestClient> {
  await publish(test.relay, tenant);
  const client = new TestClient((request) => test.relay.fetch(request), tenant.tenantId, user);
  await client.signIn(test.serverKey);
  return client;
}

export async function publish(
  relay: Relay,
  tenant: TestTenant,
  body?: Uint8Array<ArrayBuffer>,
): Promise<Response> {
  return relay.fetch(publicationRequest(body ?? (await tenant.publication())));
}

export function publicationRequest(body: Uint8Array<ArrayBuffer>, url = origin): Request {
  return new Request(`${url}/v1/tenants`, {
    method: "POST",
    headers: { "Content-Type": "application/octet-stream" },
    body,
  });
}

/** A device key with a delegation of its user. */
export async function createDevice(
  user: TestUser,
  tenantId: TenantId,
  expiresAtMs: number,
): Promise<TestUser & { delegation: Uint8Array }> {
  const device = await createUser();
  const fields = { deviceKey: device.key, userKey: user.key, tenantId, scope: "sync", expiresAtMs } as const;
  const delegation = await signDelegation(crypto, user.signing.privateKey, fields);
  if (parseDelegation(delegation) === undefined) throw new Error("a delegation can be read");
  return { ...device, delegation };
}
