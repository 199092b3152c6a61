/**
 * The gate to the worker's thread: how a worker is made, and how calls and events cross. Nothing else on the
 * page knows Comlink.
 *
 * The expression in `spawnDefault` must stay exactly as it is: bundlers follow that literal, and the library's own
 * build rewrites the address in it.
 */
import { transferHandlers, wrap } from "comlink";
import type { EventMessage, WorkerApi, WorkerEvent, WorkerOptions } from "../../worker/api.ts";
import { installErrorReader } from "../std/index.ts";
import { trustedScriptUrl } from "./trusted-url.ts";
import type { OpenCofferOptions } from "./types.ts";

/** A port to another thread: a worker, or one end of a message channel. */
export interface Endpoint {
  postMessage(message: unknown, transfer?: Transferable[]): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject): void;
  removeEventListener(type: string, listener: EventListenerOrEventListenerObject): void;
  start?(): void;
}

/** A running worker, as far as the page cares. */
export interface WorkerHandle {
  readonly endpoint: Endpoint;
  /** the script could not be loaded, threw outside of a call, or sent what cannot be read */
  onError(listener: () => void): void;
  end(): void;
}

/** Makes workers. Without `again`, the first one is the only one. */
export interface WorkerSource {
  spawn(): WorkerHandle;
  readonly again: boolean;
}

/** The worker's functions as the page calls them. */
export type WorkerCalls = Omit<WorkerApi, "start"> & { start(options: WorkerOptions): Promise<void> };

/**
 * Speak to a worker: its functions, each of which rejects with a `CofferError` only, and its events in the
 * order of the replies.
 */
export function connectWorker(
  endpoint: Endpoint,
  onEvents: (events: readonly WorkerEvent[]) => void,
): WorkerCalls {
  installErrorReader(transferHandlers as never);
  endpoint.addEventListener("message", (message) => {
    const { data } = message as MessageEvent<unknown>;
    if (isEventMessage(data)) onEvents(data.events);
  });
  return wrap<WorkerApi>(endpoint) as unknown as WorkerCalls;
}

function isEventMessage(data: unknown): data is EventMessage {
  return Array.isArray((data as Partial<EventMessage> | null)?.events);
}

/**
 * Find out where workers come from: the caller's own, the caller's address, or the script beside this one.
 */
export function workerSource(worker: OpenCofferOptions["worker"]): WorkerSource {
  if (worker instanceof Worker)
    return { spawn: () => ({ ...ownedHandle(worker), end: () => undefined }), again: false };
  const make =
    worker === undefined
      ? spawnDefault
      : typeof worker === "function"
        ? worker
        : () => new Worker(scriptUrl(worker), { type: "module" });
  return { spawn: () => ownedHandle(make()), again: true };
}

function ownedHandle(worker: Worker): WorkerHandle {
  return {
    endpoint: worker,
    onError(listener) {
      worker.addEventListener("error", listener);
      worker.addEventListener("messageerror", listener);
    },
    end: () => worker.terminate(),
  };
}

/**
 * Bundlers put their own address into the literal, and only the constructor sees it. So that it can be given
 * its trusted form there, the constructor is another one while the literal runs, which is synchronous.
 */
function spawnDefault(): Worker {
  const plain = globalThis.Worker;
  globalThis.Worker = new Proxy(plain, {
    construct: (target, [url, options]: [string | URL, unknown]) =>
      Reflect.construct(target, [scriptUrl(url), options]) as Worker,
  });
  try {
    return new Worker(new URL("../../worker/worker.ts", import.meta.url), { type: "module" });
  } finally {
    globalThis.Worker = plain;
  }
}

/** Workers must be of the page's origin: a script from elsewhere (a CDN) is imported by a module that is. */
function scriptUrl(url: string | URL): string {
  const { href, origin } = new URL(url, location.href);
  if (origin === location.origin || origin === "null") return trustedScriptUrl(href);
  const shim = new Blob([`import ${JSON.stringify(href)};`], { type: "text/javascript" });
  return trustedScriptUrl(URL.createObjectURL(shim));
}
