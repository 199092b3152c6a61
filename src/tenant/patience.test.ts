import { describe, expect, it } from "vitest";
import type { Release } from "../std/index.ts";
import { whenCalm } from "./patience.ts";

/** Time that passes when the test says so. */
function createClock() {
  const timers: { readonly afterMs: number; readonly run: () => void }[] = [];
  const setTimer = (afterMs: number, run: () => void): Release => {
    timers.push({ afterMs, run });
    return () => undefined;
  };
  /** Let the timers that are set run out. @returns how long that took */
  const pass = async (): Promise<number> => {
    const [timer] = timers.splice(0);
    timer?.run();
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    return timer?.afterMs ?? 0;
  };
  return { setTimer, pass };
}

describe("whoever is in no hurry", () => {
  it("waits until nothing is asked for a moment", async () => {
    const { setTimer, pass } = createClock();
    const serial = { askedCount: 4 };
    let isCalm = false;
    void whenCalm({ setTimer }, serial).then(() => (isCalm = true));
    for (let asked = 0; asked < 3; asked++) {
      serial.askedCount += 1;
      await pass();
      expect(isCalm).toBe(false);
    }
    await pass();
    expect(isCalm).toBe(true);
  });

  it("comes to its turn where there is no end of asking", async () => {
    const { setTimer, pass } = createClock();
    const serial = { askedCount: 0 };
    let isCalm = false;
    void whenCalm({ setTimer }, serial).then(() => (isCalm = true));
    let waitedMs = 0;
    while (!isCalm && waitedMs < 10_000) {
      serial.askedCount += 1;
      waitedMs += await pass();
    }
    expect(waitedMs).toBeGreaterThan(500);
    expect(waitedMs).toBeLessThan(2_000);
  });
});
