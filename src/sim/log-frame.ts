/**
 * What stories of logs have in common: what was acknowledged, what is under way and how it ended, the troubles of a device, and how a story is
 * told from its start to its end.
 */
import { CofferError, isCofferError, type CommitHash } from "../std/index.ts";
import { expectedCodes } from "./expected-codes.ts";
import {
  killTab,
  openTab,
  recordsOf,
  writeCommit,
  type LogDevice,
  type LogTab,
  type LogWorld,
} from "./log-world.ts";
import type { Random } from "./pcg32.ts";
import type { Plan } from "./plan.ts";
import type { SimWorkerEnv } from "./sim-env.ts";
import { tellSteps, textOf, type Violation } from "./telling.ts";

/** How a story ended. */
export interface LogOutcome {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly traceHash: string;
  readonly trace: readonly string[];
  readonly eventCount: number;
  readonly acknowledgedCount: number;
  /** how often each thing was begun */
  readonly counts: ReadonlyMap<string, number>;
}

/** A commit that its writer was told is stored. */
export interface Acknowledged {
  readonly commitHash: CommitHash;
  readonly device: LogDevice;
  /** the length of the device's journal by then: a loss of power that keeps less may have taken it */
  readonly journalLength: number;
}

const maxRounds = 40;

/** What is kept of one story while it is told. */
export class LogFrame {
  readonly world: LogWorld;
  readonly plan: Plan;
  readonly random: Random;
  readonly violations: Violation[] = [];
  readonly counts = new Map<string, number>();
  readonly powerLosses = new Map<LogDevice, number>();
  acknowledged: readonly Acknowledged[] = [];
  readonly #running = new Set<string>();
  readonly #alsoExpected: ReadonlySet<string>;
  #operationCount = 0;

  /** @param alsoExpected codes with which an operation of this kind of story may fail, too */
  constructor(world: LogWorld, plan: Plan, alsoExpected: ReadonlySet<string> = new Set()) {
    this.world = world;
    this.plan = plan;
    this.random = world.scheduler.random.fork();
    this.#alsoExpected = alsoExpected;
  }

  violate(oracle: string, message: string): void {
    this.world.scheduler.note(`VIOLATION ${oracle}: ${message}`);
    this.violations.push({ oracle, message });
  }

  count(label: string): void {
    this.counts.set(label, (this.counts.get(label) ?? 0) + 1);
  }

  /** Begin something and watch how it ends. A worker that dies takes what depends on it along. */
  run(label: string, operation: () => Promise<unknown>, ...workers: readonly SimWorkerEnv[]): void {
    const name = `${label} ${++this.#operationCount}`;
    this.count(label);
    this.#running.add(name);
    this.world.scheduler.note(name);
    const end = (): void => void this.#running.delete(name);
    for (const worker of workers) worker.onDeath(end);
    operation().then(end, (error: unknown) => {
      end();
      const isExpected =
        isCofferError(error) && (expectedCodes.has(error.code) || this.#alsoExpected.has(error.code));
      if (!isExpected) this.violate("errors", textOf(error));
    });
  }

  async untilIdle(): Promise<void> {
    for (let waitedMs = 0; this.#running.size > 0 && waitedMs < 200_000; waitedMs += 1000)
      await this.world.scheduler.run(1000);
    for (const name of this.#running) this.violate("liveness", `${name} never ended`);
  }

  open(device: LogDevice): void {
    const env = device.origin.openWorker();
    this.run("opens", () => openTab(this.world, device, env), env);
  }

  /** Write one commit or two, now and then a burst of them. */
  write(device: LogDevice, tab: LogTab, burst: { readonly chance: number; readonly count: number }): void {
    const dbId = this.random.pick(this.world.tenant.dbIds);
    const many = this.random.chance(burst.chance) ? burst.count : 1 + this.random.below(2);
    for (let i = 0; i < many; i++)
      this.run(
        "writes",
        async () => {
          const commitHash = await writeCommit(this.world, device, tab, dbId);
          this.world.scheduler.note(`acknowledged ${commitHash.slice(0, 6)}`);
          const { journalLength } = device.disk;
          this.acknowledged = [...this.acknowledged, { commitHash, device, journalLength }];
        },
        tab.env,
      );
  }

  breakDisk({ disk }: LogDevice): void {
    const { diskFailure } = this.plan;
    if (diskFailure === 0) return;
    const fails = (): boolean => this.random.chance(diskFailure);
    disk.fault = {
      failWrite: () => (fails() ? new CofferError("store/quota") : undefined),
      loseAnswer: () => (fails() ? new CofferError("store/failed", { outcome: "unknown" }) : undefined),
    };
  }

  async losePower(device: LogDevice): Promise<void> {
    const { scheduler } = this.world;
    scheduler.note(`${device.name} loses power`);
    this.count("loses power");
    this.powerLosses.set(device, (this.powerLosses.get(device) ?? 0) + 1);
    for (const tab of device.tabs.slice()) killTab(this.world, device, tab);
    for (const worker of Array.from(device.origin.workers)) worker.kill();
    await device.disk.losePower(this.random);
    const kept = device.disk.journalLength;
    this.acknowledged = this.acknowledged.filter((one) => one.device !== device || one.journalLength <= kept);
  }

  /** Nothing fails any more. */
  calm(): void {
    const { devices, network, scheduler } = this.world;
    scheduler.note("faults end");
    network.weather = { latencyMs: 20, lost: 0, deaf: 0, cut: 0, doubled: 0, refused: 0, hangUp: 0 };
    for (const device of devices) {
      device.disk.fault = {};
      device.origin.clockSkewMs = 0;
    }
  }

  /**
   * Let time pass until nothing keeps the logs apart, and hold them against what was acknowledged.
   *
   * @param difference says what does
   * @returns whether they came together
   */
  async converge(roundMs: number, difference: () => Promise<string | undefined>): Promise<boolean> {
    const { devices, scheduler } = this.world;
    let why = "";
    for (let round = 0; round < maxRounds; round++) {
      await scheduler.run(roundMs);
      why = (await difference()) ?? "";
      if (why === "") break;
    }
    if (why !== "") {
      this.violate("converged", why);
      return false;
    }
    const [device] = devices;
    if (device === undefined) throw new Error("a world has a device");
    const held = new Set((await recordsOf(this.world, device)).map(({ commitHash }) => commitHash));
    for (const { commitHash, device: writer } of this.acknowledged)
      if (!held.has(commitHash)) this.violate("acknowledged", `${commitHash} of ${writer.name} is nowhere`);
    return true;
  }

  /** Close every tab: who closes leaves nothing that would wake it after `withinMs`. */
  async closeTabs(withinMs: number): Promise<void> {
    const { devices, scheduler } = this.world;
    for (const { tabs } of devices)
      for (const { runner, env } of tabs) {
        await scheduler.settle(runner.stop());
        await scheduler.run(withinMs);
        if (env.timersMs.length > 0)
          this.violate("liveness", `${env.name} has timers: ${env.timersMs.join(" ")}`);
      }
  }
}

/** Tell a story of logs, step after step; what goes wrong is in the outcome. */
export async function tellFrame(
  seed: number,
  frame: LogFrame,
  ...steps: readonly (() => Promise<void>)[]
): Promise<LogOutcome> {
  await tellSteps(frame, ...steps);
  const { acknowledged, counts, violations } = frame;
  const { scheduler } = frame.world;
  return {
    seed,
    violations,
    traceHash: scheduler.traceHash(),
    trace: scheduler.trace(),
    eventCount: scheduler.eventCount,
    acknowledgedCount: acknowledged.length,
    counts,
  };
}
