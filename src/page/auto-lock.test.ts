import { beforeEach, describe, expect, it } from "vitest";
import { isCofferError, type Channel } from "../std/index.ts";
import { lockByItself } from "./auto-lock.ts";
import type { AutoLockLimits } from "./key-slot-types.ts";

/** A machine with a clock of its own, and tabs that hear each other. */
class Machine {
  steadyMs = 0;
  wallMs = 1_000_000;
  readonly #timers = new Map<number, { atMs: number; run: () => void }>();
  readonly #listeners = new Map<object, (message: unknown) => void>();
  #lastTimer = 0;
  locks = 0;

  /** Let time pass, and run what is due. */
  pass(ms: number): void {
    const endMs = this.steadyMs + ms;
    for (;;) {
      const next = [...this.#timers].toSorted(([, a], [, b]) => a.atMs - b.atMs)[0];
      if (next === undefined || next[1].atMs > endMs) break;
      this.#step(Math.max(0, next[1].atMs - this.steadyMs));
      this.#timers.delete(next[0]);
      next[1].run();
    }
    this.#step(endMs - this.steadyMs);
  }

  /** The machine sleeps: only the wall clock goes on, and nothing runs. */
  sleep(ms: number): void {
    this.wallMs += ms;
  }

  open(limits: AutoLockLimits): Tab {
    const target = new EventTarget();
    const document = Object.assign(new EventTarget(), { visibilityState: "visible" });
    const page = Object.assign(target, { document });
    const end = lockByItself(limits, {
      env: {
        monotonicMs: () => this.steadyMs,
        nowMs: () => this.wallMs,
        setTimer: (afterMs, run) => {
          const timer = (this.#lastTimer += 1);
          this.#timers.set(timer, { atMs: this.steadyMs + afterMs, run });
          return () => this.#timers.delete(timer);
        },
        openChannel: () => this.#openChannel(),
      },
      page,
      channel: "here",
      lock: async () => {
        this.locks += 1;
      },
    });
    return {
      end,
      touch: (kind = "keydown") => target.dispatchEvent(new Event(kind)),
      show: (isShown) => {
        document.visibilityState = isShown ? "visible" : "hidden";
        document.dispatchEvent(new Event("visibilitychange"));
      },
    };
  }

  get timerCount(): number {
    return this.#timers.size;
  }

  #openChannel(): Channel {
    const self = {};
    return {
      post: (message) => {
        for (const [other, hear] of this.#listeners) if (other !== self) hear(message);
      },
      onMessage: (listener) => {
        this.#listeners.set(self, listener);
        return () => this.#listeners.delete(self);
      },
      close: () => this.#listeners.delete(self),
    };
  }

  #step(ms: number): void {
    this.steadyMs += ms;
    this.wallMs += ms;
  }
}

interface Tab {
  end(): void;
  touch(kind?: string): void;
  show(isShown: boolean): void;
}

const minute = 60_000;
let machine: Machine;
beforeEach(() => {
  machine = new Machine();
});

describe("locking when nobody is there", () => {
  it("locks after the time without a key, a click or a touch, once, and again after that time", () => {
    const tab = machine.open({ idleMs: 5 * minute });
    for (const kind of ["keydown", "pointerdown", "pointermove", "wheel", "touchstart"]) {
      machine.pass(4 * minute);
      tab.touch(kind);
    }
    expect(machine.locks).toBe(0);
    machine.pass(5 * minute - 1);
    expect(machine.locks).toBe(0);
    machine.pass(1);
    expect(machine.locks).toBe(1);
    machine.pass(5 * minute);
    expect(machine.locks).toBe(2);
    tab.end();
  });

  it("somebody in one tab is somebody in all", () => {
    const [busy] = [machine.open({ idleMs: 5 * minute }), machine.open({ idleMs: 5 * minute })];
    for (let round = 0; round < 10; round++) {
      machine.pass(2 * minute);
      busy.touch();
    }
    expect(machine.locks).toBe(0);
    machine.pass(5 * minute);
    expect(machine.locks).toBe(2);
  });

  it("who comes back after a machine slept over the time finds it locked", () => {
    const tab = machine.open({ idleMs: 5 * minute });
    machine.sleep(60 * minute);
    tab.touch();
    expect(machine.locks).toBe(1);
    const other = new Machine();
    const seen = other.open({ idleMs: 5 * minute });
    other.sleep(60 * minute);
    seen.show(true);
    expect(other.locks).toBe(1);
  });

  it("a clock that is set back gains nobody time", () => {
    machine.open({ idleMs: 5 * minute });
    machine.pass(4 * minute);
    machine.wallMs -= 1000 * minute;
    machine.pass(minute);
    expect(machine.locks).toBe(1);
  });

  it("locks when it was out of view for the time, in every tab, and not while one is looked at", () => {
    const [first, second] = [machine.open({ hiddenMs: minute }), machine.open({ hiddenMs: minute })];
    first.show(false);
    machine.pass(20 * minute);
    expect(machine.locks).toBe(0);
    second.show(false);
    machine.pass(minute - 10_000);
    expect(machine.locks).toBe(0);
    machine.pass(10_000);
    expect(machine.locks).toBe(2);
  });

  it("coming back in time begins anew", () => {
    const tab = machine.open({ hiddenMs: minute });
    for (let round = 0; round < 5; round++) {
      tab.show(false);
      machine.pass(minute - 1);
      tab.show(true);
      machine.pass(10 * minute);
    }
    expect(machine.locks).toBe(0);
  });

  it("at once when that is asked for", () => {
    const tab = machine.open({ hiddenMs: 0 });
    tab.show(false);
    expect(machine.locks).toBe(1);
  });

  it("ends with what it gave: no timer, no listener", () => {
    const tab = machine.open({ hiddenMs: minute, idleMs: minute });
    tab.end();
    expect(machine.timerCount).toBe(0);
    machine.pass(100 * minute);
    tab.show(false);
    tab.touch();
    machine.pass(100 * minute);
    expect(machine.locks).toBe(0);
  });

  it.each([
    { idleMs: 999 },
    { idleMs: Number.NaN },
    { idleMs: Infinity },
    { hiddenMs: -1 },
    { hiddenMs: 10 },
  ])("refuses %o", (limits) => {
    let error: unknown;
    try {
      machine.open(limits);
    } catch (caught) {
      error = caught;
    }
    expect(isCofferError(error) && error.code).toBe("input/invalid");
    expect(machine.timerCount).toBe(0);
  });
});
