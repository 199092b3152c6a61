/**
 * directory: who belongs to a tenant, folded from admin-signed records.
 *
 * Guarantees
 * - only commits of the genesis admin key, in one line, are folded; a second successor is reported as a fork
 * - the fold and the judgement are pure: page, worker, server and simulator reach the same verdicts from the same commits
 * - a revocation is a causal cut: what it does not cover is rejected on every replica, in whatever order things arrive
 * - reading a record never throws, whatever the bytes
 *
 * It never reads a store, never decrypts and holds no key: commits come verified, records come opened.
 */
export { createAuthorGraph } from "./author-graph.ts";
export type {
  AuthorGraph,
  AuthorVerdict,
  DirectoryRecord,
  DirectoryState,
  DirectoryUser,
  FoldVerdict,
} from "./directory.ts";
export { createDirectory, foldCommit } from "./fold.ts";
export { isMember, judgeAuthor } from "./judge.ts";
export { encodeRecord, parseRecord, recordLimits } from "./records.ts";
export { hashUserName } from "./user-name.ts";
