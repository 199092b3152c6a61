/**
 * sync: moves sealed commits between the device log and a server: frames, proofs, engine, runner, transports.
 *
 * Guarantees
 * - Y1 commits and the cursor that vouches for them are stored in one transaction, and only when a signed head proves them; what came
 *   by repair is stored before, and the cursor passes it when its place is proven
 * - Y2 a log that shrinks, forks or loses what it acknowledged is an alarm, with the evidence, and is not stored
 * - Y3 a commit of this device leaves the outbox only when the server acknowledged it, refused it for good, or proved to have it
 * - Y4 untrusted bytes give a verdict: never a throw, never memory without bound, never an endless conversation
 * - Y5 the engine decides without clock, chance or I/O; the same events give the same effects
 *
 * Two devices need no server: {@link linkPeer} keeps their stores alike over any channel for bytes, by reconciling sets. Nor do they need
 * a channel: {@link writeBundle} writes a file of what the other lacks.
 *
 * Where a device and a server share no proof (a second server, a lost cursor, a restored copy, a new epoch), the log comes as leaves:
 * what both have does not move, and what is missing here is found by reconciling sets, see {@link repairDatabase}.
 *
 * It holds no content key, opens no entry and judges no rights: what it stores is unjudged.
 */
export {
  protocolVersion,
  syncLimits,
  type Capabilities,
  type Delegation,
  type Frame,
  type LogCursor,
  type PushResult,
  type RemoteState,
  type SignedHead,
  type SignedTenantHead,
} from "./messages.ts";
export {
  createFrameReader,
  decodeFrames,
  encodeFrame,
  encodeFrames,
  type FrameReader,
  type FrameVerdict,
} from "./frames.ts";
export {
  appendLeaves,
  checkHead,
  digestHeads,
  emptyFrontier,
  hashLeaf,
  hashNode,
  headPreimage,
  rootOf,
  signHead,
  signTenantHead,
  tenantHeadPreimage,
  verifyHead,
  verifyTenantHead,
  type Frontier,
  type HeadClaim,
  type HeadVerdict,
  type TenantHeadClaim,
} from "./merkle.ts";
export {
  addChunks,
  chooseEvictions,
  factsOf,
  noChunks,
  type ChunkSums,
  type PartFacts,
} from "./chunk-eviction.ts";
export { readKeptHeads, readLeaves, type KeptHeads, type LeavesOptions } from "./kept-heads.ts";
export { SeenClaims, type BrokenClaim, type SeenClaim, type UndecidedLog } from "./seen-claims.ts";
export { shareChunkNews } from "./chunk-news.ts";
export { ChunkStore, chunkStoreName, freeChunks, keepRestored, touchPart } from "./chunk-store.ts";
export {
  isUnjudged,
  chunkLimits,
  encodeStoredPart,
  isReceived,
  parseStoredPart,
  type KnownChunk,
  type StoredPart,
} from "./stored-part.ts";
export { ChunkLink, waitingOf, type ChunkLinkOptions, type ChunkRound } from "./chunk-link.ts";
export {
  chunkQuestionLimits,
  createChunkQuestion,
  encodeChunkAnswer,
  encodeChunkQuestion,
  parseChunkAnswer,
  parseChunkQuestion,
  type AskedChunk,
} from "./chunk-question.ts";
export { chunkPreimage, signChunk, verifyChunk, type ChunkClaim } from "./chunk-receipt.ts";
export {
  delegationBytes,
  encodeDelegation,
  parseDelegation,
  signDelegation,
  verifyDelegation,
  type DelegationVerdict,
} from "./delegation.ts";
export {
  parsePublication,
  signPublication,
  verifyPublication,
  type Publication,
  type SignedPublication,
} from "./publication.ts";
export { reconcileLimits, type Range } from "./reconcile-format.ts";
export { endBound, ReconcileSet, type Bound, type ReconcileItem } from "./reconcile-set.ts";
export { answerReconcile, beginReconcile, type ReconcileAnswer } from "./reconcile.ts";
export { repairDatabase, type RepairOptions, type RepairReport } from "./repair.ts";
export { peerLimits } from "./peer-limits.ts";
export { partOf, type Standing, type StandingOf } from "./held-chunks.ts";
export { createDeviceSets, type DeviceSets } from "./device-sets.ts";
export {
  bundleLimits,
  BundleReading,
  measureFiles,
  writeBundle,
  writeSummary,
  type BundlePlace,
  type BundleReport,
} from "./bundle.ts";
export { answerEntries, EntryIndex, mayHaveEntry, type EntryLog } from "./entry-answers.ts";
export {
  decodeQuestion,
  encodeAnswer,
  encodeQuestion,
  entryCallLimits,
  type EntryQuestion,
} from "./entry-calls.ts";
export { createEntryReader } from "./entry-store.ts";
export type {
  BloomSummary,
  CompactionStatus,
  EntryPage,
  EntryReader,
  EntryStore,
  LogReader,
  PutReport,
  ResolveOptions,
  StoreEntry,
  StoreEntryMetadata,
} from "./store-types.ts";
export { createDeviceEntries } from "./device-entries.ts";
export { createServerEntries } from "./server-entries.ts";
export { readServerKey } from "./remote-slots.ts";
export { linkPeer, type PeerLink, type PeerOptions, type PeerStatus } from "./peer-link.ts";
export { authenticate, authPreimage, type AuthClaim, type SessionToken, type Signer } from "./auth.ts";
export type {
  ChunkRequest,
  ChunkTransport,
  ExchangeRequest,
  HttpTransport,
  LiveConnection,
  LiveListener,
  LiveTransport,
  Transport,
} from "./transport.ts";
export type { DatabaseState, SyncAlarm, SyncStatus } from "./engine-types.ts";
export type { LinkProgress, Whisper } from "./conversation-types.ts";
export { runOnce, startRunner, type OnceSummary, type Runner, type RunnerOptions } from "./runner.ts";
export {
  createHttpTransport,
  parseCapabilities,
  parseServerUrl,
  type HttpOptions,
} from "./http-transport.ts";
export { readPushKey, tellPushEndpoint } from "./push-endpoint.ts";
export { createWebSocketTransport } from "./websocket-transport.ts";
export { createStreamTransport } from "./stream-transport.ts";
export { createTransport } from "./open-transport.ts";
export { createMemoryTransport, type MemoryServer, type Weather } from "./memory-transport.ts";
export {
  linkSlots,
  parseTenantStoreName,
  readDeviceSigner,
  readLinks,
  tenantStoreName,
  writeLinks,
} from "./link-slots.ts";
