import { describe, expect, it } from "vitest";
import type { Env } from "../std/index.ts";
import type { TenantCore } from "./core.ts";
import { PageWriter, type WrittenPages } from "./page-writer.ts";
import { Serial } from "./serial.ts";

/** A page writer in a world whose clock stands still until it is moved, with the times of its flushes. */
function createWorld() {
  let nowMs = 0;
  const timers = new Map<() => void, number>();
  const env: Pick<Env, "monotonicMs" | "setTimer" | "withLock"> = {
    monotonicMs: () => nowMs,
    setTimer(delayMs, run) {
      timers.set(run, nowMs + delayMs);
      return () => timers.delete(run);
    },
    withLock: (_name, _options, step) => step(),
  };
  const flushes: number[] = [];
  const pages = {
    async collect() {
      flushes.push(nowMs);
    },
  };
  const written = { pages, judgedTo: () => 0, saveSnapshots: async () => undefined };
  const core = { world: { env }, store: { name: "store" }, serial: new Serial() };
  const writer = new PageWriter(core as unknown as TenantCore, written as unknown as WrittenPages);
  /** Let time pass, to each timer and what follows from it. */
  const pass = async (durationMs: number): Promise<void> => {
    const endMs = nowMs + durationMs;
    for (;;) {
      const [next] = [...timers].sort(([, a], [, b]) => a - b);
      if (next === undefined || next[1] > endMs) break;
      const [run, atMs] = next;
      nowMs = atMs;
      timers.delete(run);
      run();
      await new Promise((resolve) => setImmediate(resolve));
    }
    nowMs = endMs;
  };
  return { writer, flushes, pass };
}

describe("the page writer", () => {
  it("waits until writing has gone quiet", async () => {
    const { writer, flushes, pass } = createWorld();
    await pass(1_000);
    flushes.length = 0;
    for (let change = 0; change < 10; change++) {
      writer.schedule();
      await pass(300);
    }
    expect(flushes).toEqual([]);
    await pass(2_000);
    expect(flushes).toEqual([1_000 + 9 * 300 + 400]);
  });

  it("does not wait for ever while writing goes on", async () => {
    const { writer, flushes, pass } = createWorld();
    await pass(1_000);
    flushes.length = 0;
    for (let change = 0; change < 100; change++) {
      writer.schedule();
      await pass(200);
    }
    expect(flushes.slice(0, 2)).toEqual([1_000 + 6_400, 1_000 + 2 * 6_400]);
  });

  it("writes what changed before it is closed", async () => {
    const { writer, flushes, pass } = createWorld();
    await pass(1_000);
    flushes.length = 0;
    writer.schedule();
    await writer.close();
    expect(flushes).toEqual([1_000]);
    await pass(10_000);
    expect(flushes).toEqual([1_000]);
  });
});
