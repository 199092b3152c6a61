import { CofferError, concatBytes } from "../../src/std/index.ts";

/**
 * Read a request's body, and stop reading at the limit.
 *
 * @throws `input/too-large` over `maxBytes`, before more than that is held; `protocol/malformed` when the body breaks off
 */
export async function readBody(request: Request, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const announced = Number(request.headers.get("Content-Length") ?? 0);
  if (announced > maxBytes) throw new CofferError("input/too-large", { maxBytes });
  if (request.body === null) return new Uint8Array(0);
  const reader: ReadableStreamDefaultReader<Uint8Array> = request.body.getReader();
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return concatBytes(...chunks);
      sizeBytes += value.length;
      if (sizeBytes > maxBytes) throw new CofferError("input/too-large", { maxBytes });
      chunks.push(value);
    }
  } catch (cause) {
    void reader.cancel().catch(() => undefined);
    throw cause instanceof CofferError ? cause : new CofferError("protocol/malformed", {}, { cause });
  }
}

/** Read a JSON body. @throws `input/invalid` when it is not JSON */
export async function readJson(request: Request, maxBytes: number): Promise<unknown> {
  const text = new TextDecoder().decode(await readBody(request, maxBytes));
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
