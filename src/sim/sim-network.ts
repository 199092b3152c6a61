/**
 * The network between a worker and a server in the same process, with weather: latency, loss, doubling, cuts, refusals.
 *
 * | fault | what happens |
 * |---|---|
 * | lost | the request never reaches the server; after a while the client gives up |
 * | deaf | the server has done its work, the answer is lost |
 * | cut | the answer ends after any number of bytes |
 * | doubled | the request reaches the server twice, some time apart |
 * | refused | 429 with a time to wait, or 500, before the server looked at it |
 * | hang-up | a live connection ends, at any moment |
 * | short | chunks of files alone: the answer ends after any number of bytes, and looks whole |
 * | portal | chunks of files alone: something in between answers in the server's place |
 *
 * Requests overtake each other, since each takes its own time; a live connection keeps its order, as TCP does.
 */
import {
  bytesToBase64url,
  bytesToUtf8,
  CofferError,
  concatBytes,
  isErrorCode,
  utf8ToBytes,
} from "../std/index.ts";
import { parseCapabilities, type HttpTransport, type LiveTransport, type Transport } from "../sync/index.ts";
import type { Random } from "./pcg32.ts";
import type { Scheduler } from "./scheduler.ts";
import { openSimChunks, parseJson, portalAnswer, type ChunkFault, type ChunkNote } from "./sim-chunks.ts";
import type { SimWorkerEnv } from "./sim-env.ts";
import { openWire } from "./sim-live.ts";
import type { SimServer } from "./sim-server.ts";

/** How likely each fault is, for each request or message. */
export interface Weather {
  readonly latencyMs: number;
  readonly lost: number;
  readonly deaf: number;
  readonly cut: number;
  readonly doubled: number;
  readonly refused: number;
  readonly hangUp: number;
  readonly short?: number;
  readonly portal?: number;
}

/** Nothing goes wrong, and nothing takes long. */
export const fairWeather: Weather = {
  latencyMs: 20,
  lost: 0,
  deaf: 0,
  cut: 0,
  doubled: 0,
  refused: 0,
  hangUp: 0,
};

/** What a transport does to what it carries; a mutant for tests of the tests. */
export interface TransportFault {
  readonly onAnswer?: (bytes: Uint8Array) => Uint8Array;
}

const timeoutMs = 30_000;
/** a chunk of a file is cut anywhere in it */
const chunkBytes = 256 * 1024;
const receiptBytes = 150;

/** The network of a simulation. It remembers every byte that crossed it. */
export class SimNetwork {
  weather: Weather = fairWeather;
  fault: TransportFault = {};
  /** whether chunks of files are moved too */
  movesFiles = false;
  /** what became of each request about a chunk */
  readonly chunkNotes: ChunkNote[] = [];
  /** everything that crossed, both ways */
  readonly crossed: Uint8Array[] = [];
  readonly server: SimServer;
  readonly random: Random;
  readonly #scheduler: Scheduler;

  constructor(scheduler: Scheduler, server: SimServer) {
    this.server = server;
    this.random = scheduler.random.fork();
    this.#scheduler = scheduler;
  }

  /** The server as one worker reaches it. */
  open(worker: SimWorkerEnv): Transport {
    return { http: this.#http(worker), live: this.#live(worker) };
  }

  #http(worker: SimWorkerEnv): HttpTransport {
    const { origin } = this.server;
    const ask = (request: Ask): Promise<void> => this.#ask(worker, request);
    const askJson = async (request: Omit<Ask, "onChunk">): Promise<unknown> => {
      const chunks: Uint8Array[] = [];
      await ask({ ...request, onChunk: (chunk) => void chunks.push(chunk) });
      return parseJson(concatBytes(...chunks));
    };
    const binary = { "content-type": "application/octet-stream" };
    const chunks = openSimChunks(worker, ask, this.chunkNotes);
    return {
      origin,
      ...(this.movesFiles && { chunks }),
      readCapabilities: async (signal) =>
        parseCapabilities(await askJson({ method: "GET", path: "/sync/capabilities", signal })),
      postJson: (path, body, signal) => {
        const headers = { "content-type": "application/json" };
        return askJson({ method: "POST", path, headers, body: utf8ToBytes(JSON.stringify(body)), signal });
      },
      publish: (body, signal) =>
        ask({ method: "POST", path: "/v1/tenants", headers: binary, body, signal, onChunk: () => undefined }),
      exchange: ({ tenantId, token, body, onChunk, signal, endpoint = "sync" }) => {
        const headers = { ...binary, authorization: `Bearer ${bytesToBase64url(token)}` };
        return ask({ method: "POST", path: `/v1/t/${tenantId}/${endpoint}`, headers, body, signal, onChunk });
      },
    };
  }

  /** How long something takes on its way. */
  latencyMs(): number {
    return this.random.fraction() * this.weather.latencyMs;
  }

  /** Let something happen on the way, whoever is alive. */
  later(delayMs: number, label: string, run: () => void): void {
    this.#scheduler.after(delayMs, label, run);
  }

  /** A request, from the client's side: it settles once, and then hears nothing more. */
  #ask(worker: SimWorkerEnv, request: Ask): Promise<void> {
    return new Promise((resolve, reject) => {
      const { signal } = request;
      let isOver = false;
      const end = (error?: CofferError): void => {
        if (isOver) return;
        isOver = true;
        cancelTimeout();
        signal?.removeEventListener("abort", onAbort);
        if (error === undefined) resolve();
        else reject(error);
      };
      const onAbort = (): void => end(new CofferError("aborted"));
      const cancelTimeout = worker.later(timeoutMs, `waited for ${request.path}`, () =>
        end(new CofferError("net/timeout")),
      );
      if (signal?.aborted === true) return onAbort();
      signal?.addEventListener("abort", onAbort);
      const client: Client = {
        isOver: () => isOver,
        end: (error) => {
          worker.later(this.latencyMs(), `hears the end of ${request.path}: ${error?.code ?? "ok"}`, () =>
            end(error),
          );
        },
        take: (chunk) => {
          if (isOver) return;
          try {
            request.onChunk(chunk);
          } catch (error) {
            end(error instanceof CofferError ? error : new CofferError("net/failed", {}, { cause: error }));
          }
        },
      };
      if (!worker.isOnline()) return client.end(new CofferError("net/offline"));
      const { weather } = this;
      if (this.random.chance(weather.lost)) {
        meet(request, "lost");
        return client.end(new CofferError("net/failed"));
      }
      if (this.#meets(request, "portal")) {
        meet(request, "portal");
        worker.later(this.latencyMs(), `hears a portal about ${request.path}`, () => {
          client.take(portalAnswer(this.random));
          end();
        });
        return;
      }
      if (this.random.chance(weather.refused)) {
        meet(request, "refused");
        const isBusy = this.random.chance(0.5);
        return client.end(
          new CofferError(isBusy ? "net/rate-limited" : "net/failed", isBusy ? { retryAfterMs: 2000 } : {}),
        );
      }
      this.#travel(worker, request, client);
      if (this.random.chance(weather.doubled))
        this.#travel(worker, { ...request, note: undefined }, silentClient);
    });
  }

  /** A request on its way: it reaches the server whether or not the client still waits. */
  #travel(worker: SimWorkerEnv, request: Ask, client: Client): void {
    const body = request.body?.slice();
    if (body !== undefined) this.crossed.push(body);
    const isShort = this.#meets(request, "short");
    const isCut = isShort || this.random.chance(this.weather.cut);
    const cutAt = isCut ? this.random.below(answerBytes(request)) : Infinity;
    const isDeaf = this.random.chance(this.weather.deaf);
    if (request.note !== undefined) request.note.hasTravelled = true;
    if (isDeaf) meet(request, "deaf");
    this.later(this.latencyMs(), `${worker.name} request ${request.path} arrives`, () => {
      const { server } = this;
      const broken = (): void => client.end(new CofferError("net/failed"));
      const forget = server.onRestart(broken);
      this.#serve(worker, { ...request, body }, { client: isDeaf ? silentClient : client, cutAt, isShort })
        .then(() => isDeaf && broken(), broken)
        .finally(forget);
    });
  }

  async #serve(
    worker: SimWorkerEnv,
    request: Ask,
    {
      client,
      cutAt,
      isShort,
    }: { readonly client: Client; readonly cutAt: number; readonly isShort: boolean },
  ): Promise<void> {
    const { method, path, headers, body } = request;
    const init = {
      method,
      ...(headers === undefined ? {} : { headers }),
      ...(body === undefined ? {} : { body }),
    };
    const response = await this.server.relay.fetch(new Request(this.server.origin + path, init), worker.name);
    const reader = response.body?.getReader();
    const read: Uint8Array[] = [];
    let sizeBytes = 0;
    for (let part = await reader?.read(); part !== undefined && !part.done; part = await reader?.read()) {
      const bytes = this.fault.onAnswer?.(part.value) ?? part.value;
      this.crossed.push(bytes);
      for (const chunk of this.#split(bytes.subarray(0, Math.max(0, cutAt - sizeBytes)))) {
        read.push(chunk);
        if (!response.ok) continue;
        await new Promise<void>((resolve) => {
          this.later(this.latencyMs() / 4, `${worker.name} takes ${chunk.length} bytes of ${path}`, resolve);
        });
        if (worker.isAlive && !client.isOver()) client.take(chunk.slice());
      }
      sizeBytes += bytes.length;
      if (sizeBytes > cutAt) {
        meet(request, isShort ? "short" : "cut");
        await reader?.cancel();
        return client.end(isShort && response.ok ? undefined : new CofferError("net/failed"));
      }
    }
    client.end(response.ok ? undefined : errorOf(response, concatBytes(...read)));
  }

  /** Whether a request about a chunk meets a fault that no other request meets. */
  #meets(request: Ask, fault: "short" | "portal"): boolean {
    const { [fault]: likely = 0 } = this.weather;
    if (request.note === undefined || likely === 0 || !this.random.chance(likely)) return false;
    return true;
  }

  /** Chunks end anywhere, not where frames do. */
  *#split(bytes: Uint8Array): Generator<Uint8Array> {
    if (bytes.length === 0) return;
    const at = this.random.chance(0.3) ? this.random.below(bytes.length) : 0;
    if (at > 0) yield bytes.subarray(0, at);
    yield bytes.subarray(at);
  }

  #live(worker: SimWorkerEnv): LiveTransport {
    return {
      open: (tenantId, listener, signal) =>
        new Promise((resolve, reject) => {
          const onAbort = (): void => reject(new CofferError("aborted"));
          if (signal?.aborted === true) return onAbort();
          signal?.addEventListener("abort", onAbort);
          worker.later(this.latencyMs(), "opens a live connection", () => {
            signal?.removeEventListener("abort", onAbort);
            if (signal?.aborted === true) return;
            if (!worker.isOnline()) return reject(new CofferError("net/offline"));
            if (!this.server.isUp || this.random.chance(this.weather.lost))
              return reject(new CofferError("net/failed"));
            const connection = openWire({ network: this, worker, server: this.server, listener }, tenantId);
            signal?.addEventListener("abort", () => connection.close());
            resolve(connection);
          });
        }),
    };
  }
}

/** One request as a worker makes it. */
export interface Ask {
  readonly method: "GET" | "POST" | "PUT";
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer> | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onChunk: (chunk: Uint8Array) => void;
  /** what becomes of it, where it is about a chunk of a file */
  readonly note?: ChunkNote | undefined;
}

/** What an answer is cut within. */
const answerBytes = ({ note }: Ask): number =>
  note === undefined ? 2000 : note.method === "GET" ? chunkBytes : receiptBytes;

function meet({ note }: Ask, fault: ChunkFault): void {
  if (note !== undefined) note.fault ??= fault;
}

/** Who waits for an answer. */
interface Client {
  isOver(): boolean;
  take(chunk: Uint8Array): void;
  end(error?: CofferError): void;
}

const silentClient: Client = { isOver: () => false, take: () => undefined, end: () => undefined };

/** As the browser's transport reads a refusal; an answer that was cut names no code. */
function errorOf(response: Response, body: Uint8Array): CofferError {
  let named: unknown;
  try {
    named = (JSON.parse(bytesToUtf8(body) ?? "") as { code?: unknown }).code;
  } catch {
    named = undefined;
  }
  const retryAfterMs = Number(response.headers.get("retry-after") ?? 0) * 1000;
  return new CofferError(isErrorCode(named) ? named : "net/failed", {
    status: response.status,
    retryAfterMs,
  });
}
