/**
 * The dedicated worker: owns store, keys and merging. A composition root: it makes the world and answers the page.
 *
 * It takes messages from its first line on; Automerge's wasm comes up when a document needs it, never before.
 */
import automergeWasmUrl from "@automerge/automerge/automerge.wasm?url";
import { expose, transfer, transferHandlers } from "comlink";
import { createFastHash, createWebCrypto } from "../src/crypto/index.ts";
import { createChangeCodec, createEngineFile } from "../src/doc/index.ts";
import { createSystemEnv, installErrorMessages, installErrorTransfer } from "../src/std/index.ts";
import { createDexieStorage, withNewJournal } from "../src/store/index.ts";
import { createTransport } from "../src/sync/index.ts";
import type { EventMessage, WorkerApi, WorkerEvent, WorkerOptions } from "./api.ts";
import { createService } from "./service.ts";

declare const self: DedicatedWorkerGlobalScope;

installErrorMessages();
const env = createSystemEnv();
env.mark("worker running");
const crypto = createWebCrypto(env, createFastHash().sha256);
const codec = createChangeCodec((bytes) => crypto.sha256(bytes));

const service = createService((options) => {
  const engine = createEngineFile(env, options.wasmUrl ?? automergeWasmUrl);
  return {
    env,
    crypto,
    codec,
    storage: withNewJournal(createDexieStorage(env)),
    scope: options.name,
    openTransport: (url) => createTransport(env, url),
    loadEngine: async () => {
      const loaded = await engine.load();
      env.mark("engine ready");
      return loaded;
    },
    prepareEngine: () => engine.prepare(),
  };
});

function postEvents(events: readonly WorkerEvent[]): void {
  self.postMessage({ events } satisfies EventMessage);
}

/** Held until this worker dies: the page waits for the lock and so sees the death at once. */
function holdLifeLock(name: string): void {
  env.withLock(name, {}, () => new Promise<never>(() => undefined)).catch(() => undefined);
}

const api: Omit<WorkerApi, "start"> & { start(options: WorkerOptions): Promise<void> } = {
  ...service,
  async readPart(...args) {
    const bytes = await service.readPart(...args);
    return transfer(bytes, [bytes.buffer]);
  },
  async readPieces(...args) {
    const pieces = await service.readPieces(...args);
    return transfer(
      pieces,
      pieces.map(({ buffer }) => buffer),
    );
  },
  start(options) {
    holdLifeLock(options.lifeLock);
    return service.start(options, postEvents);
  },
};

installErrorTransfer(transferHandlers as never);
expose(api);
