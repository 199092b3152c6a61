import type { CofferErrorCode } from "./error-codes.ts";

/** Plain data that travels with an error: never a secret, never document content. */
export type ErrorDetails = Readonly<
  Record<string, string | number | boolean | undefined | readonly ErrorIssue[]>
>;

/** One of several places where an input is wrong: a JSON pointer, and what is wrong there. */
export interface ErrorIssue {
  readonly path: string;
  readonly message: string;
}

/**
 * A call that could not be done. The only kind of error that leaves the public API.
 *
 * `message` says what happened and what to do next; `code` is what programs read.
 */
export class CofferError extends Error {
  override readonly name = "CofferError";
  readonly code: CofferErrorCode;
  readonly details: ErrorDetails;

  constructor(
    code: CofferErrorCode,
    details: ErrorDetails & { message?: string } = {},
    options?: ErrorOptions,
  ) {
    const { message, ...rest } = details;
    super(message ?? messages[code] ?? code, options);
    this.code = code;
    this.details = rest;
  }

  /** Errors of another thread, or of another file with a copy of this class, are of this kind too. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return isCofferError(value);
  }
}

/** Tell whether a value is a `CofferError`, also one that crossed a thread or a bundle. */
export function isCofferError(value: unknown): value is CofferError {
  return (
    value instanceof Error &&
    value.name === "CofferError" &&
    typeof (value as { code?: unknown }).code === "string"
  );
}

/** Turn anything caught into a `CofferError`: itself if it is one, otherwise one with the given code and the cause. */
export function toCofferError(cause: unknown, code: CofferErrorCode = "worker/failed"): CofferError {
  if (isCofferError(cause)) return cause;
  const reason = cause instanceof Error ? cause.name : typeof cause;
  return new CofferError(code, { reason }, { cause });
}

/** The errors that a page makes itself. */
const ownMessages = {
  "access/locked": "The vault is locked. Unlock it.",
  "doc/missing": "The document is not here.",
  "doc/deleted": "The document was deleted.",
  "worker/restarted": "The worker was restarted. Look, then repeat.",
  "worker/failed": "The worker failed. Try again.",
  aborted: "The call was aborted.",
} as const satisfies Partial<Record<CofferErrorCode, string>>;

/** The codes whose texts every thread has. */
export type OwnMessageCode = keyof typeof ownMessages;

let messages: Readonly<Partial<Record<CofferErrorCode, string>>> = ownMessages;

/** Give more codes a text in this thread. */
export function addErrorMessages(more: Readonly<Partial<Record<CofferErrorCode, string>>>): void {
  messages = { ...messages, ...more };
}
