import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { isCofferError } from "../std/index.ts";
import type { DocEngine } from "./doc.ts";
import { createEngineFile } from "./engine-file.ts";
import type { WasmSource } from "./load.ts";

const url = "https://app.example/automerge.wasm";
const engine = { name: "the engine" } as unknown as DocEngine;
const bytes = Uint8Array.of(0, 97, 115, 109);

/** A world whose timers fire when they are told to, and whose network comes and goes. */
class World {
  isUp = true;
  /** requests are accepted and never answered */
  isStalled = false;
  asked = 0;
  readonly #online = new Set<(isOnline: boolean) => void>();

  readonly env = {
    setTimer: (afterMs: number, run: () => void) => {
      const timer = setTimeout(run, afterMs);
      return () => clearTimeout(timer);
    },
    onOnlineChange: (listener: (isOnline: boolean) => void) => {
      this.#online.add(listener);
      return () => this.#online.delete(listener);
    },
  };

  get listenerCount(): number {
    return this.#online.size;
  }

  goOnline(): void {
    this.isUp = true;
    for (const listener of this.#online) listener(true);
  }

  async answer(signal: AbortSignal | null | undefined): Promise<Response> {
    this.asked += 1;
    if (this.isStalled)
      await new Promise((_, reject) =>
        signal?.addEventListener("abort", () => reject(new DOMException("", "AbortError"))),
      );
    if (!this.isUp) throw new TypeError("Failed to fetch");
    return new Response(bytes);
  }

  /** As Automerge: fetches what it is given a request for. */
  readonly load = async (source: WasmSource): Promise<DocEngine> => {
    if (typeof source === "function") {
      expect(await source()).toEqual(bytes);
    } else {
      const { signal, url: asked } = source as Request;
      expect(asked).toBe(url);
      await this.answer(signal);
    }
    return engine;
  };
}

let world: World;
beforeEach(() => {
  vi.useFakeTimers();
  world = new World();
  vi.stubGlobal("fetch", (_url: string, { signal }: RequestInit) => world.answer(signal));
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const create = () => createEngineFile(world.env, url, world.load);

/** The code a promise rejects with, while the timers run. */
async function codeOf(promise: Promise<unknown>): Promise<string> {
  const outcome = promise.then(
    () => "resolved",
    (error: unknown) => (isCofferError(error) ? error.code : String(error)),
  );
  await vi.runAllTimersAsync();
  return outcome;
}

describe("what was fetched ahead", () => {
  it("is loaded without a network", async () => {
    const file = create();
    file.prepare();
    await vi.runAllTimersAsync();
    world.isUp = false;
    expect(await codeOf(file.load())).toBe("resolved");
    expect(world.listenerCount).toBe(0);
  });

  it("is loaded on a network that does not answer, soon", async () => {
    const file = create();
    file.prepare();
    await vi.runAllTimersAsync();
    world.isStalled = true;
    const loading = file.load();
    await vi.advanceTimersByTimeAsync(1_500);
    expect(await codeOf(loading)).toBe("resolved");
  });

  it("is fetched when the network comes back, and once only", async () => {
    world.isUp = false;
    const file = create();
    file.prepare();
    file.prepare();
    await vi.runAllTimersAsync();
    expect(world.asked).toBe(1);
    world.goOnline();
    await vi.runAllTimersAsync();
    expect({ asked: world.asked, listeners: world.listenerCount }).toEqual({ asked: 2, listeners: 0 });
    world.isUp = false;
    expect(await codeOf(file.load())).toBe("resolved");
  });

  it("is not asked for any more once the engine is there", async () => {
    const file = create();
    expect(await file.load()).toBe(engine);
    file.prepare();
    expect({ asked: world.asked, listeners: world.listenerCount }).toEqual({ asked: 1, listeners: 0 });
    expect(await file.load()).toBe(engine);
    expect(world.asked).toBe(1);
  });
});

describe("a load", () => {
  it("outlasts a network that flaps", async () => {
    world.isUp = false;
    const loading = create().load();
    await vi.advanceTimersByTimeAsync(700);
    world.goOnline();
    expect(await codeOf(loading)).toBe("resolved");
  });

  it("ends without a network, and the next one tries again", async () => {
    world.isUp = false;
    const file = create();
    expect(await codeOf(file.load())).toBe("net/offline");
    world.goOnline();
    expect(await codeOf(file.load())).toBe("resolved");
  });

  it("ends on a network that does not answer", async () => {
    world.isStalled = true;
    expect(await codeOf(create().load())).toBe("net/offline");
  });

  it("tells a file that is no wasm from a network that is away", async () => {
    const load = () => Promise.reject(new WebAssembly.CompileError("magic"));
    expect(await codeOf(createEngineFile(world.env, url, load).load())).toBe("worker/failed");
  });
});
