/**
 * One story of a world of logs from one seed: writes and troubles, the end of all faults, and what must hold then.
 *
 * | oracle | says |
 * |---|---|
 * | acknowledged | what was stored is in every device's log in the end, unless a loss of power took it before anybody had it |
 * | synced | when a cycle ends well, the server holds what was acknowledged before it began, and the device what the server held then |
 * | converged | all devices and the server hold the same commits, each once; links are live, with nothing left to move |
 * | gapless | the positions of a log and of the server's logs have no hole |
 * | alarms | nobody is accused of anything, unless the server came back from an older backup |
 * | liveness | whatever was asked for has ended; a device that is closed leaves no timer |
 */
import { CofferError, isCofferError, type CommitHash } from "../std/index.ts";
import { runOnce } from "../sync/index.ts";
import { expectedCodes } from "./expected-codes.ts";
import {
  createLogWorld,
  killTab,
  openTab,
  recordsOf,
  storeNameOf,
  writeCommit,
  type LogDevice,
  type LogTab,
  type LogWorld,
} from "./log-world.ts";
import { createRandom, type Random } from "./pcg32.ts";
import type { SimWorkerEnv } from "./sim-env.ts";
import { drawPlan, type Plan } from "./plan.ts";

/** What did not hold. */
export interface LogViolation {
  readonly oracle: string;
  readonly message: string;
}

/** How a story ended. */
export interface LogOutcome {
  readonly seed: number;
  readonly violations: readonly LogViolation[];
  readonly traceHash: string;
  readonly trace: readonly string[];
  readonly eventCount: number;
  readonly acknowledgedCount: number;
  /** how often each thing was begun */
  readonly counts: ReadonlyMap<string, number>;
}

interface Acknowledged {
  readonly commitHash: CommitHash;
  readonly device: LogDevice;
  /** the length of the device's journal by then: a loss of power that keeps less may have taken it */
  readonly journalLength: number;
}

/** Breaks something, once the world is set up: for tests of the oracles. */
export type Sabotage = (world: LogWorld) => void;

const operationCount = 24;
const maxRounds = 40;
const roundMs = 10_000;

/** Tell the story of one seed. What goes wrong is in the outcome. */
export async function simulateLogs(seed: number, sabotage?: Sabotage): Promise<LogOutcome> {
  const random = createRandom(seed, 3);
  const deviceCount = random.pick([2, 2, 3, 4]);
  const plan = drawPlan(random, operationCount);
  const world = await createLogWorld(seed, deviceCount);
  const story = new LogStory(world, plan);
  const onUnhandled = (reason: unknown): void => story.violate("rejections", textOf(reason));
  process.on("unhandledRejection", onUnhandled);
  try {
    sabotage?.(world);
    await story.tell();
    await story.heal();
    await story.check();
    await story.end();
  } catch (error) {
    story.violate("simulation", textOf(error));
  } finally {
    process.off("unhandledRejection", onUnhandled);
  }
  const { scheduler } = world;
  return {
    seed,
    violations: story.violations,
    traceHash: scheduler.traceHash(),
    trace: scheduler.trace(),
    eventCount: scheduler.eventCount,
    acknowledgedCount: story.acknowledgedCount,
    counts: story.counts,
  };
}

/** What a person needs to see of a story that failed. */
export function describeLogs({ seed, violations, trace }: LogOutcome, lineCount = 60): string {
  const found = violations.map(({ oracle, message }) => `${oracle}: ${message}`);
  return [`SEED=${seed}`, ...found, "the last events:", ...trace.slice(-lineCount)].join("\n");
}

const textOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error);

class LogStory {
  readonly violations: LogViolation[] = [];
  readonly counts = new Map<string, number>();
  readonly #world: LogWorld;
  readonly #plan: Plan;
  readonly #random: Random;
  readonly #running = new Set<string>();
  #acknowledged: Acknowledged[] = [];
  #lostServerAtMs = -Infinity;
  readonly #powerLosses = new Map<LogDevice, number>();
  #operationCount = 0;

  constructor(world: LogWorld, plan: Plan) {
    this.#world = world;
    this.#plan = plan;
    this.#random = world.scheduler.random.fork();
  }

  get acknowledgedCount(): number {
    return this.#acknowledged.length;
  }

  violate(oracle: string, message: string): void {
    this.#world.scheduler.note(`VIOLATION ${oracle}: ${message}`);
    this.violations.push({ oracle, message });
  }

  /** Operations begin one after the other, whether or not those before have ended. */
  async tell(): Promise<void> {
    const { network, scheduler, devices } = this.#world;
    network.weather = this.#plan.weather;
    for (const device of devices) this.#breakDisk(device);
    for (let count = 0; count < operationCount; count++) {
      await this.#begin();
      const isLong = this.#random.chance(0.05);
      await scheduler.run(this.#random.fraction() * (isLong ? 40_000 : this.#plan.gapMs));
    }
  }

  /** Everything is up and online, and nothing fails any more. */
  async heal(): Promise<void> {
    const { network, scheduler, devices } = this.#world;
    scheduler.note("faults end");
    network.weather = { latencyMs: 20, lost: 0, deaf: 0, cut: 0, doubled: 0, refused: 0, hangUp: 0 };
    for (const device of devices) {
      device.disk.fault = {};
      device.origin.clockSkewMs = 0;
      device.origin.setOnline(true);
      if (device.tabs.length === 0) this.#open(device);
    }
    await this.#untilIdle();
  }

  async check(): Promise<void> {
    const { scheduler, devices } = this.#world;
    let why = "";
    for (let round = 0; round < maxRounds; round++) {
      await scheduler.run(roundMs);
      why = this.#busyLink() ?? (await this.#difference()) ?? "";
      if (why === "") break;
    }
    if (why !== "") return this.violate("converged", why);
    const [device] = devices;
    if (device === undefined) throw new Error("a world has a device");
    const held = new Set((await recordsOf(this.#world, device)).map(({ commitHash }) => commitHash));
    for (const { commitHash, device: writer } of this.#acknowledged)
      if (!held.has(commitHash)) this.violate("acknowledged", `${commitHash} of ${writer.name} is nowhere`);
    this.#checkAlarms();
  }

  /** Whoever closes leaves nothing that would wake it. */
  async end(): Promise<void> {
    const { scheduler, server, devices } = this.#world;
    for (const { tabs } of devices)
      for (const { runner, env } of tabs) {
        await scheduler.settle(runner.stop());
        await scheduler.run(100);
        if (env.timersMs.length > 0)
          this.violate("liveness", `${env.name} has timers: ${env.timersMs.join(" ")}`);
      }
    await scheduler.run(60_000);
    const left = server.relay.liveCount();
    if (left > 0) this.violate("liveness", `${left} live sessions of nobody`);
  }

  async #begin(): Promise<void> {
    const { devices } = this.#world;
    const device = this.#random.pick(devices);
    const tab = device.tabs.length === 0 ? undefined : this.#random.pick(device.tabs);
    const draw = this.#random.below(100);
    const { allows } = this.#plan;
    if (tab === undefined) return this.#open(device);
    if (draw < 55) return this.#write(device, tab);
    if (draw < 62) return this.#run("syncs", () => this.#promised(device, () => tab.runner.sync()), tab.env);
    if (draw < 67) return this.#syncOnce(device, tab);
    if (draw < 71 && allows.tabs && device.tabs.length < 3) return this.#open(device);
    if (draw < 79 && allows.offline) return device.origin.setOnline(!device.origin.isOnline);
    if (draw < 86 && allows.crash) return killTab(this.#world, device, tab);
    if (draw < 90 && allows.powerLoss) return this.#losePower(device);
    if (draw < 92) return this.#crowdServer();
    if (draw < 94 && allows.serverRestart) return void this.#world.server.restart();
    if (draw < 97 && allows.serverLoss) return this.#loseServer();
    if (allows.clockJump) device.origin.clockSkewMs = Math.floor((this.#random.fraction() - 0.5) * 6e10);
  }

  #open(device: LogDevice): void {
    const env = device.origin.openWorker();
    this.#run("opens", () => openTab(this.#world, device, env), env);
  }

  #write(device: LogDevice, tab: LogTab): void {
    const dbId = this.#random.pick(this.#world.tenant.dbIds);
    const many = this.#random.chance(0.1) ? 12 : 1 + this.#random.below(2);
    for (let i = 0; i < many; i++)
      this.#run(
        "writes",
        async () => {
          const commitHash = await writeCommit(this.#world, device, tab, dbId);
          this.#world.scheduler.note(`acknowledged ${commitHash.slice(0, 6)}`);
          this.#acknowledged.push({ commitHash, device, journalLength: device.disk.journalLength });
        },
        tab.env,
      );
  }

  /** As the service worker does, in a thread of its own. */
  #syncOnce(device: LogDevice, { crypto }: LogTab): void {
    const { name, origin, disk, person } = device;
    const { network, tenant, alarms } = this.#world;
    const env = origin.openWorker();
    const cycle = async (): Promise<unknown> => {
      const store = await disk.open(env).openStore(storeNameOf(tenant));
      const outcome = await runOnce({
        env,
        crypto,
        store,
        transport: network.open(env),
        tenantId: tenant.tenantId,
        signer: { key: person.key, privateKey: person.signing.privateKey },
        onAlarm: (alarm) => void alarms.push({ device: name, alarm }),
      });
      if (outcome !== "busy" && outcome.code !== undefined) throw new CofferError(outcome.code);
      return outcome;
    };
    this.#run("syncs once", () => this.#promised(device, cycle).finally(() => env.kill()), env);
  }

  /** What a cycle that ends well promises. */
  async #promised(device: LogDevice, cycle: () => Promise<unknown>): Promise<void> {
    const written = this.#acknowledged.filter((one) => one.device === device);
    const atServer = await this.#storedHashes();
    const lostAtMs = this.#lostServerAtMs;
    const losses = this.#powerLosses.get(device);
    if ((await cycle()) === "busy") return;
    if (this.#lostServerAtMs !== lostAtMs || this.#powerLosses.get(device) !== losses) return;
    const stored = await this.#storedHashes();
    const here = new Set((await recordsOf(this.#world, device)).map(({ commitHash }) => commitHash));
    for (const { commitHash } of written)
      if (!stored.has(commitHash)) this.violate("synced", `${device.name} has not sent ${commitHash}`);
    for (const hash of atServer)
      if (!here.has(hash)) this.violate("synced", `${device.name} has not got ${hash}`);
  }

  async #storedHashes(): Promise<ReadonlySet<CommitHash>> {
    const { server, tenant } = this.#world;
    return new Set((await server.commits(tenant.tenantId)).map(({ commitHash }) => commitHash));
  }

  /** Begin something and watch how it ends. A worker that dies takes what it was doing with it. */
  #run(label: string, operation: () => Promise<unknown>, env?: SimWorkerEnv): void {
    const name = `${label} ${++this.#operationCount}`;
    this.counts.set(label, (this.counts.get(label) ?? 0) + 1);
    this.#running.add(name);
    this.#world.scheduler.note(name);
    const end = (): void => void this.#running.delete(name);
    env?.onDeath(end);
    operation().then(end, (error: unknown) => {
      end();
      if (!isCofferError(error) || !expectedCodes.has(error.code)) this.violate("errors", textOf(error));
    });
  }

  async #untilIdle(): Promise<void> {
    for (let waitedMs = 0; this.#running.size > 0 && waitedMs < 200_000; waitedMs += 1000)
      await this.#world.scheduler.run(1000);
    for (const name of this.#running) this.violate("liveness", `${name} never ended`);
  }

  #breakDisk({ disk }: LogDevice): void {
    const { diskFailure } = this.#plan;
    if (diskFailure === 0) return;
    const fails = (): boolean => this.#random.chance(diskFailure);
    disk.fault = {
      failWrite: () => (fails() ? new CofferError("store/quota") : undefined),
      loseAnswer: () => (fails() ? new CofferError("store/failed", { outcome: "unknown" }) : undefined),
    };
  }

  async #losePower(device: LogDevice): Promise<void> {
    const { scheduler } = this.#world;
    scheduler.note(`${device.name} loses power`);
    this.#powerLosses.set(device, (this.#powerLosses.get(device) ?? 0) + 1);
    for (const tab of device.tabs.slice()) killTab(this.#world, device, tab);
    for (const worker of Array.from(device.origin.workers)) worker.kill();
    await device.disk.losePower(this.#random);
    const kept = device.disk.journalLength;
    this.#acknowledged = this.#acknowledged.filter(
      (one) => one.device !== device || one.journalLength <= kept,
    );
  }

  /** For a while most appends meet another one, so that the server puts them off. */
  #crowdServer(): void {
    const { scheduler, server } = this.#world;
    const endsAtMs = scheduler.nowMs + this.#random.fraction() * 5000;
    const isCrowded = (): boolean => scheduler.nowMs < endsAtMs && this.#random.chance(0.9);
    server.fault = { onAppend: () => (isCrowded() ? { kind: "stale" } : undefined) };
  }

  #loseServer(): void {
    // Epochs count seconds: nobody restores the same server twice within one.
    const { scheduler, server } = this.#world;
    if (scheduler.nowMs - this.#lostServerAtMs < 10_000) return;
    this.#lostServerAtMs = scheduler.nowMs;
    void server.restore(this.#random);
  }

  #busyLink(): string | undefined {
    for (const { name, tabs } of this.#world.devices)
      for (const { runner } of tabs) {
        const { phase, pendingPush, pendingPull, error } = runner.status;
        if (phase !== "live" || pendingPush > 0 || pendingPull > 0)
          return `${name}: ${phase}, ${pendingPush} to push, ${pendingPull} to pull, ${error ?? "no error"}`;
      }
    return undefined;
  }

  /** What keeps the logs apart, if anything does. */
  async #difference(): Promise<string | undefined> {
    const { server, tenant, devices, scheduler } = this.#world;
    const stored = await scheduler.settle(server.commits(tenant.tenantId));
    const expected = stored.map(({ commitHash }) => commitHash).toSorted();
    if (new Set(expected).size !== expected.length) return "the server holds a commit twice";
    for (const dbId of [tenant.directoryDbId, ...tenant.dbIds]) {
      const seqs = stored.filter((one) => one.dbId === dbId).map(({ seq }) => seq);
      if (seqs.some((seq, index) => seq !== index)) return "the server's log has a hole";
    }
    for (const device of devices) {
      const records = await recordsOf(this.#world, device);
      const hashes = records.map(({ commitHash }) => commitHash).toSorted();
      if (records.some(({ position }, index) => position !== index + 1)) return `${device.name} has a hole`;
      const lacks = expected.filter((hash) => !hashes.includes(hash));
      const own = hashes.filter((hash) => !expected.includes(hash));
      if (lacks.length > 0 || own.length > 0 || hashes.length !== expected.length)
        return `${device.name} lacks ${lacks.length}, the server lacks ${own.length} of it`;
    }
    return undefined;
  }

  #checkAlarms(): void {
    const { alarms, refused } = this.#world;
    for (const text of refused) this.violate("alarms", `refused: ${text}`);
    for (const { device, alarm } of alarms)
      if (this.#lostServerAtMs === -Infinity || !["rollback", "withheld"].includes(alarm.kind))
        this.violate("alarms", `${device}: ${alarm.kind}`);
  }
}
