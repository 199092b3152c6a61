/**
 * Stop at a bug: throw when a condition that the code itself guarantees does not hold.
 *
 * Never used on input from outside; such input gets a verdict or a `CofferError`.
 *
 * @param message starts with the invariant's number or name, for example "I7: cursor <= data"
 */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** A broken invariant. It is never caught, except where a thread reports and stops. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Mark code that the types prove unreachable, so that a new union member is a compile error. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${String(value)}`);
}
