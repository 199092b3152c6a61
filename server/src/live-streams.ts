/**
 * Live sessions for callers whose network carries no WebSocket: the frames go up in the body of a request and come down in its answer.
 *
 * | `POST /v1/t/{tenant}/live`, frames: HELLO, AUTH, PULL, … | answer |
 * |---|---|
 * | `Accept: text/event-stream` | an event stream that stays open: each message as `data: ` base64url; a comment at once, and after 15 s without anything else |
 * | otherwise | a long poll, frames: after at most 20 s the WHISPERs that came, an ERROR, and END, whose `more` says whether there is news to pull |
 *
 * What a session does is the same as over a WebSocket (live.ts). A body without frames opens a stream that ends after five
 * seconds: with it a caller sees whether streams get through. The token travels in the body, so that no log of addresses has it; a long
 * poll says nothing of commits that the PULL in it does not lack. Pushes and whispers of such a caller go to `/v1/t/{tenant}/sync`.
 */
import {
  bytesToBase64url,
  CofferError,
  concatBytes,
  utf8ToBytes,
  type Env,
  type TenantId,
} from "../../src/std/index.ts";
import { decodeFrames, encodeFrame, syncLimits } from "../../src/sync/index.ts";
import { errorResponse } from "./error-status.ts";
import type { LiveConnection, LiveSessions } from "./live.ts";
import { readBody } from "./request-body.ts";

export interface LiveStreamParts {
  readonly env: Pick<Env, "setTimer">;
  readonly live: LiveSessions;
  readonly maxLive: number;
  /** how long an opening's body may take */
  readonly anonymousBodyMs: number;
}

type Bytes = Uint8Array<ArrayBuffer>;

/** HELLO, AUTH and the largest PULL. */
const maxOpeningBytes = syncLimits.frameBytes + 1024;
const beatEveryMs = 15_000;
const pollMs = 20_000;
/** What comes together is answered together. */
const gatherMs = 20;
const maxGatheredBytes = 256 * 1024;
const comment = utf8ToBytes(":\n\n");

/**
 * Answer a request for a live session without a WebSocket.
 *
 * @throws `input/too-large`, `net/timeout`, `protocol/malformed`
 */
export async function answerLive(
  parts: LiveStreamParts,
  tenantId: TenantId,
  request: Request,
): Promise<Response> {
  const deadline = { env: parts.env, withinMs: parts.anonymousBodyMs };
  const opening = await readBody(request, maxOpeningBytes, deadline);
  if (parts.live.count >= parts.maxLive) {
    const error = new CofferError("net/rate-limited", { retryAfterMs: 1000 });
    return errorResponse(error, { status: 503 });
  }
  const wantsEvents = (request.headers.get("Accept") ?? "").includes("text/event-stream");
  return wantsEvents
    ? streamEvents(parts, tenantId, opening)
    : poll(parts, tenantId, { opening, signal: request.signal });
}

function streamEvents({ env, live }: LiveStreamParts, tenantId: TenantId, opening: Bytes): Response {
  const queue: Bytes[] = [];
  let waitingBytes = 0;
  let isClosed = false;
  let wake: () => void = () => undefined;
  const put = (bytes: Bytes): void => {
    queue.push(bytes);
    waitingBytes += bytes.length;
    wake();
  };
  const connection: LiveConnection = {
    send: (message) => put(utf8ToBytes(`data: ${bytesToBase64url(message)}\n\n`)),
    close() {
      isClosed = true;
      wake();
    },
    bufferedBytes: () => waitingBytes,
  };
  put(comment);
  const session = live.open(tenantId, connection);
  if (opening.length > 0) void session.onMessage(opening);
  const nextBytes = async (): Promise<Bytes | undefined> => {
    const cancel = env.setTimer(beatEveryMs, () => put(comment));
    while (queue.length === 0 && !isClosed) await new Promise<void>((resolve) => (wake = resolve));
    cancel();
    const bytes = queue.shift();
    waitingBytes -= bytes?.length ?? 0;
    if (queue.length === 0) session.onDrain();
    return bytes;
  };
  const body = new ReadableStream<Bytes>(
    {
      async pull(controller) {
        const bytes = await nextBytes();
        if (bytes === undefined) controller.close();
        else controller.enqueue(bytes);
      },
      cancel() {
        connection.close(1000, "aborted");
        session.onClose();
      },
    },
    { highWaterMark: 0 },
  );
  const headers = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
  };
  return new Response(body, { headers });
}

interface Asked {
  readonly opening: Bytes;
  readonly signal: AbortSignal;
}

/** Wait for something to tell, for a while. */
async function poll(
  { env, live }: LiveStreamParts,
  tenantId: TenantId,
  { opening, signal }: Asked,
): Promise<Response> {
  const gathered: Bytes[] = [];
  let gatheredBytes = 0;
  let hasNews = false;
  let finish: () => void = () => undefined;
  const finished = new Promise<void>((resolve) => (finish = resolve));
  const connection: LiveConnection = {
    send(message) {
      const types = new Set((decodeFrames(message) ?? []).map(frameKind));
      if (types.has("news")) hasNews = true;
      if (types.has("told") && gatheredBytes + message.length <= maxGatheredBytes) {
        gathered.push(message);
        gatheredBytes += message.length;
      }
      if (types.has("news") || types.has("told")) env.setTimer(gatherMs, finish);
    },
    close: () => finish(),
    bufferedBytes: () => 0,
  };
  const session = live.open(tenantId, connection);
  const cancel = env.setTimer(pollMs, finish);
  signal.addEventListener("abort", finish);
  void session.onMessage(opening);
  await finished;
  cancel();
  signal.removeEventListener("abort", finish);
  session.onClose();
  const body = concatBytes(...gathered, encodeFrame({ type: "end", more: hasNews }));
  return new Response(body, {
    headers: { "Content-Type": "application/octet-stream", "Cache-Control": "no-store" },
  });
}

type Decoded = NonNullable<ReturnType<typeof decodeFrames>>[number];

function frameKind(frame: Decoded): "news" | "told" | "nothing" {
  if (frame.type === "commits" || (frame.type === "end" && frame.more)) return "news";
  return frame.type === "error" || frame.type === "whisper" ? "told" : "nothing";
}
