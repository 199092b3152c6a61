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
import { CofferError, type CommitHash } from "../std/index.ts";
import { runOnce } from "../sync/index.ts";
import { LogFrame, tellFrame, type LogOutcome } from "./log-frame.ts";
import {
  createLogWorld,
  killTab,
  recordsOf,
  storeNameOf,
  type LogDevice,
  type LogTab,
  type LogWorld,
} from "./log-world.ts";
import { createRandom } from "./pcg32.ts";
import { drawPlan } from "./plan.ts";

/** Breaks something, once the world is set up: for tests of the oracles. */
export type Sabotage = (world: LogWorld) => void;

const operationCount = 24;
const roundMs = 10_000;
const burst = { chance: 0.1, count: 12 };

/** Tell the story of one seed. What goes wrong is in the outcome. */
export async function simulateLogs(seed: number, sabotage?: Sabotage): Promise<LogOutcome> {
  const random = createRandom(seed, 3);
  const deviceCount = random.pick([2, 2, 3, 4]);
  const plan = drawPlan(random, operationCount);
  const world = await createLogWorld(seed, deviceCount);
  const frame = new LogFrame(world, plan);
  const story = new LogStory(frame);
  const tell = async (): Promise<void> => {
    sabotage?.(world);
    await story.tell();
  };
  return tellFrame(
    seed,
    frame,
    tell,
    () => story.heal(),
    () => story.check(),
    () => story.end(),
  );
}

class LogStory {
  readonly #frame: LogFrame;
  #lostServerAtMs = -Infinity;

  constructor(frame: LogFrame) {
    this.#frame = frame;
  }

  get #world(): LogWorld {
    return this.#frame.world;
  }

  /** Operations begin one after the other, whether or not those before have ended. */
  async tell(): Promise<void> {
    const { plan, random } = this.#frame;
    const { network, scheduler, devices } = this.#world;
    network.weather = plan.weather;
    for (const device of devices) this.#frame.breakDisk(device);
    for (let count = 0; count < operationCount; count++) {
      await this.#begin();
      const isLong = random.chance(0.05);
      await scheduler.run(random.fraction() * (isLong ? 40_000 : plan.gapMs));
    }
  }

  /** Everything is up and online, and nothing fails any more. */
  async heal(): Promise<void> {
    this.#frame.calm();
    for (const device of this.#world.devices) {
      device.origin.setOnline(true);
      if (device.tabs.length === 0) this.#frame.open(device);
    }
    await this.#frame.untilIdle();
  }

  async check(): Promise<void> {
    const difference = async () => this.#busyLink() ?? (await this.#difference());
    if (await this.#frame.converge(roundMs, difference)) this.#checkAlarms();
  }

  /** Whoever closes leaves nothing that would wake it, and no session. */
  async end(): Promise<void> {
    const { scheduler, server } = this.#world;
    await this.#frame.closeTabs(100);
    await scheduler.run(60_000);
    const left = server.relay.liveCount();
    if (left > 0) this.#frame.violate("liveness", `${left} live sessions of nobody`);
  }

  async #begin(): Promise<void> {
    const { plan, random } = this.#frame;
    const device = random.pick(this.#world.devices);
    const tab = device.tabs.length === 0 ? undefined : random.pick(device.tabs);
    const draw = random.below(100);
    const { allows } = plan;
    if (tab === undefined) return this.#frame.open(device);
    if (draw < 55) return this.#frame.write(device, tab, burst);
    if (draw < 62)
      return this.#frame.run("syncs", () => this.#promised(device, () => tab.runner.sync()), tab.env);
    if (draw < 67) return this.#syncOnce(device, tab);
    if (draw < 71 && allows.tabs && device.tabs.length < 3) return this.#frame.open(device);
    if (draw < 79 && allows.offline) return device.origin.setOnline(!device.origin.isOnline);
    if (draw < 86 && allows.crash) return killTab(this.#world, device, tab);
    if (draw < 90 && allows.powerLoss) return this.#frame.losePower(device);
    if (draw < 92) return this.#crowdServer();
    if (draw < 94 && allows.serverRestart) return void this.#world.server.restart();
    if (draw < 97 && allows.serverLoss) return this.#loseServer();
    if (allows.clockJump) device.origin.clockSkewMs = Math.floor((random.fraction() - 0.5) * 6e10);
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
    this.#frame.run("syncs once", () => this.#promised(device, cycle).finally(() => env.kill()), env);
  }

  /** What a cycle that ends well promises. */
  async #promised(device: LogDevice, cycle: () => Promise<unknown>): Promise<void> {
    const written = this.#frame.acknowledged.filter((one) => one.device === device);
    const atServer = await this.#storedHashes();
    const lostAtMs = this.#lostServerAtMs;
    const losses = this.#frame.powerLosses.get(device);
    if ((await cycle()) === "busy") return;
    if (this.#lostServerAtMs !== lostAtMs || this.#frame.powerLosses.get(device) !== losses) return;
    const stored = await this.#storedHashes();
    const here = new Set((await recordsOf(this.#world, device)).map(({ commitHash }) => commitHash));
    for (const { commitHash } of written)
      if (!stored.has(commitHash)) this.#frame.violate("synced", `${device.name} has not sent ${commitHash}`);
    for (const hash of atServer)
      if (!here.has(hash)) this.#frame.violate("synced", `${device.name} has not got ${hash}`);
  }

  async #storedHashes(): Promise<ReadonlySet<CommitHash>> {
    const { server, tenant } = this.#world;
    return new Set((await server.commits(tenant.tenantId)).map(({ commitHash }) => commitHash));
  }

  /** For a while most appends meet another one, so that the server puts them off. */
  #crowdServer(): void {
    const { random } = this.#frame;
    const { scheduler, server } = this.#world;
    const endsAtMs = scheduler.nowMs + random.fraction() * 5000;
    const isCrowded = (): boolean => scheduler.nowMs < endsAtMs && random.chance(0.9);
    server.fault = { onAppend: () => (isCrowded() ? { kind: "stale" } : undefined) };
  }

  #loseServer(): void {
    // Epochs count seconds: nobody restores the same server twice within one.
    const { scheduler, server } = this.#world;
    if (scheduler.nowMs - this.#lostServerAtMs < 10_000) return;
    this.#lostServerAtMs = scheduler.nowMs;
    void server.restore(this.#frame.random);
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
    for (const text of refused) this.#frame.violate("alarms", `refused: ${text}`);
    for (const { device, alarm } of alarms)
      if (this.#lostServerAtMs === -Infinity || !["rollback", "withheld"].includes(alarm.kind))
        this.#frame.violate("alarms", `${device}: ${alarm.kind}`);
  }
}
