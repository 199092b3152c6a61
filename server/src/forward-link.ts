import type { SigningKeyPair } from "../../src/crypto/index.ts";
import {
  bytesToBase64url,
  bytesToId,
  CofferError,
  concatBytes,
  isCofferError,
  parseBase64url,
  type CommitHash,
  type DbId,
  type Env,
  type TenantId,
} from "../../src/std/index.ts";
import {
  decodeFrames,
  encodeFrames,
  protocolVersion,
  verifyHead,
  type Frame,
  encodeChunkQuestion,
  parseChunkAnswer,
  verifyChunk,
  type AskedChunk,
  type HttpTransport,
  type PushResult,
} from "../../src/sync/index.ts";
import type { RelayCrypto } from "./directories.ts";
import { forwardPreimage, forwardReplica } from "./forward-auth.ts";

/** Commits of one log on their way to another server. */
export type PushFrame = Extract<Frame, { type: "push" }>;

/** Ranges of the set of a log's commits. */
export type AskedRanges = Pick<Extract<Frame, { type: "ranges" }>, "dbId" | "ranges" | "salt">;

/** What another server said to ranges. */
export interface CompareAnswer {
  /** of the tenant's directory there */
  readonly farEpoch: number;
  readonly ranges: AskedRanges["ranges"];
  /** commits that it has without some ciphertexts */
  readonly incomplete: readonly CommitHash[];
}

/** What another server said to what was forwarded. */
export interface ForwardAnswer {
  /** of the tenant's directory there */
  readonly farEpoch: number;
  /** for each PUSH, one for each of its commits, in order */
  readonly results: readonly (readonly PushResult[])[];
}

/** A chunk that is asked for, and its size. */
export interface SizedChunk extends AskedChunk {
  readonly sizeBytes: number;
}

/** A chunk on its way, and the query that says which entry names it. */
export interface BroughtChunk {
  /** 32 bytes */
  readonly hash: Uint8Array;
  readonly query: string;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** The way to one other server. */
export interface ForwardLink {
  readonly url: string;
  /** 32 bytes, as that server names itself now; asked again after {@link forget} */
  serverKey(): Promise<Uint8Array>;
  /** Hand over commits; without any, ask for the epoch alone. @throws `net/…`, `access/…`, `protocol/…`, `input/unknown-id` */
  push(tenantId: TenantId, pushes: readonly PushFrame[]): Promise<ForwardAnswer>;
  /** Compare a log: see `forward-compare.ts`. @throws as {@link push}; `protocol/malformed` where that server does not know the question */
  compare(tenantId: TenantId, asked: AskedRanges): Promise<CompareAnswer>;
  /** For each of at most 256 chunks, whether that server gave a receipt for it that verifies. @throws as {@link push} */
  askChunks(tenantId: TenantId, asked: readonly SizedChunk[]): Promise<readonly boolean[]>;
  /** Bring a chunk, and have a receipt for it. @throws as {@link push}, and what the server says of a chunk */
  putChunk(tenantId: TenantId, chunk: BroughtChunk): Promise<void>;
  /** That server may be another one the next time. */
  forget(): void;
  /** Break off what is under way. */
  abort(): void;
}

export interface ForwardLinkOptions {
  readonly crypto: RelayCrypto;
  readonly env: Pick<Env, "nowMs">;
  readonly http: HttpTransport;
  /** of this server: it signs that it may forward */
  readonly signing: SigningKeyPair;
}

interface Token {
  readonly bytes: Uint8Array;
  readonly goodUntilMs: number;
}

const maxTokens = 10_000;
/** of an answer about so many chunks */
const chunkAnswerBytes = (count: number): number => 1 + count * 65;
/** A token is not used in its last minute. */
const marginMs = 60_000;

/** Talk to a server that takes what this one forwards. */
export function createForwardLink(options: ForwardLinkOptions): ForwardLink {
  const { crypto, env, http, signing } = options;
  const tokens = new Map<TenantId, Token>();
  const aborting = new AbortController();
  const { signal } = aborting;
  const replicaId = forwardReplica(crypto, signing.publicKey);
  let farKey: Uint8Array | undefined;

  async function serverKey(): Promise<Uint8Array> {
    if (farKey !== undefined) return farKey;
    const { protocolVersion: theirs, serverKey: text } = await http.readCapabilities(signal);
    if (theirs !== protocolVersion) throw new CofferError("protocol/version");
    const bytes = parseBase64url(text);
    if (bytes?.length !== 32) throw new CofferError("protocol/malformed", { field: "serverKey" });
    return (farKey = bytes);
  }

  async function tokenOf(tenantId: TenantId): Promise<Uint8Array> {
    const known = tokens.get(tenantId);
    if (known !== undefined && known.goodUntilMs > env.nowMs()) return known.bytes;
    tokens.delete(tenantId);
    const { expiresInMs, token } = await signIn(options, { tenantId, serverKey: await serverKey(), signal });
    tokens.set(tenantId, { bytes: token, goodUntilMs: env.nowMs() + expiresInMs - marginMs });
    const [oldest] = tokens.keys();
    if (tokens.size > maxTokens && oldest !== undefined) tokens.delete(oldest);
    return token;
  }

  /** Ask with a token, and with another one where a server that began anew does not know it. */
  async function signedIn<T>(tenantId: TenantId, ask: (token: Uint8Array) => Promise<T>): Promise<T> {
    const hadToken = tokens.has(tenantId);
    try {
      return await ask(await tokenOf(tenantId));
    } catch (cause) {
      const code = isCofferError(cause) ? cause.code : undefined;
      // What is said of one chunk says nothing of the token, and neither does a full store.
      if (code === undefined || !isAboutChunk(code)) tokens.delete(tenantId);
      if (!hadToken || code !== "access/unauthenticated") throw cause;
      farKey = undefined;
      return ask(await tokenOf(tenantId));
    }
  }

  /** What is said after HEAD, which the server signed. */
  async function ask(
    tenantId: TenantId,
    token: Uint8Array,
    said: readonly Frame[],
  ): Promise<{ readonly farEpoch: number; readonly rest: readonly Frame[] }> {
    const body = encodeFrames([{ type: "hello", version: protocolVersion, replicaId }, ...said]);
    const chunks: Uint8Array[] = [];
    const onChunk = (chunk: Uint8Array): void => void chunks.push(chunk);
    await http.exchange({ tenantId, token, body, onChunk, endpoint: "forward", signal });
    const [head, ...rest] = decodeFrames(concatBytes(...chunks)) ?? [];
    if (head?.type !== "head") throw malformed();
    if (!(await verifyHead(crypto, await serverKey(), tenantId, head)))
      throw new CofferError("access/denied", { reason: "server key" });
    return { farEpoch: head.epoch, rest };
  }

  async function askChunks(
    tenantId: TenantId,
    token: Uint8Array,
    asked: readonly SizedChunk[],
  ): Promise<readonly boolean[]> {
    const taken: Uint8Array[] = [];
    let roomBytes = chunkAnswerBytes(asked.length);
    const onChunk = (chunk: Uint8Array): void => {
      roomBytes -= chunk.length;
      if (roomBytes < 0) throw malformed();
      taken.push(chunk.slice());
    };
    const body = encodeChunkQuestion(asked);
    await http.exchange({ tenantId, token, body, onChunk, endpoint: "blobs", signal });
    const receipts = parseChunkAnswer(concatBytes(...taken), asked.length);
    if (receipts === undefined) throw malformed();
    const key = await serverKey();
    return Promise.all(
      asked.map(async ({ hash, sizeBytes }, at) => {
        const receipt = receipts[at];
        return (
          receipt !== undefined && (await verifyChunk(crypto, key, { tenantId, hash, sizeBytes }, receipt))
        );
      }),
    );
  }

  async function putChunk(
    tenantId: TenantId,
    token: Uint8Array,
    { body, hash, query }: BroughtChunk,
  ): Promise<void> {
    if (http.chunks === undefined) throw new CofferError("net/offline", { what: "chunks" });
    const said = await http.chunks.put({ tenantId, token, hash, query, body, signal });
    const claim = { tenantId, hash, sizeBytes: body.length };
    if (!(await verifyChunk(crypto, await serverKey(), claim, bytesOf(said, "receipt"))))
      throw new CofferError("access/denied", { reason: "server key" });
  }

  return {
    url: http.origin,
    serverKey,
    push: (tenantId, pushes) =>
      signedIn(tenantId, async (token) => {
        const { farEpoch, rest } = await ask(tenantId, token, pushes);
        return { farEpoch, results: readResults(rest, pushes) };
      }),
    compare: (tenantId, asked) =>
      signedIn(tenantId, async (token) => {
        const { farEpoch, rest } = await ask(tenantId, token, [{ type: "ranges", ...asked }]);
        return { farEpoch, ...readCompared(rest, asked.dbId) };
      }),
    askChunks: (tenantId, asked) => signedIn(tenantId, (token) => askChunks(tenantId, token, asked)),
    putChunk: (tenantId, chunk) => signedIn(tenantId, (token) => putChunk(tenantId, token, chunk)),
    forget() {
      farKey = undefined;
      tokens.clear();
    },
    abort: () => aborting.abort(),
  };
}

function isAboutChunk(code: string): boolean {
  return code === "directory/behind" || code === "net/rate-limited" || /^(doc|entry|store)\//.test(code);
}

/** Answer a challenge with this server's key. */
async function signIn(
  { crypto, http, signing }: ForwardLinkOptions,
  target: {
    readonly tenantId: TenantId;
    readonly serverKey: Uint8Array;
    readonly signal: AbortSignal;
  },
): Promise<{ readonly token: Uint8Array; readonly expiresInMs: number }> {
  const { serverKey, signal, tenantId } = target;
  const key = bytesToId("AuthorKey", signing.publicKey);
  const asked = await http.postJson("/v1/auth/challenge", { tenant: tenantId, key }, signal);
  const challenge = bytesOf(asked, "challenge");
  const clientNonce = crypto.randomBytes(16);
  const claim = { origin: http.origin, serverKey, tenantId, key, challenge, clientNonce };
  const signature = await crypto.sign(signing.privateKey, forwardPreimage(claim));
  const answer = {
    tenant: tenantId,
    key,
    challenge: bytesToBase64url(challenge),
    clientNonce: bytesToBase64url(clientNonce),
    signature: bytesToBase64url(signature),
  };
  const said = await http.postJson("/v1/auth/forward", answer, signal);
  const expiresInMs = fieldOf(said, "expiresInMs");
  if (typeof expiresInMs !== "number" || !(expiresInMs >= 0))
    throw new CofferError("protocol/malformed", { field: "expiresInMs" });
  return { token: bytesOf(said, "token"), expiresInMs };
}

function fieldOf(value: unknown, field: string): unknown {
  return typeof value === "object" && value !== null
    ? (value as Readonly<Record<string, unknown>>)[field]
    : undefined;
}

/** Short bytes of an answer. */
function bytesOf(value: unknown, field: string): Uint8Array {
  const text = fieldOf(value, field);
  const bytes = typeof text === "string" && text.length <= 1024 ? parseBase64url(text) : undefined;
  if (bytes === undefined) throw new CofferError("protocol/malformed", { field });
  return bytes;
}

/** Read what was said of commits, strictly: whatever is not said of a commit is not said. */
function readResults(
  frames: readonly Frame[],
  pushes: readonly PushFrame[],
): readonly (readonly PushResult[])[] {
  const [end, ...acks] = frames.toReversed();
  if (end?.type !== "end" || acks.length !== pushes.length) throw malformed();
  return acks.toReversed().map((ack, index) => {
    const push = pushes[index];
    const isOurs =
      ack.type === "ack" && ack.dbId === push?.dbId && ack.results.length === push.commits.length;
    if (!isOurs) throw malformed();
    return ack.results;
  });
}

function readCompared(
  [said, ...rest]: readonly Frame[],
  dbId: DbId,
): Pick<CompareAnswer, "incomplete" | "ranges"> {
  const [end, need, ...more] = rest.toReversed();
  const isRead =
    said?.type === "ranges" &&
    said.dbId === dbId &&
    end?.type === "end" &&
    (need === undefined || (need.type === "need" && need.dbId === dbId)) &&
    more.length === 0;
  if (!isRead) throw malformed();
  return { ranges: said.ranges, incomplete: need === undefined ? [] : need.commits };
}

function malformed(): CofferError {
  return new CofferError("protocol/malformed", { reason: "forward" });
}
