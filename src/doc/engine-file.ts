/**
 * Automerge from the file that an application serves, on a network that comes and goes.
 *
 * Guarantees
 * - F1 once it was fetched ahead, a document can be opened and changed without a network
 * - F2 a load ends in bounded time: with the engine, or with `net/offline`, and the next call tries again
 *
 * What is fetched ahead is kept as a blob: outside of the thread's memory, and gone once the engine is there. A load asks the network
 * first all the same, which means its cache: what the browser streams from there it has compiled before.
 */
import { CofferError, type Env } from "../std/index.ts";
import type { DocEngine } from "./doc.ts";
import { loadAutomerge, type WasmSource } from "./load.ts";

/** of an attempt, where nothing was fetched ahead, and where something was */
const timeoutMs = { alone: 30_000, kept: 1_000 } as const;
/** waits before further attempts: a network that flaps is back by then */
const retryAfterMs = [200, 800, 2_000] as const;

/** Loads Automerge when a document needs it. */
export interface EngineFile {
  /** Load it, once. @throws `net/offline` when it cannot be had now, `worker/failed` when it is none */
  load(): Promise<DocEngine>;
  /** Fetch it ahead, without hurry: now, or when the network is back. */
  prepare(): void;
}

type World = Pick<Env, "setTimer" | "onOnlineChange">;

/** `load` is how an engine is made of a source; it is replaced in tests only. */
export function createEngineFile(
  env: World,
  url: string,
  load: (source: WasmSource) => Promise<DocEngine> = loadAutomerge,
): EngineFile {
  const file = new ServedFile(env, url);
  let loading: Promise<DocEngine> | undefined;
  const fromAnywhere = async (): Promise<DocEngine> => {
    const { kept } = file;
    const afterMs = kept === undefined ? timeoutMs.alone : timeoutMs.kept;
    try {
      return await within(env, afterMs, (signal) => load(new Request(url, { signal })));
    } catch (cause) {
      if (kept === undefined) throw cause;
      return load(async () => new Uint8Array(await kept.arrayBuffer()));
    }
  };
  const patiently = async (): Promise<DocEngine> => {
    for (let attempt = 0; ; attempt++) {
      try {
        return await fromAnywhere();
      } catch (cause) {
        const afterMs = retryAfterMs[attempt];
        if (afterMs === undefined) throw failureOf(cause);
        await new Promise<void>((resolve) => env.setTimer(afterMs, resolve));
      }
    }
  };
  return {
    load() {
      loading ??= patiently().then(
        (engine) => {
          file.forget();
          return engine;
        },
        (error: unknown) => {
          loading = undefined;
          throw error;
        },
      );
      return loading;
    },
    prepare() {
      if (loading === undefined) file.prepare();
    },
  };
}

/** The file, fetched ahead. */
class ServedFile {
  readonly #env: World;
  readonly #url: string;
  #kept: Blob | undefined;
  #isWanted = false;

  constructor(env: World, url: string) {
    this.#env = env;
    this.#url = url;
  }

  get kept(): Blob | undefined {
    return this.#kept;
  }

  /** Fetch it, now or when the network is back; once is enough. */
  prepare(): void {
    if (this.#isWanted) return;
    this.#isWanted = true;
    const release = this.#env.onOnlineChange((isOnline) => {
      if (isOnline) void attempt();
    });
    const attempt = async (): Promise<void> => {
      if (this.#isWanted && this.#kept === undefined) await this.#fetch().catch(() => undefined);
      if (!this.#isWanted || this.#kept !== undefined) release();
    };
    void attempt();
  }

  /** It is needed no more. */
  forget(): void {
    this.#isWanted = false;
    this.#kept = undefined;
  }

  async #fetch(): Promise<void> {
    await within(this.#env, timeoutMs.alone, async (signal) => {
      const response = await fetch(this.#url, { signal, priority: "low" });
      const blob = response.ok ? await response.blob() : undefined;
      if (this.#isWanted) this.#kept = blob;
    });
  }
}

async function within<T>(env: World, afterMs: number, run: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const over = new AbortController();
  const release = env.setTimer(afterMs, () => over.abort());
  try {
    return await run(over.signal);
  } finally {
    release();
  }
}

/** Bytes that are no wasm are the application's mistake, and stay one; anything else is the network's. */
function failureOf(cause: unknown): CofferError {
  const isBad = cause instanceof WebAssembly.CompileError || cause instanceof WebAssembly.LinkError;
  const what = "automerge.wasm";
  if (isBad) return new CofferError("worker/failed", { reason: what }, { cause });
  const message = "Documents cannot be opened or changed yet: a part of the database could not be loaded.";
  return new CofferError("net/offline", { what, message }, { cause });
}
