/**
 * A relay as plain as it can be, for tests: logs in arrays, everything recomputed at each request. It judges commits' hashes
 * only. Tests bend it through `faults`.
 */
import {
  bytesToBase64url,
  CofferError,
  idToBytes,
  parseBase64url,
  parseId,
  type CommitHash,
  type DbId,
  type TenantId,
} from "../std/index.ts";
import type { SigningKeyPair, Verifier } from "../crypto/index.ts";
import { parseCommit } from "../entry/index.ts";
import { authPreimage } from "./auth.ts";
import { decodeFrames, encodeFrames } from "./frames.ts";
import type { MemoryServer } from "./memory-transport.ts";
import { appendLeaves, digestHeads, emptyFrontier, rootOf, signHead, signTenantHead } from "./merkle.ts";
import type { Capabilities, Frame, PushResult } from "./messages.ts";
import type { LiveConnection, LiveListener } from "./transport.ts";

interface Row {
  readonly commitHash: CommitHash;
  readonly bytes: Uint8Array;
  readonly replica: string;
}
/** One database's log at the relay. */
export interface ModelLog {
  epoch: number;
  rows: Row[];
}

/** What a test may make the relay do. */
export interface Faults {
  /** change the frames of an answer before they are sent */
  bend?: (frames: Frame[]) => Frame[];
  /** decide about a pushed commit */
  judge?: (commitHash: CommitHash) => Pick<PushResult, "status" | "code"> | undefined;
  /** fail the next requests with these codes, in order */
  failures: CofferError[];
}

const runLength = 3;
const encodeKey = (bytes: Uint8Array): string => bytesToBase64url(bytes);

/** Create a relay for one tenant. */
export async function createModelRelay(
  crypto: Verifier,
  tenantId: TenantId,
  options: { readonly hasLive: boolean; readonly origin?: string },
): Promise<ModelRelay> {
  const relay = new ModelRelay(crypto, tenantId, await crypto.createSealedSigningPair(), options.origin);
  if (options.hasLive) relay.connect = (_tenantId, client) => relay.join(client);
  return relay;
}

/** The relay, its logs open for tests to read and bend. */
export class ModelRelay implements MemoryServer {
  readonly origin: string;
  readonly logs = new Map<DbId, ModelLog>();
  readonly faults: Faults = { failures: [] };
  /** how often each commit was newly stored */
  readonly storedCounts = new Map<CommitHash, number>();
  readonly counts = { exchanges: 0, authentications: 0, answerBytes: 0, pushedCommits: 0 };
  connect?: (tenantId: TenantId, client: LiveListener) => LiveConnection;
  readonly #crypto: Verifier;
  readonly #tenantId: TenantId;
  readonly #pair: SigningKeyPair;
  readonly #tokens = new Set<string>();
  readonly #listeners = new Map<LiveListener, string>();
  #nowMs = 1_000_000;

  constructor(crypto: Verifier, tenantId: TenantId, pair: SigningKeyPair, origin = "https://relay.example") {
    this.origin = origin;
    this.#crypto = crypto;
    this.#tenantId = tenantId;
    this.#pair = pair;
  }

  /** Append as another device would, and tell who listens. */
  async append(dbId: DbId, bytes: Uint8Array): Promise<void> {
    const before = this.#logOf(dbId).rows.length;
    this.#store(dbId, bytes, "another device");
    await this.#broadcast(dbId, before);
  }

  /** Forget all tokens. */
  expireTokens(): void {
    this.#tokens.clear();
  }

  /** Close all live connections. */
  hangUp(): void {
    for (const listener of this.#listeners.keys()) listener.onClose();
    this.#listeners.clear();
  }

  async capabilities(): Promise<Capabilities> {
    return {
      protocolVersion: 1,
      capabilities: {
        log: true,
        heads: true,
        ws: this.connect !== undefined,
        sse: false,
        reconcile: false,
        leaves: false,
      },
      limits: { frameBytes: 1, requestBytes: 1 },
      serverKey: encodeKey(this.#pair.publicKey),
    };
  }

  async publish(): Promise<void> {
    await Promise.resolve();
  }

  async postJson(path: string, body: unknown): Promise<unknown> {
    const fields = body as Readonly<Record<string, string>>;
    if (path === "/v1/auth/challenge") return { challenge: encodeKey(this.#crypto.randomBytes(48)) };
    this.counts.authentications++;
    const client = parseId("AuthorKey", fields["key"]);
    const read = (name: string): Uint8Array => parseBase64url(fields[name] ?? "") ?? new Uint8Array(0);
    if (client === undefined) throw new CofferError("access/denied");
    const claim = {
      origin: this.origin,
      serverKey: this.#pair.publicKey,
      tenantId: this.#tenantId,
      key: client,
      challenge: read("challenge"),
      clientNonce: read("clientNonce"),
    };
    const isSigned = await this.#crypto.verify(idToBytes(client), read("signature"), authPreimage(claim));
    if (!isSigned) throw new CofferError("access/denied");
    const token = encodeKey(this.#crypto.randomBytes(32));
    this.#tokens.add(token);
    return { token, expiresInMs: 600_000 };
  }

  async exchange({ token, body }: { token: Uint8Array; body: Uint8Array<ArrayBuffer> }): Promise<Uint8Array> {
    this.counts.exchanges++;
    const failure = this.faults.failures.shift();
    if (failure !== undefined) throw failure;
    if (!this.#tokens.has(encodeKey(token))) throw new CofferError("access/unauthenticated");
    const frames = decodeFrames(body);
    if (frames === undefined) throw new CofferError("protocol/malformed");
    const bytes = encodeFrames(await this.#answer(frames, ""));
    this.counts.answerBytes = bytes.length;
    return bytes;
  }

  /** Take a live connection. */
  join(client: LiveListener): LiveConnection {
    let replica = "";
    let work = Promise.resolve();
    return {
      send: (message) => {
        const frames = decodeFrames(message) ?? [];
        for (const frame of frames) if (frame.type === "hello") replica = encodeKey(frame.replicaId);
        this.#listeners.set(client, replica);
        work = work.then(async () => {
          const answers = await this.#answer(frames, replica);
          if (answers.length > 0 && this.#listeners.has(client)) client.onMessage(encodeFrames(answers));
        });
      },
      close: () => void this.#listeners.delete(client),
    };
  }

  async #answer(frames: readonly Frame[], replicaBefore: string): Promise<Frame[]> {
    let replica = replicaBefore;
    const answers: Frame[] = [];
    for (const frame of frames) {
      if (frame.type === "hello") replica = encodeKey(frame.replicaId);
      if (frame.type === "push") {
        const before = this.#logOf(frame.dbId).rows.length;
        const results = frame.commits.map((bytes) => this.#store(frame.dbId, bytes, replica));
        answers.push({ type: "ack", dbId: frame.dbId, results });
        await this.#broadcast(frame.dbId, before);
      }
      if (frame.type === "pull") answers.push(...(await this.#pull(frame, replica)));
    }
    return this.faults.bend?.(answers) ?? answers;
  }

  async #pull(frame: Extract<Frame, { type: "pull" }>, replica: string): Promise<Frame[]> {
    const frames: Frame[] = [];
    let sizeBytes = 0;
    const asked = new Map(frame.cursors.map((cursor) => [cursor.dbId, cursor]));
    const others = [...this.logs.keys()].filter((dbId) => frame.allDatabases && !asked.has(dbId));
    for (const dbId of [...asked.keys(), ...others]) {
      const { epoch, rows } = this.#logOf(dbId);
      const cursor = asked.get(dbId);
      const start = cursor?.epoch === epoch ? cursor.seq : 0;
      const isLost = cursor !== undefined && cursor.seq > 0 && rows.length === 0;
      if (start > rows.length || isLost) frames.push(await this.#headAt(dbId, rows.length));
      for (let seq = start; seq < rows.length; seq += runLength) {
        if (sizeBytes >= frame.maxBytes) return [...frames, { type: "end", more: true }];
        const some = rows.slice(seq, seq + runLength);
        frames.push(
          this.#commitsFrom(dbId, seq, some, frame.full ? undefined : replica),
          await this.#headAt(dbId, seq + some.length),
        );
        sizeBytes += some.reduce((sum, row) => sum + row.bytes.length, 0);
      }
    }
    return [...frames, await this.#tenantHead(), { type: "end", more: false }];
  }

  async #tenantHead(): Promise<Frame> {
    const heads = [...this.logs]
      .filter(([, log]) => log.rows.length > 0)
      .map(([dbId, { epoch, rows }]) => {
        const tree = appendLeaves(
          this.#crypto,
          emptyFrontier,
          rows.map((row) => row.commitHash),
        );
        return { dbId, epoch, size: rows.length, root: rootOf(this.#crypto, tree) };
      });
    const claim = {
      databaseCount: heads.length,
      digest: digestHeads(this.#crypto, heads),
      timeMs: (this.#nowMs += 1),
    };
    return {
      type: "tenant-head",
      ...(await signTenantHead(this.#crypto, this.#pair.privateKey, this.#tenantId, claim)),
    };
  }

  async #headAt(dbId: DbId, size: number): Promise<Frame> {
    const { epoch, rows } = this.#logOf(dbId);
    const tree = appendLeaves(
      this.#crypto,
      emptyFrontier,
      rows.slice(0, size).map((row) => row.commitHash),
    );
    const claim = { dbId, epoch, size, root: rootOf(this.#crypto, tree), timeMs: (this.#nowMs += 1) };
    return { type: "head", ...(await signHead(this.#crypto, this.#pair.privateKey, this.#tenantId, claim)) };
  }

  #commitsFrom(dbId: DbId, fromSeq: number, rows: readonly Row[], replica: string | undefined): Frame {
    const items = rows.map((row) =>
      row.replica === replica ? { leaf: row.commitHash } : { commit: row.bytes },
    );
    return { type: "commits", dbId, epoch: this.#logOf(dbId).epoch, fromSeq, items };
  }

  #logOf(dbId: DbId): ModelLog {
    const log = this.logs.get(dbId) ?? { epoch: 1000, rows: [] };
    this.logs.set(dbId, log);
    return log;
  }

  #store(dbId: DbId, bytes: Uint8Array, replica: string): PushResult {
    this.counts.pushedCommits += 1;
    const parsed = parseCommit(this.#crypto, bytes);
    if (parsed.kind !== "verified") throw new CofferError("protocol/malformed");
    const { commitHash } = parsed.commit;
    const verdict = this.faults.judge?.(commitHash);
    if (verdict !== undefined && verdict.status !== "accepted") return { commitHash, seq: 0, ...verdict };
    const { rows } = this.#logOf(dbId);
    const at = rows.findIndex((row) => row.commitHash === commitHash);
    if (at >= 0) return { commitHash, status: "accepted", seq: at, code: undefined };
    rows.push({ commitHash, bytes: bytes.slice(), replica });
    this.storedCounts.set(commitHash, (this.storedCounts.get(commitHash) ?? 0) + 1);
    return { commitHash, status: "accepted", seq: rows.length - 1, code: undefined };
  }

  async #broadcast(dbId: DbId, fromSeq: number): Promise<void> {
    const rows = this.#logOf(dbId).rows.slice(fromSeq);
    if (rows.length === 0) return;
    const head = await this.#headAt(dbId, fromSeq + rows.length);
    for (const [listener, replica] of this.#listeners) {
      listener.onMessage(encodeFrames([this.#commitsFrom(dbId, fromSeq, rows, replica), head]));
    }
  }
}
