/**
 * A relay as plain as it can be, for tests: logs in arrays, everything recomputed at each request. It judges commits' hashes
 * only. Tests bend it through `faults`.
 */
import { bytesToBase64url, CofferError, idToBytes, parseBase64url, parseId, type CommitHash, type DbId, type TenantId } from "../std/index.ts";
import type { Key, Verifier } from "../crypto/index.ts";
import { parseCommit } from "../entry/index.ts";
import { authPreimage } from "./auth.ts";
import { decodeFrames, encodeFrames } from "./frames.ts";
import type { MemoryServer } from "./memory-transport.ts";
import { appendLeaves, digestHeads, emptyFrontier, rootOf, signHead, signTenantHead } from "./merkle.ts";
import type { Frame, PushResult } from "./messages.ts";
import type { LiveListener } from "./transport.ts";

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

/** The relay, its logs open for tests to read and bend. */
export interface ModelRelay extends MemoryServer {
  readonly logs: Map<DbId, ModelLog>;
  readonly faults: Faults;
  /** how often each commit was newly stored */
  readonly storedCounts: Map<CommitHash, number>;
  readonly counts: { exchanges: number; authentications: number; answerBytes: number };
  nowMs: number;
  /** Append as another device would, and tell who listens. */
  append(dbId: DbId, bytes: Uint8Array): Promise<void>;
  /** Forget all tokens. */
  expireTokens(): void;
  /** Close all live connections. */
  hangUp(): void;
}

const runLength = 3;

/** Create a relay for one tenant. */
export async function createModelRelay(crypto: Verifier, tenantId: TenantId, options: { hasLive: boolean }): Promise<ModelRelay> {
  const serverPair = await crypto.createSealedSigningPair();
  const key: Key = serverPair.privateKey;
  const logs = new Map<DbId, ModelLog>();
  const tokens = new Set<string>();
  const storedCounts = new Map<CommitHash, number>();
  const faults: Faults = { failures: [] };
  const counts = { exchanges: 0, authentications: 0, answerBytes: 0 };
  const listeners = new Map<LiveListener, string>();
  const origin = "https://relay.example";

  const headAt = async (dbId: DbId, size: number): Promise<Frame> => {
    const log = logOf(dbId);
    const tree = appendLeaves(crypto, emptyFrontier, log.rows.slice(0, size).map((row) => row.commitHash));
    const claim = { dbId, epoch: log.epoch, size, root: rootOf(crypto, tree), timeMs: (relay.nowMs += 1) };
    return { type: "head", ...(await signHead(crypto, key, tenantId, claim)) };
  };
  const logOf = (dbId: DbId): ModelLog => {
    const log = logs.get(dbId) ?? { epoch: 1000, rows: [] };
    logs.set(dbId, log);
    return log;
  };
  const commitsFrom = (dbId: DbId, fromSeq: number, rows: readonly Row[], replica: string | undefined): Frame => ({
    type: "commits",
    dbId,
    epoch: logOf(dbId).epoch,
    fromSeq,
    items: rows.map((row) => (row.replica === replica ? { leaf: row.commitHash } : { commit: row.bytes })),
  });
  const store = (dbId: DbId, bytes: Uint8Array, replica: string): { result: PushResult; isNew: boolean } => {
    const parsed = parseCommit(crypto, bytes);
    if (parsed.kind !== "verified") throw new CofferError("protocol/malformed");
    const { commitHash } = parsed.commit;
    const verdict = faults.judge?.(commitHash);
    if (verdict !== undefined && verdict.status !== "accepted") {
      return { result: { commitHash, seq: 0, ...verdict }, isNew: false };
    }
    const { rows } = logOf(dbId);
    const at = rows.findIndex((row) => row.commitHash === commitHash);
    if (at < 0) {
      rows.push({ commitHash, bytes: bytes.slice(), replica });
      storedCounts.set(commitHash, (storedCounts.get(commitHash) ?? 0) + 1);
    }
    return { result: { commitHash, status: "accepted", seq: at < 0 ? rows.length - 1 : at, code: undefined }, isNew: at < 0 };
  };
  const broadcast = async (dbId: DbId, fromSeq: number): Promise<void> => {
    const rows = logOf(dbId).rows.slice(fromSeq);
    if (rows.length === 0) return;
    const head = await headAt(dbId, fromSeq + rows.length);
    for (const [listener, replica] of listeners) listener.onMessage(encodeFrames([commitsFrom(dbId, fromSeq, rows, replica), head]));
  };
  const pull = async (frame: Extract<Frame, { type: "pull" }>, replica: string): Promise<Frame[]> => {
    const frames: Frame[] = [];
    let sizeBytes = 0;
    const asked = new Map(frame.cursors.map((cursor) => [cursor.dbId, cursor]));
    const dbIds = [...asked.keys(), ...(frame.allDatabases ? [...logs.keys()].filter((dbId) => !asked.has(dbId)) : [])];
    for (const dbId of dbIds) {
      const { epoch, rows } = logOf(dbId);
      const cursor = asked.get(dbId);
      const start = cursor?.epoch === epoch ? cursor.seq : 0;
      if (start > rows.length) frames.push(await headAt(dbId, rows.length));
      for (let seq = start; seq < rows.length; seq += runLength) {
        if (sizeBytes >= frame.maxBytes) return [...frames, { type: "end", more: true }];
        const some = rows.slice(seq, seq + runLength);
        frames.push(commitsFrom(dbId, seq, some, frame.full ? undefined : replica), await headAt(dbId, seq + some.length));
        sizeBytes += some.reduce((sum, row) => sum + row.bytes.length, 0);
      }
    }
    const heads = [...logs].filter(([, log]) => log.rows.length > 0).map(([dbId, { epoch, rows }]) => {
      const tree = appendLeaves(crypto, emptyFrontier, rows.map((row) => row.commitHash));
      return { dbId, epoch, size: rows.length, root: rootOf(crypto, tree) };
    });
    const claim = { databaseCount: heads.length, digest: digestHeads(crypto, heads), timeMs: (relay.nowMs += 1) };
    return [...frames, { type: "tenant-head", ...(await signTenantHead(crypto, key, tenantId, claim)) }, { type: "end", more: false }];
  };
  const answer = async (frames: readonly Frame[], replicaBefore: string): Promise<Frame[]> => {
    let replica = replicaBefore;
    const answers: Frame[] = [];
    for (const frame of frames) {
      if (frame.type === "hello") replica = bytesToBase64url(frame.replicaId);
      if (frame.type === "push") {
        const before = logOf(frame.dbId).rows.length;
        answers.push({ type: "ack", dbId: frame.dbId, results: frame.commits.map((bytes) => store(frame.dbId, bytes, replica).result) });
        await broadcast(frame.dbId, before);
      }
      if (frame.type === "pull") answers.push(...(await pull(frame, replica)));
    }
    return faults.bend?.(answers) ?? answers;
  };

  const relay: ModelRelay = {
    origin,
    logs,
    faults,
    storedCounts,
    counts,
    nowMs: 1_000_000,
    async append(dbId, bytes) {
      const before = logOf(dbId).rows.length;
      store(dbId, bytes, "another device");
      await broadcast(dbId, before);
    },
    expireTokens: () => tokens.clear(),
    hangUp() {
      for (const listener of [...listeners.keys()]) listener.onClose();
      listeners.clear();
    },
    capabilities: async () => ({
      protocolVersion: 1,
      capabilities: { log: true, heads: true, ws: options.hasLive },
      limits: { frameBytes: 1, requestBytes: 1 },
      serverKey: bytesToBase64url(serverPair.publicKey),
    }),
    async postJson(path, body) {
      const fields = body as Readonly<Record<string, string>>;
      if (path === "/v1/auth/challenge") return { challenge: bytesToBase64url(crypto.randomBytes(48)) };
      counts.authentications++;
      const client = parseId("AuthorKey", fields["key"]);
      const read = (name: string): Uint8Array => parseBase64url(fields[name] ?? "") ?? new Uint8Array(0);
      if (client === undefined) throw new CofferError("access/denied");
      const claim = { origin, serverKey: serverPair.publicKey, tenantId, key: client, challenge: read("challenge"), clientNonce: read("clientNonce") };
      if (!(await crypto.verify(idToBytes(client), read("signature"), authPreimage(claim)))) throw new CofferError("access/denied");
      const token = bytesToBase64url(crypto.randomBytes(32));
      tokens.add(token);
      return { token, expiresInMs: 600_000 };
    },
    publish: async () => undefined,
    async exchange({ token, body }) {
      counts.exchanges++;
      const failure = faults.failures.shift();
      if (failure !== undefined) throw failure;
      if (!tokens.has(bytesToBase64url(token))) throw new CofferError("access/unauthenticated");
      const frames = decodeFrames(body);
      if (frames === undefined) throw new CofferError("protocol/malformed");
      const bytes = encodeFrames(await answer(frames, ""));
      counts.answerBytes = bytes.length;
      return bytes;
    },
    ...(options.hasLive
      ? {
          connect(_tenantId: TenantId, client: LiveListener) {
            let replica = "";
            let work = Promise.resolve();
            return {
              send(message: Uint8Array) {
                const frames = decodeFrames(message) ?? [];
                for (const frame of frames) if (frame.type === "hello") replica = bytesToBase64url(frame.replicaId);
                listeners.set(client, replica);
                work = work.then(async () => {
                  const answers = await answer(frames, replica);
                  if (answers.length > 0 && listeners.has(client)) client.onMessage(encodeFrames(answers));
                });
              },
              close: () => void listeners.delete(client),
            };
          },
        }
      : {}),
  };
  return relay;
}
