/**
 * The live link where no WebSocket gets through: down as an event stream or by long polls, up by requests.
 *
 * ```
 * PULL ──► POST …/live ──► event stream: COMMITS, HEAD, END, and on and on        a PULL begins a stream anew
 * PULL ──► POST …/sync ──► its answer, then POST …/live, a long poll, again and again; news ──► onNews ──► PULL
 * PUSH ──► POST …/sync ──► ACK                                                    in the order in which they were sent
 * ```
 *
 * Opening tries whether a stream gets through: a network that holds answers back until they end shows nothing of one, and is
 * polled. A request that is refused is an ERROR frame to the listener, as the server would have sent it over a WebSocket; an
 * answer that ends before its END is a connection that broke.
 */
import {
  bytesToUtf8,
  CofferError,
  concatBytes,
  parseBase64url,
  toCofferError,
  type Env,
  type TenantId,
} from "../std/index.ts";
import { decodeAnswer, decodeFrames, encodeFrame, encodeFrames } from "./frames.ts";
import { syncLimits, type Frame } from "./messages.ts";
import type { HttpTransport, LiveConnection, LiveListener, LiveTransport } from "./transport.ts";

/** How long a stream may take to show its first bytes. */
const probeMs = 4000;
const messageBytes = syncLimits.frameBytes + 8;
const prefix = "data: ";
/** base64url of the largest message, with its prefix */
const lineChars = Math.ceil((messageBytes * 4) / 3) + prefix.length;

type Bytes = Uint8Array<ArrayBuffer>;

/** Open live connections over requests to one server. */
export function createStreamTransport(env: Pick<Env, "setTimer">, http: HttpTransport): LiveTransport {
  return {
    async open(tenantId, listener, signal) {
      const wantsEvents = await letsStreamsThrough(env, http, tenantId, signal);
      return new StreamConnection({ http, tenantId, listener, wantsEvents, signal });
    },
  };
}

/** Open a stream for nothing. @throws `net/…` when there is no answer at all */
async function letsStreamsThrough(
  env: Pick<Env, "setTimer">,
  http: HttpTransport,
  tenantId: TenantId,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const abort = new AbortController();
  const stop = (): void => abort.abort();
  let hasBegun = false;
  let isLate = false;
  const cancel = env.setTimer(probeMs, () => {
    isLate = true;
    stop();
  });
  signal?.addEventListener("abort", stop);
  if (signal?.aborted === true) stop();
  const onChunk = (): void => {
    hasBegun = true;
    stop();
  };
  try {
    await follow(http, {
      tenantId,
      body: new Uint8Array(0),
      wantsEvents: true,
      onChunk,
      signal: abort.signal,
    });
  } catch (error) {
    if (!hasBegun && !isLate) throw error;
  } finally {
    cancel();
    signal?.removeEventListener("abort", stop);
  }
  if (signal?.aborted === true) throw new CofferError("aborted");
  return hasBegun;
}

type FollowRequest = Parameters<NonNullable<HttpTransport["follow"]>>[0];

function follow(http: HttpTransport, request: FollowRequest): Promise<void> {
  if (http.follow === undefined) throw new CofferError("net/failed");
  return http.follow(request);
}

interface Place {
  readonly http: HttpTransport;
  readonly tenantId: TenantId;
  readonly listener: LiveListener;
  readonly wantsEvents: boolean;
  readonly signal: AbortSignal | undefined;
}

class StreamConnection implements LiveConnection {
  readonly #place: Place;
  readonly #closed = new AbortController();
  /** what the first messages said, which every request says again */
  #hello: Bytes = new Uint8Array(0);
  #auth: Bytes = new Uint8Array(0);
  #token: Bytes = new Uint8Array(0);
  #pull: Bytes | undefined;
  #outgoing: Bytes[] = [];
  #posting: Promise<void> = Promise.resolve();
  #following: AbortController | undefined;
  #isFlushing = false;

  constructor(place: Place) {
    this.#place = place;
    place.signal?.addEventListener("abort", this.#onAbort);
  }

  readonly #onAbort = (): void => this.close();

  send(message: Bytes): void {
    if (this.#closed.signal.aborted) return;
    for (const frame of decodeFrames(message) ?? []) this.#take(frame);
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    // What is said in one breath goes up in one request.
    queueMicrotask(() => this.#flush());
  }

  close(): void {
    this.#place.signal?.removeEventListener("abort", this.#onAbort);
    this.#closed.abort();
    this.#following?.abort();
  }

  #take(frame: Frame): void {
    const bytes = encodeFrame(frame);
    if (frame.type === "hello") this.#hello = bytes;
    else if (frame.type === "auth") {
      this.#auth = bytes;
      this.#token = frame.token.slice();
    } else if (frame.type === "pull") this.#pull = bytes;
    else this.#outgoing.push(bytes);
  }

  #flush(): void {
    this.#isFlushing = false;
    const pull = this.#pull;
    this.#pull = undefined;
    if (this.#outgoing.length > 0) {
      const body = concatBytes(this.#hello, ...this.#outgoing);
      this.#outgoing = [];
      // What a push is answered with ends without anybody having asked.
      this.#posting = this.#posting.then(() =>
        this.#try(() => this.#ask(body, (frame) => frame.type !== "end")),
      );
    }
    if (pull === undefined) return;
    this.#following?.abort();
    const following = new AbortController();
    this.#following = following;
    void this.#try(() => this.#follow(pull, following.signal), following.signal);
  }

  /** Run a request; its failure is told unless it was given up. */
  async #try(run: () => Promise<void>, given?: AbortSignal): Promise<void> {
    try {
      if (!this.#closed.signal.aborted) await run();
    } catch (cause) {
      if (given?.aborted === true) return;
      this.#fail(toCofferError(cause, "net/failed"));
    }
  }

  #fail(error: CofferError): void {
    if (this.#closed.signal.aborted) return;
    const { retryAfterMs } = error.details;
    const { listener } = this.#place;
    if (!error.code.startsWith("net/") || error.code === "net/rate-limited") {
      const waitMs = typeof retryAfterMs === "number" ? retryAfterMs : 0;
      listener.onMessage(encodeFrame({ type: "error", code: error.code, retryAfterMs: waitMs }));
    }
    if (this.#closed.signal.aborted) return;
    this.close();
    listener.onClose();
  }

  /** One request with an answer; its frames are handed over one by one. */
  async #ask(body: Bytes, isWanted: (frame: Frame) => boolean, signal = this.#closed.signal): Promise<void> {
    const { http, tenantId } = this.#place;
    const chunks: Uint8Array[] = [];
    const onChunk = (chunk: Uint8Array): void => void chunks.push(chunk);
    await http.exchange({ tenantId, token: this.#token, body, onChunk, signal });
    this.#hand(concatBytes(...chunks), isWanted, signal);
  }

  #hand(answer: Bytes, isWanted: (frame: Frame) => boolean, signal: AbortSignal): void {
    for (const frame of decodeAnswer(answer))
      if (isWanted(frame) && !signal.aborted) this.#place.listener.onMessage(encodeFrames([frame]));
  }

  async #follow(pull: Bytes, signal: AbortSignal): Promise<void> {
    const { http, tenantId, wantsEvents, listener } = this.#place;
    const body = concatBytes(this.#hello, this.#auth, pull);
    if (wantsEvents) {
      const onChunk = createEventReader((message) => {
        if (!signal.aborted) listener.onMessage(message);
      });
      await follow(http, { tenantId, body, wantsEvents, onChunk, signal });
      throw new CofferError("net/failed");
    }
    await this.#ask(concatBytes(this.#hello, pull), () => true, signal);
    let hasNews = false;
    const isTold = (frame: Frame): boolean => {
      if (frame.type === "end") hasNews = frame.more;
      return frame.type !== "end";
    };
    while (!hasNews && !signal.aborted) {
      const chunks: Uint8Array[] = [];
      const onChunk = (chunk: Uint8Array): void => void chunks.push(chunk);
      await follow(http, { tenantId, body, wantsEvents, onChunk, signal });
      this.#hand(concatBytes(...chunks), isTold, signal);
    }
    if (!signal.aborted) listener.onNews?.();
  }
}

/**
 * Read an event stream that carries bytes: `data:` lines of base64url, one for each message; everything else is passed over.
 *
 * @returns takes the chunks; throws `protocol/malformed` for a line longer than any message, or one that is no base64url
 */
export function createEventReader(onMessage: (message: Uint8Array) => void): (chunk: Uint8Array) => void {
  let pieces: string[] = [];
  let sizeChars = 0;
  return (chunk) => {
    // What is no ASCII cannot be ours, and one wrong line ends the stream.
    const text = bytesToUtf8(chunk);
    if (text === undefined) throw new CofferError("protocol/malformed", { reason: "event" });
    const parts = text.split("\n");
    const rest = parts.pop() ?? "";
    for (const part of parts) {
      const line = pieces.join("") + part;
      pieces = [];
      sizeChars = 0;
      if (line.length > lineChars) throw new CofferError("protocol/malformed", { reason: "event" });
      if (!line.startsWith(prefix)) continue;
      const message = parseBase64url(line.slice(prefix.length));
      if (message === undefined) throw new CofferError("protocol/malformed", { reason: "event" });
      onMessage(message);
    }
    pieces.push(rest);
    sizeChars += rest.length;
    if (sizeChars > lineChars) throw new CofferError("protocol/malformed", { reason: "event" });
  };
}
