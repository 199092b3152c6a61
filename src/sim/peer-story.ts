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
import type { CommitHash } from "../std/index.ts";
import { linkPeer, type PeerLink } from "../sync/index.ts";
import { LogFrame, tellFrame, type LogOutcome } from "./log-frame.ts";
import {
  createLogWorld,
  killTab,
  recordsOf,
  type LogDevice,
  type LogTab,
  type LogWorld,
} from "./log-world.ts";
import { createRandom } from "./pcg32.ts";
import { drawPlan } from "./plan.ts";
import { fairPeers, openPeerWire, type PeerWeather } from "./sim-peers.ts";

/** How a story of peers differs from the usual one. */
export interface PeerStoryOptions {
  readonly deviceCount?: number;
  /** these, by their place, are down from the start until all faults end */
  readonly down?: readonly number[];
}

/** Two devices that are linked, each by one of its workers. */
interface Meeting {
  readonly devices: readonly [LogDevice, LogDevice];
  readonly links: readonly [PeerLink, PeerLink];
  readonly tabs: readonly [LogTab, LogTab];
}

const operationCount = 30;
const maxMeetings = 12;
const roundMs = 5000;
const burst = { chance: 0.15, count: 25 };
/** codes with which a link ends where the channel or the other end failed, or the disk did */
const linkCodes = new Set(["net/failed", "net/timeout", "aborted", "store/failed", "store/quota"]);

/** Tell the story of one seed. What goes wrong is in the outcome. */
export async function simulatePeers(seed: number, options: PeerStoryOptions = {}): Promise<LogOutcome> {
  const random = createRandom(seed, 5);
  const deviceCount = options.deviceCount ?? random.pick([2, 3, 3, 4, 5]);
  const plan = drawPlan(random, operationCount);
  const hasServer = random.chance(0.4);
  const frame = new LogFrame(await createLogWorld(seed, deviceCount), plan, linkCodes);
  const story = new PeerStory(frame, hasServer);
  const tell = () => story.tell(options.down ?? []);
  return tellFrame(
    seed,
    frame,
    tell,
    () => story.heal(),
    () => story.check(),
    () => story.end(),
  );
}

class PeerStory {
  readonly #frame: LogFrame;
  readonly #hasServer: boolean;
  readonly #meetings = new Set<Meeting>();
  /** links whose other end is dead, which they may not have heard */
  readonly #orphans = new Set<PeerLink>();
  #weather: PeerWeather;

  constructor(frame: LogFrame, hasServer: boolean) {
    this.#frame = frame;
    this.#hasServer = hasServer;
    const { cut, latencyMs, lost } = frame.plan.weather;
    this.#weather = { latencyMs, cut, lost };
  }

  get #world(): LogWorld {
    return this.#frame.world;
  }

  /** Operations begin one after the other, whether or not those before have ended. */
  async tell(down: readonly number[]): Promise<void> {
    const { network, scheduler, devices } = this.#world;
    network.weather = this.#frame.plan.weather;
    for (const [index, device] of devices.entries()) {
      if (!this.#hasServer || index > 0) device.origin.setOnline(false);
      if (down.includes(index)) for (const tab of device.tabs.slice()) killTab(this.#world, device, tab);
      this.#frame.breakDisk(device);
    }
    const up = devices.filter((_, index) => !down.includes(index));
    for (let count = 0; count < this.#frame.plan.operationCount; count++) {
      await this.#begin(up);
      const isLong = this.#frame.random.chance(0.05);
      await scheduler.run(this.#frame.random.fraction() * (isLong ? 40_000 : this.#frame.plan.gapMs));
    }
  }

  /** Everything is up, nothing fails any more, and there is a way from each device to each other. */
  async heal(): Promise<void> {
    const { devices } = this.#world;
    this.#frame.calm();
    this.#weather = fairPeers;
    this.#closeAll();
    for (const [index, device] of devices.entries()) {
      if (this.#hasServer && index === 0) device.origin.setOnline(true);
      if (device.tabs.length === 0) this.#frame.open(device);
    }
    await this.#frame.untilIdle();
    for (const [index, device] of devices.entries()) {
      const other = devices[this.#frame.random.below(Math.max(1, index))];
      if (index > 0 && other !== undefined) this.#meet(device, other);
    }
  }

  async check(): Promise<void> {
    const difference = async () => this.#busyLink() ?? (await this.#difference());
    if (!(await this.#frame.converge(roundMs, difference))) return;
    const { alarms, refused } = this.#world;
    for (const text of refused) this.#frame.violate("alarms", `refused: ${text}`);
    for (const { alarm, device: name } of alarms) this.#frame.violate("alarms", `${name}: ${alarm.kind}`);
  }

  /** Whoever closes leaves nothing that would wake it. */
  async end(): Promise<void> {
    this.#closeAll();
    await this.#frame.closeTabs(200);
  }

  async #begin(devices: readonly LogDevice[]): Promise<void> {
    const device = this.#frame.random.pick(devices);
    const tab = device.tabs.length === 0 ? undefined : this.#frame.random.pick(device.tabs);
    const draw = this.#frame.random.below(100);
    const { allows } = this.#frame.plan;
    if (tab === undefined) return this.#frame.open(device);
    if (draw < 40) return this.#frame.write(device, tab, burst);
    if (draw < 66) return this.#meet(device, this.#frame.random.pick(devices));
    if (draw < 72) return this.#part();
    if (draw < 78) return this.#syncMeeting();
    if (draw < 82 && allows.tabs && device.tabs.length < 3) return this.#frame.open(device);
    if (draw < 90 && allows.crash) return killTab(this.#world, device, tab);
    if (draw < 94 && allows.powerLoss) return this.#frame.losePower(device);
    if (draw < 97 && allows.offline && this.#hasServer) {
      const { origin } = devices[0] ?? device;
      return origin.setOnline(!origin.isOnline);
    }
    if (allows.serverRestart) void this.#world.server.restart();
  }

  /** Two devices find each other, whatever other meetings they are at. */
  #meet(a: LogDevice, b: LogDevice): void {
    if (a === b || a.tabs.length === 0 || b.tabs.length === 0 || this.#meetings.size >= maxMeetings) return;
    const tabs = [this.#frame.random.pick(a.tabs), this.#frame.random.pick(b.tabs)] as const;
    this.#frame.count("meets");
    const { network, scheduler } = this.#world;
    scheduler.note(`${tabs[0].env.name} meets ${tabs[1].env.name}`);
    const wire = { scheduler, random: this.#frame.random, weather: this.#weather, crossed: network.crossed };
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
      this.#frame.violate("errors", `a link of ${meeting.tabs[index].env.name} ended with ${error}`);
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
    this.#frame.count("parts");
    this.#frame.random.pick(this.#frame.random.pick(meetings).links).close();
  }

  /** What the end of a round promises to whoever asked for it. */
  #syncMeeting(): void {
    const meetings = [...this.#meetings];
    if (meetings.length === 0) return;
    const { devices, links, tabs } = this.#frame.random.pick(meetings);
    const link = this.#frame.random.pick(links);
    const [a, b] = devices;
    const before = this.#frame.acknowledged.filter(({ device }) => device === a || device === b);
    const losses = this.#losses(devices);
    this.#frame.run(
      "syncs",
      async () => {
        await link.sync();
        if (this.#losses(devices) !== losses) return;
        for (const device of devices) {
          const held = new Set((await recordsOf(this.#world, device)).map(({ commitHash }) => commitHash));
          for (const { commitHash } of before)
            if (!held.has(commitHash))
              this.#frame.violate("synced", `${device.name} has not got ${commitHash}`);
        }
      },
      ...tabs.map(({ env }) => env),
    );
  }

  #losses(devices: readonly LogDevice[]): number {
    return devices.reduce((sum, device) => sum + (this.#frame.powerLosses.get(device) ?? 0), 0);
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
