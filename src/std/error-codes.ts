/**
 * Every code a `CofferError` can carry. Codes, never message texts, decide what happens next.
 *
 * | prefix | who acts | retry |
 * |---|---|---|
 * | `input/` | the caller mends the input | no |
 * | `access/` | the user or an admin | no |
 * | `key/` | the user | after importing a key |
 * | `doc/` | the caller | no |
 * | `entry/` | nobody: quarantined and shown | no |
 * | `store/` | the user or the application | once there is room |
 * | `net/` | the sync engine, by itself | yes, with backoff |
 * | `protocol/` | the application: update | no |
 * | `worker/`, `aborted` | the caller | yes |
 */
export const errorCodes = [
  "input/invalid",
  "input/schema",
  "input/too-large",
  "input/expired",
  "input/used",
  "input/weak-password",
  "input/unknown-id",
  "access/unauthenticated",
  "access/revoked",
  "access/not-admin",
  "access/denied",
  "access/locked",
  "key/missing",
  "key/wrong-password",
  "key/parameters",
  "doc/missing",
  "doc/deleted",
  "entry/forged",
  "entry/corrupt",
  "store/quota",
  "store/blocked",
  "store/closed",
  "store/failed",
  "net/offline",
  "net/timeout",
  "net/rate-limited",
  "net/failed",
  "directory/behind",
  "protocol/version",
  "protocol/malformed",
  "worker/restarted",
  "worker/failed",
  "aborted",
] as const;

/** One of the closed list of error codes. */
export type CofferErrorCode = (typeof errorCodes)[number];

/** Tell whether a value is one of the closed list of codes. */
export function isErrorCode(value: unknown): value is CofferErrorCode {
  return typeof value === "string" && (errorCodes as readonly string[]).includes(value);
}
