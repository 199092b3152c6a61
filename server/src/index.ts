/**
 * cofferdb-server: the zero-knowledge relay, as a library.
 *
 * Guarantees
 * - Z1 what it stores is sealed; the only key it holds is that of the access-control records, to judge who may write
 * - Z2 an acknowledged commit is on disk, once, at the place the acknowledgement names
 * - Z3 a commit is stored only when its signature, its author's right and its place in the directory held at that moment
 * - Z4 every position of every log is proven by a head that the server's key signed
 * - Z5 whatever the bytes, a request gets an answer, in bounded memory
 *
 * It never sees document content, never decides what documents are, and never has to be trusted for order or completeness.
 */
export {
  createRelay,
  type Relay,
  type RelayCluster,
  type RelayLimits,
  type RelayOptions,
} from "./handler.ts";
export type { LiveConnection, LiveSession } from "./live.ts";
export { createJsonLogger, silentLogger, type LogFields, type Logger } from "./logger.ts";
export { createMemoryStorage, type MemoryStorageOptions } from "./memory-storage.ts";
export { startServer, type RunningServer, type ServerOptions } from "./node.ts";
export type { Rate } from "./rate-limit.ts";
export { openPostgresStorage, type PostgresOptions, type PostgresStorage } from "./postgres-storage.ts";
export { openSqliteStorage, type SqliteStorageOptions } from "./sqlite-storage.ts";
export type * from "./storage.ts";
