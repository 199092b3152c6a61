import { CofferError, concatBytes, type Env } from "../../src/std/index.ts";

/** How long a body may take to arrive. */
export interface BodyDeadline {
  readonly env: Pick<Env, "setTimer">;
  readonly withinMs: number;
}

/**
 * Read a request's body, and stop reading at the limit.
 *
 * @throws `input/too-large` over `maxBytes`, before more than that is held; `net/timeout` after the deadline;
 *   `protocol/malformed` when the body breaks off
 */
export async function readBody(
  request: Request,
  maxBytes: number,
  deadline?: BodyDeadline,
): Promise<Uint8Array<ArrayBuffer>> {
  const announced = Number(request.headers.get("Content-Length") ?? 0);
  if (announced > maxBytes) throw new CofferError("input/too-large", { maxBytes });
  if (request.body === null) return new Uint8Array(0);
  const reader: ReadableStreamDefaultReader<Uint8Array> = request.body.getReader();
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  let isLate = false;
  const stopTimer = deadline?.env.setTimer(deadline.withinMs, () => {
    isLate = true;
    void reader.cancel().catch(() => undefined);
  });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (isLate) throw new CofferError("net/timeout");
      if (done) return concatBytes(...chunks);
      sizeBytes += value.length;
      if (sizeBytes > maxBytes) throw new CofferError("input/too-large", { maxBytes });
      chunks.push(value);
    }
  } catch (cause) {
    void reader.cancel().catch(() => undefined);
    if (cause instanceof CofferError) throw cause;
    throw new CofferError(isLate ? "net/timeout" : "protocol/malformed", {}, { cause });
  } finally {
    stopTimer?.();
  }
}

/** Read a JSON body. @throws as {@link readBody}, and `input/invalid` when it is not JSON */
export async function readJson(
  request: Request,
  maxBytes: number,
  deadline?: BodyDeadline,
): Promise<unknown> {
  const text = new TextDecoder().decode(await readBody(request, maxBytes, deadline));
  try {
    return JSON.parse(text);
  } catch {
    throw new CofferError("input/invalid", { message: "The body is not JSON." });
  }
}

/** Tell whether a body says that it is of a type; no other one is guessed at. */
export function hasType(
  request: Request,
  expected: "application/json" | "application/octet-stream",
): boolean {
  const [type = ""] = (request.headers.get("Content-Type") ?? "").split(";");
  return type.trim().toLowerCase() === expected;
}
