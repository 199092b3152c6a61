import type { SigningKeyPair } from "../../src/crypto/index.ts";
import {
  CofferError,
  concatBytes,
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
import { forwardReplica } from "./forward-auth.ts";
import { bytesOf, createForwardSession } from "./forward-session.ts";

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

/** of an answer about so many chunks */
const chunkAnswerBytes = (count: number): number => 1 + count * 65;

/** Talk to a server that takes what this one forwards. */
export function createForwardLink(options: ForwardLinkOptions): ForwardLink {
  const aborting = new AbortController();
  const { signal } = aborting;
  const { forget, serverKey, signedIn } = createForwardSession(options, signal);
  const way = { ...options, serverKey, signal };
  return {
    url: options.http.origin,
    serverKey,
    push: (tenantId, pushes) =>
      signedIn(tenantId, async (token) => {
        const { farEpoch, rest } = await ask(way, { tenantId, token }, pushes);
        return { farEpoch, results: readResults(rest, pushes) };
      }),
    compare: (tenantId, asked) =>
      signedIn(tenantId, async (token) => {
        const { farEpoch, rest } = await ask(way, { tenantId, token }, [{ type: "ranges", ...asked }]);
        return { farEpoch, ...readCompared(rest, asked.dbId) };
      }),
    askChunks: (tenantId, asked) => signedIn(tenantId, (token) => askChunks(way, { tenantId, token }, asked)),
    putChunk: (tenantId, chunk) => signedIn(tenantId, (token) => putChunk(way, { tenantId, token }, chunk)),
    forget,
    abort: () => aborting.abort(),
  };
}

interface Way extends ForwardLinkOptions {
  readonly serverKey: () => Promise<Uint8Array>;
  readonly signal: AbortSignal;
}

interface SignedIn {
  readonly tenantId: TenantId;
  readonly token: Uint8Array;
}

/** What is said after HEAD, which the server signed. */
async function ask(
  { crypto, http, serverKey, signal, signing }: Way,
  { tenantId, token }: SignedIn,
  said: readonly Frame[],
): Promise<{ readonly farEpoch: number; readonly rest: readonly Frame[] }> {
  const replicaId = forwardReplica(crypto, signing.publicKey);
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
  { crypto, http, serverKey, signal }: Way,
  { tenantId, token }: SignedIn,
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
  { crypto, http, serverKey, signal }: Way,
  { tenantId, token }: SignedIn,
  { body, hash, query }: BroughtChunk,
): Promise<void> {
  if (http.chunks === undefined) throw new CofferError("net/offline", { what: "chunks" });
  const said = await http.chunks.put({ tenantId, token, hash, query, body, signal });
  const claim = { tenantId, hash, sizeBytes: body.length };
  if (!(await verifyChunk(crypto, await serverKey(), claim, bytesOf(said, "receipt"))))
    throw new CofferError("access/denied", { reason: "server key" });
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
