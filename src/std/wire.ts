/**
 * Errors across threads: both ends of a Comlink connection install this handler, since Comlink alone carries only
 * name, message and stack. The handler map comes as an argument, so that this room imports nothing.
 */
import type { CofferErrorCode } from "./error-codes.ts";
import { CofferError, isCofferError, type ErrorDetails } from "./error.ts";

interface ThrownBox {
  value: unknown;
}
interface SerializedThrow {
  isCoffer: boolean;
  code?: CofferErrorCode;
  message: string;
  details?: ErrorDetails;
}
interface HandlerLike {
  canHandle: (value: unknown) => boolean;
  serialize: (value: never) => [unknown, Transferable[]];
  deserialize: (value: never) => unknown;
}

/** Install the `throw` handler that keeps `code` and `details`; anything else arrives as `worker/failed`. */
export function installErrorTransfer(transferHandlers: Map<string, HandlerLike>): void {
  installErrorReader(transferHandlers);
  const reader = transferHandlers.get("throw");
  if (reader === undefined) return;
  const serialize = (box: ThrownBox): [SerializedThrow, Transferable[]] => [serializeThrown(box.value), []];
  transferHandlers.set("throw", { ...reader, serialize: serialize as never });
}

/** The reading half of {@link installErrorTransfer}, for a thread that nobody calls: a page has a budget of bytes. */
export function installErrorReader(transferHandlers: Map<string, HandlerLike>): void {
  transferHandlers.set("throw", {
    canHandle: () => false,
    serialize: () => [undefined, []],
    ...transferHandlers.get("throw"),
    deserialize: ((thrown: SerializedThrow): never => {
      throw deserializeThrown(thrown);
    }) as never,
  });
}

/** Write an error as plain data for another thread. Unknown errors keep their name only: their text may hold content. */
export function serializeThrown(value: unknown): SerializedThrow {
  if (isCofferError(value))
    return { isCoffer: true, code: value.code, message: value.message, details: value.details };
  return { isCoffer: false, message: value instanceof Error ? value.name : typeof value };
}

/** Read an error that another thread wrote. */
export function deserializeThrown(thrown: SerializedThrow): CofferError {
  if (thrown.isCoffer && thrown.code !== undefined)
    return new CofferError(thrown.code, { ...thrown.details, message: thrown.message });
  return new CofferError("worker/failed", { reason: thrown.message });
}
