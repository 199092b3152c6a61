/**
 * std: what every room stands on. Bytes, base64url, the canonical encoding, opaque ids, assertions, errors and `Env`.
 *
 * Guarantees
 * - imports nothing; every other room may import it
 * - reading untrusted bytes or text never throws
 * - `env.ts` is the only place that touches clock, chance, timers, locks and channels
 *
 * It holds no policy: formats and limits live with the rooms that own them.
 */
export { assert, AssertionError, unreachable } from "./assert.ts";
export { bytesToBase64url, parseBase64url } from "./base64url.ts";
export {
  bytesToHex,
  bytesToUtf8,
  compareBytes,
  concatBytes,
  copyBytes,
  equalBytes,
  equalBytesConstantTime,
  isUtf8,
  parseHex,
  utf8ToBytes,
} from "./bytes.ts";
export { ByteReader, ByteWriter } from "./codec.ts";
export {
  createPageEnv,
  createSystemEnv,
  type Channel,
  type Env,
  type LockOptions,
  type PageEnv,
  type Release,
} from "./env.ts";
export { errorCodes, isErrorCode, type CofferErrorCode } from "./error-codes.ts";
export { exactSum, ExactSum } from "./exact-sum.ts";
export { installErrorMessages } from "./error-messages.ts";
export { CofferError, isCofferError, toCofferError, type ErrorDetails, type ErrorIssue } from "./error.ts";
export {
  bytesToId,
  idSizes,
  idToBytes,
  parseId,
  readId,
  type AuthorKey,
  type CommitHash,
  type DbId,
  type DocId,
  type EntryHash,
  type EntryId,
  type GroupId,
  type KeyId,
  type TenantId,
} from "./ids.ts";
export {
  createArrival,
  createPeerChannels,
  maxWaitingBytes,
  openPortChannel,
  type PeerChannel,
} from "./peer-channel.ts";
export { openDataChannel, type DataChannelLike } from "./data-channel.ts";
export { deserializeThrown, installErrorReader, installErrorTransfer, serializeThrown } from "./wire.ts";
