/**
 * One story of devices that meet as peers, from one seed: writes, meetings and troubles, the end of all faults, and what must hold then.
 *
 * In some stories no device reaches the server, in the others the first one alone does. Devices meet in twos, some at several meetings at
 * once; what one brings to another goes on from there. The rest is what stories of logs are, see log-story.ts.
 *
 * | oracle | says |
 * |---|---|
 * | acknowledged | what was stored is in every device's log in the end, unless a loss of power took it before anybody had it |
 * | synced | when a round is over that somebody asked for, each side has what the other had acknowledged before |
 * | converged | all devices hold the same commits, and the server too where one reaches it; every meeting is live |
 * | gapless | the positions of a log have no hole |
 * | alarms | nobody is accused of anything |
 * | liveness | whatever was asked for has ended; a device that is closed leaves no timer |
 *
 * A commit may lie in a log twice, where two links brought it at one moment.
 */
import { CofferError, isCofferError, type CommitHash } from "../std/index.ts";
import { linkPeer, type PeerLink } from "../sync/index.ts";
import { expectedCodes } from "./expected-codes.ts";
import {
  createLogWorld,
  killTab,
  openTab,
  recordsOf,
  writeCommit,
  type LogDevice,
  type LogTab,
  type LogWorld,
} from "./log-world.ts";
import { createRandom, type Random } from "./pcg32.ts";
import { drawPlan, type Plan } from "./plan.ts";
import { fairPeers, openPeerWire, type PeerWeather } from "./sim-peers.ts";
import type { LogOutcome, LogViolation } from "./log-story.ts";

/** How a story of peers differs from the usual one. */
export interface PeerStoryOptions {
  readonly deviceCount?: number;
  /** these, by their place, are down from the start until all faults end */
  readonly down?: readonly number[];
}

interface Acknowledged {
  readonly commitHash: CommitHash;
  readonly device: LogDevice;
  /** the length of the device's journal by then: a loss of power that keeps less may have taken it */
  readonly journalLength: number;
}

/** Two devices that are linked, each by one of its workers. */
interface Meeting {
  readonly devices: readonly [LogDevice, LogDevice];
  readonly links: readonly [PeerLink, PeerLink];
  readonly tabs: readonly [LogTab, LogTab];
}

const operationCount = 30;
const maxMeetings = 12;
const maxRounds = 40;
const roundMs = 5000;
/** codes with which a link ends where the channel or the other end failed, or the disk did */
const linkCodes = new Set(["net/failed", "net/timeout", "aborted", "store/failed", "store/quota"]);

/** Tell the story of one seed. What goes wrong is in the outcome. */
export async function simulatePeers(seed: number, options: PeerStoryOptions = {}): Promise<LogOutcome> {
  const random = createRandom(seed, 5);
  const deviceCount = options.deviceCount ?? random.pick([2, 3, 3, 4, 5]);
  const plan = drawPlan(random, operationCount);
  const hasServer = random.chance(0.4);
  const world = await createLogWorld(seed, deviceCount);
  const story = new PeerStory(world, plan, hasServer);
  const onUnhandled = (reason: unknown): void => story.violate("rejections", textOf(reason));
  process.on("unhandledRejection", onUnhandled);
  try {
    await story.tell(options.down ?? []);
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

const textOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error);

class PeerStory {
  readonly violations: LogViolation[] = [];
  readonly counts = new Map<string, number>();
  readonly #world: LogWorld;
  readonly #plan: Plan;
  readonly #hasServer: boolean;
  readonly #random: Random;
  readonly #running = new Set<string>();
  readonly #meetings = new Set<Meeting>();
  /** links whose other end is dead, which they may not have heard */
  readonly #orphans = new Set<PeerLink>();
  readonly #powerLosses = new Map<LogDevice, number>();
  #acknowledged: Acknowledged[] = [];
  #weather: PeerWeather;
  #operationCount = 0;

  constructor(world: LogWorld, plan: Plan, hasServer: boolean) {
    this.#world = world;
    this.#plan = plan;
    this.#hasServer = hasServer;
    this.#random = world.scheduler.random.fork();
    const { cut, latencyMs, lost } = plan.weather;
    this.#weather = { latencyMs, cut, lost };
  }

  get acknowledgedCount(): number {
    return this.#acknowledged.length;
  }

  violate(oracle: string, message: string): void {
    this.#world.scheduler.note(`VIOLATION ${oracle}: ${message}`);
    this.violations.push({ oracle, message });
  }

  /** Operations begin one after the other, whether or not those before have ended. */
  async tell(down: readonly number[]): Promise<void> {
    const { network, scheduler, devices } = this.#world;
    network.weather = this.#plan.weather;
    for (const [index, device] of devices.entries()) {
      if (!this.#hasServer || index > 0) device.origin.setOnline(false);
      if (down.includes(index)) for (const tab of device.tabs.slice()) killTab(this.#world, device, tab);
      this.#breakDisk(device);
    }
    const up = devices.filter((_, index) => !down.includes(index));
    for (let count = 0; count < this.#plan.operationCount; count++) {
      await this.#begin(up);
      const isLong = this.#random.chance(0.05);
      await scheduler.run(this.#random.fraction() * (isLong ? 40_000 : this.#plan.gapMs));
    }
  }

  /** Everything is up, nothing fails any more, and there is a way from each device to each other. */
  async heal(): Promise<void> {
    const { network, scheduler, devices } = this.#world;
    scheduler.note("faults end");
    network.weather = { latencyMs: 20, lost: 0, deaf: 0, cut: 0, doubled: 0, refused: 0, hangUp: 0 };
    this.#weather = fairPeers;
    this.#closeAll();
    for (const [index, device] of devices.entries()) {
      device.disk.fault = {};
      device.origin.clockSkewMs = 0;
      if (this.#hasServer && index === 0) device.origin.setOnline(true);
      if (device.tabs.length === 0) this.#open(device);
    }
    await this.#untilIdle();
    for (const [index, device] of devices.entries()) {
      const other = devices[this.#random.below(Math.max(1, index))];
      if (index > 0 && other !== undefined) this.#meet(device, other);
    }
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
    const { alarms, refused } = this.#world;
    for (const text of refused) this.violate("alarms", `refused: ${text}`);
    for (const { alarm, device: name } of alarms) this.violate("alarms", `${name}: ${alarm.kind}`);
  }

  /** Whoever closes leaves nothing that would wake it. */
  async end(): Promise<void> {
    const { scheduler, devices } = this.#world;
    this.#closeAll();
    for (const { tabs } of devices)
      for (const { runner, env } of tabs) {
        await scheduler.settle(runner.stop());
        await scheduler.run(200);
        if (env.timersMs.length > 0)
          this.violate("liveness", `${env.name} has timers: ${env.timersMs.join(" ")}`);
      }
  }

  async #begin(devices: readonly LogDevice[]): Promise<void> {
    const device = this.#random.pick(devices);
    const tab = device.tabs.length === 0 ? undefined : this.#random.pick(device.tabs);
    const draw = this.#random.below(100);
    const { allows } = this.#plan;
    if (tab === undefined) return this.#open(device);
    if (draw < 40) return this.#write(device, tab);
    if (draw < 66) return this.#meet(device, this.#random.pick(devices));
    if (draw < 72) return this.#part();
    if (draw < 78) return this.#syncMeeting();
    if (draw < 82 && allows.tabs && device.tabs.length < 3) return this.#open(device);
    if (draw < 90 && allows.crash) return killTab(this.#world, device, tab);
    if (draw < 94 && allows.powerLoss) return this.#losePower(device);
    if (draw < 97 && allows.offline && this.#hasServer) {
      const { origin } = devices[0] ?? device;
      return origin.setOnline(!origin.isOnline);
    }
    if (allows.serverRestart) void this.#world.server.restart();
  }

  #open(device: LogDevice): void {
    const env = device.origin.openWorker();
    this.#run("opens", () => openTab(this.#world, device, env), [env]);
  }

  #write(device: LogDevice, tab: LogTab): void {
    const dbId = this.#random.pick(this.#world.tenant.dbIds);
    const many = this.#random.chance(0.15) ? 25 : 1 + this.#random.below(2);
    for (let i = 0; i < many; i++)
      this.#run(
        "writes",
        async () => {
          const commitHash = await writeCommit(this.#world, device, tab, dbId);
          this.#world.scheduler.note(`acknowledged ${commitHash.slice(0, 6)}`);
          this.#acknowledged.push({ commitHash, device, journalLength: device.disk.journalLength });
        },
        [tab.env],
      );
  }

  /** Two devices find each other, whatever other meetings they are at. */
  #meet(a: LogDevice, b: LogDevice): void {
    if (a === b || a.tabs.length === 0 || b.tabs.length === 0 || this.#meetings.size >= maxMeetings) return;
    const tabs = [this.#random.pick(a.tabs), this.#random.pick(b.tabs)] as const;
    this.#count("meets");
    const { network, scheduler } = this.#world;
    scheduler.note(`${tabs[0].env.name} meets ${tabs[1].env.name}`);
    const wire = { scheduler, random: this.#random, weather: this.#weather, crossed: network.crossed };
    const channels = openPeerWire(wire, tabs[0].env, tabs[1].env);
    const linkOf = (index: 0 | 1): PeerLink => {
      const { crypto, env, store } = tabs[index];
      const { tenantId } = this.#world.tenant;
      const { key: userKey } = [a, b][index]?.person ?? a.person;
      const onStatus = ({ error, phase }: PeerLink["status"]): void => {
        if (phase === "closed") this.#closed(meeting, index, error);
      };
      return linkPeer({ env, crypto, store, tenantId, userKey, channel: channels[index], onStatus });
    };
    const meeting: Meeting = { devices: [a, b], links: [linkOf(0), linkOf(1)], tabs };
    this.#meetings.add(meeting);
    for (const [index, { env }] of tabs.entries())
      env.onDeath(() => {
        this.#meetings.delete(meeting);
        const other = meeting.links[index === 0 ? 1 : 0];
        if (other.status.phase !== "closed") this.#orphans.add(other);
      });
  }

  #closed(meeting: Meeting, index: 0 | 1, error: string | undefined): void {
    if (error !== undefined && !linkCodes.has(error))
      this.violate("errors", `a link of ${meeting.tabs[index].env.name} ended with ${error}`);
    this.#meetings.delete(meeting);
  }

  #closeAll(): void {
    for (const { links } of this.#meetings) for (const link of links) link.close();
    for (const link of this.#orphans) link.close();
    this.#orphans.clear();
  }

  #part(): void {
    const meetings = [...this.#meetings];
    if (meetings.length === 0) return;
    this.#count("parts");
    this.#random.pick(this.#random.pick(meetings).links).close();
  }

  /** What the end of a round promises to whoever asked for it. */
  #syncMeeting(): void {
    const meetings = [...this.#meetings];
    if (meetings.length === 0) return;
    const { devices, links, tabs } = this.#random.pick(meetings);
    const link = this.#random.pick(links);
    const [a, b] = devices;
    const before = this.#acknowledged.filter(({ device }) => device === a || device === b);
    const losses = this.#losses(devices);
    this.#run(
      "syncs",
      async () => {
        await link.sync();
        if (this.#losses(devices) !== losses) return;
        for (const device of devices) {
          const held = new Set((await recordsOf(this.#world, device)).map(({ commitHash }) => commitHash));
          for (const { commitHash } of before)
            if (!held.has(commitHash)) this.violate("synced", `${device.name} has not got ${commitHash}`);
        }
      },
      tabs.map(({ env }) => env),
    );
  }

  #losses(devices: readonly LogDevice[]): number {
    return devices.reduce((sum, device) => sum + (this.#powerLosses.get(device) ?? 0), 0);
  }

  #count(label: string): void {
    this.counts.set(label, (this.counts.get(label) ?? 0) + 1);
  }

  /** Begin something and watch how it ends. A worker that dies takes what depends on it along. */
  #run(label: string, operation: () => Promise<unknown>, workers: readonly LogTab["env"][]): void {
    const name = `${label} ${++this.#operationCount}`;
    this.#count(label);
    this.#running.add(name);
    this.#world.scheduler.note(name);
    const end = (): void => void this.#running.delete(name);
    for (const worker of workers) worker.onDeath(end);
    operation().then(end, (error: unknown) => {
      end();
      const isExpected = isCofferError(error) && (expectedCodes.has(error.code) || linkCodes.has(error.code));
      if (!isExpected) this.violate("errors", textOf(error));
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
    this.#count("loses power");
    this.#powerLosses.set(device, (this.#powerLosses.get(device) ?? 0) + 1);
    for (const tab of device.tabs.slice()) killTab(this.#world, device, tab);
    for (const worker of Array.from(device.origin.workers)) worker.kill();
    await device.disk.losePower(this.#random);
    const kept = device.disk.journalLength;
    this.#acknowledged = this.#acknowledged.filter(
      (one) => one.device !== device || one.journalLength <= kept,
    );
  }

  #busyLink(): string | undefined {
    for (const { links, tabs } of this.#meetings)
      for (const [index, { status }] of links.entries())
        if (status.phase !== "live") return `${tabs[index]?.env.name} is ${status.phase}`;
    if (this.#meetings.size < this.#world.devices.length - 1) return "a meeting is over";
    if (!this.#hasServer) return undefined;
    for (const { runner } of this.#world.devices[0]?.tabs ?? []) {
      const { error, pendingPull, pendingPush, phase } = runner.status;
      if (phase !== "live" || pendingPush > 0 || pendingPull > 0)
        return `the first is ${phase}, ${pendingPush} to push, ${pendingPull} to pull, ${error ?? "no error"}`;
    }
    return undefined;
  }

  /** What keeps the logs apart, if anything does. */
  async #difference(): Promise<string | undefined> {
    const { devices, scheduler, server, tenant } = this.#world;
    let expected: readonly CommitHash[] | undefined;
    if (this.#hasServer) {
      const stored = await scheduler.settle(server.commits(tenant.tenantId));
      expected = stored.map(({ commitHash }) => commitHash).toSorted();
    }
    for (const device of devices) {
      const records = await recordsOf(this.#world, device);
      const hashes = [...new Set(records.map(({ commitHash }) => commitHash))].toSorted();
      if (records.some(({ position }, index) => position !== index + 1)) return `${device.name} has a hole`;
      expected ??= hashes;
      if (hashes.join() !== expected.join())
        return `${device.name} has ${hashes.length} commits, others have ${expected.length}`;
    }
    return undefined;
  }
}
