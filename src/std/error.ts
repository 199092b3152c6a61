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

/** Plain data that travels with an error: never a secret, never document content. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | undefined>>;

/**
 * A call that could not be done. The only kind of error that leaves the public API.
 *
 * `message` says what happened and what to do next; `code` is what programs read.
 */
export class CofferError extends Error {
  override readonly name = "CofferError";
  readonly code: CofferErrorCode;
  readonly details: ErrorDetails;

  constructor(code: CofferErrorCode, details: ErrorDetails & { message?: string } = {}, options?: ErrorOptions) {
    const { message, ...rest } = details;
    super(message ?? defaultMessages[code], options);
    this.code = code;
    this.details = rest;
  }
}

/** Tell whether a value is a `CofferError`, also one that crossed a thread or a bundle. */
export function isCofferError(value: unknown): value is CofferError {
  return value instanceof Error && value.name === "CofferError" && isErrorCode((value as { code?: unknown }).code);
}

/** Tell whether a value is one of the closed list of codes. */
export function isErrorCode(value: unknown): value is CofferErrorCode {
  return typeof value === "string" && (errorCodes as readonly string[]).includes(value);
}

/** Turn anything caught into a `CofferError`: itself if it is one, otherwise one with the given code and the cause. */
export function toCofferError(cause: unknown, code: CofferErrorCode = "worker/failed"): CofferError {
  if (isCofferError(cause)) return cause;
  const reason = cause instanceof Error ? cause.name : typeof cause;
  return new CofferError(code, { reason }, { cause });
}

const defaultMessages: Record<CofferErrorCode, string> = {
  "input/invalid": "The input is not valid.",
  "input/schema": "The value does not fit the schema.",
  "input/too-large": "The input is too large. Split it into smaller parts.",
  "input/expired": "This invitation has expired. Ask for a new one.",
  "input/used": "This invitation was already used. Ask for a new one.",
  "input/weak-password": "This password is too easy to guess. Choose a longer one.",
  "input/unknown-id": "There is nothing with this id on this device.",
  "access/unauthenticated": "The server does not know this device. Sign in again.",
  "access/revoked": "An admin has revoked this user's access.",
  "access/not-admin": "Only an admin of this tenant can do this.",
  "access/denied": "This is not allowed.",
  "access/locked": "The vault is locked. Unlock it with the password.",
  "key/missing": "The key for this data is not on this device.",
  "key/wrong-password": "The password is wrong.",
  "key/parameters": "The key derivation parameters are outside the accepted range.",
  "doc/missing": "There is no such document on this device.",
  "doc/deleted": "The document was deleted.",
  "entry/forged": "The data was not written by who it says.",
  "entry/corrupt": "The stored data is damaged.",
  "store/quota": "The browser's storage is full. Free some space and try again; nothing was lost.",
  "store/blocked": "Another tab holds an older version of the database open. Close it and try again.",
  "store/closed": "The database was closed.",
  "store/failed": "The browser's database failed. Try again.",
  "net/offline": "There is no network. The change is kept and sent later.",
  "net/timeout": "The server did not answer in time.",
  "net/rate-limited": "The server asks to slow down. It is tried again later.",
  "net/failed": "The server could not be reached or failed.",
  "directory/behind": "The server does not know the newest directory yet. It is tried again.",
  "protocol/version": "The other side speaks another version. Update the application.",
  "protocol/malformed": "The other side sent something that cannot be read.",
  "worker/restarted": "The database worker was restarted. Try again.",
  "worker/failed": "The database worker failed. Try again.",
  aborted: "The call was aborted.",
};
