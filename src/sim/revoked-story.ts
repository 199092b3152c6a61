/**
 * One story of somebody who was revoked from one seed: what they wrote is on the devices of others, far more than a request holds; the server
 * begins anew with the directory alone, and is brought everything again through troubles.
 *
 * | oracle | says |
 * |---|---|
 * | converged | the server holds what the others wrote and of the revoked what the cut covers, each once, and nothing has to be pushed |
 * | acknowledged | what was stored is in a device's log in the end |
 * | liveness | whatever was asked for has ended; a device that is closed leaves no timer |
 */
import type { CommitHash } from "../std/index.ts";
import { LogFrame, tellFrame, type LogOutcome } from "./log-frame.ts";
import {
  createLogWorld,
  killTab,
  recordsOf,
  writeCommit,
  type LogDevice,
  type LogWorld,
} from "./log-world.ts";
import { createRandom } from "./pcg32.ts";
import { drawPlan } from "./plan.ts";

const operationCount = 16;
const roundMs = 10_000;
/** five of them fill a frame, and forty a request */
const plaintextBytes = 48_000;

/** Tell the story of one seed. What goes wrong is in the outcome. */
export async function simulateRevoked(seed: number): Promise<LogOutcome> {
  const random = createRandom(seed, 11);
  const plan = drawPlan(random, operationCount);
  const world = await createLogWorld(seed, 3, plaintextBytes);
  const frame = new LogFrame(world, { ...plan, diskFailure: 0 });
  const story = new RevokedStory(frame);
  return tellFrame(
    seed,
    frame,
    () => story.begin(),
    () => story.tell(),
    () => story.check(),
  );
}

class RevokedStory {
  readonly #frame: LogFrame;
  /** what the server must hold in the end */
  #expected: readonly CommitHash[] = [];

  constructor(frame: LogFrame) {
    this.#frame = frame;
  }

  get #world(): LogWorld {
    return this.#frame.world;
  }

  get #others(): readonly LogDevice[] {
    return this.#world.devices.slice(1);
  }

  /** Everybody writes and has everything; one of them is revoked, and the server loses all but the directory that says so. */
  async begin(): Promise<void> {
    const { random } = this.#frame;
    const { devices, network, scheduler, server, tenant } = this.#world;
    const [author, other] = devices;
    const [dbId] = tenant.dbIds;
    if (author === undefined || other === undefined || dbId === undefined) throw new Error("there are three");
    const line: CommitHash[] = [];
    const expected: CommitHash[] = [];
    const count = 50 + random.below(60);
    for (let at = 0; at < count; at++) {
      line.push(await this.#write(author, dbId));
      if (random.chance(0.2)) expected.push(await this.#write(random.pick(this.#others), dbId));
    }
    const haveAll = async (): Promise<boolean> => {
      const logs = await Promise.all(devices.map((device) => recordsOf(this.#world, device)));
      return logs.every((log) => log.length > line.length + expected.length);
    };
    for (let round = 0; round < 60 && !(await haveAll()); round++) await scheduler.run(1000);
    const covered = 1 + random.below(line.length);
    const revoked = await tenant.revoke(author.person, dbId, line.slice(covered - 1, covered));
    for (const tab of author.tabs.slice()) killTab(this.#world, author, tab);
    for (const { origin } of this.#others) origin.setOnline(false);
    await scheduler.settle(server.restore({ ...random, below: () => 0 }));
    await scheduler.settle(network.open(author.origin.openWorker()).http.publish(revoked));
    this.#expected = [...expected, ...line.slice(0, covered)].sort();
    this.#frame.acknowledged = [];
  }

  async tell(): Promise<void> {
    const { plan, random } = this.#frame;
    const { network, scheduler } = this.#world;
    network.weather = plan.weather;
    for (const { origin } of this.#others) origin.setOnline(true);
    for (let count = 0; count < operationCount; count++) {
      const device = random.pick(this.#others);
      const tab = device.tabs.at(0);
      const draw = random.below(100);
      if (tab === undefined) this.#frame.open(device);
      else if (draw < 30) device.origin.setOnline(!device.origin.isOnline);
      else if (draw < 55) killTab(this.#world, device, tab);
      else if (draw < 75) this.#frame.run("syncs", () => tab.runner.sync(), tab.env);
      else if (draw < 85) void this.#world.server.restart();
      await scheduler.run(random.fraction() * plan.gapMs);
    }
    this.#frame.calm();
    for (const device of this.#others) {
      device.origin.setOnline(true);
      if (device.tabs.length === 0) this.#frame.open(device);
    }
    await this.#frame.untilIdle();
  }

  async check(): Promise<void> {
    await this.#frame.converge(roundMs, async () => this.#busyLink() ?? (await this.#difference()));
    await this.#frame.closeTabs(100);
  }

  async #write(device: LogDevice, dbId: Parameters<typeof writeCommit>[3]): Promise<CommitHash> {
    const tab = device.tabs.at(0);
    if (tab === undefined) throw new Error("nobody has died yet");
    return this.#world.scheduler.settle(writeCommit(this.#world, device, tab, dbId));
  }

  #busyLink(): string | undefined {
    for (const { name, tabs } of this.#others)
      for (const { runner } of tabs) {
        const { phase, pendingPush, error } = runner.status;
        if (phase !== "live" || pendingPush > 0)
          return `${name}: ${phase}, ${pendingPush} to push, ${error ?? "no error"}`;
      }
    return undefined;
  }

  async #difference(): Promise<string | undefined> {
    const { scheduler, server, tenant } = this.#world;
    const stored = (await scheduler.settle(server.commits(tenant.tenantId)))
      .filter(({ dbId }) => dbId !== tenant.directoryDbId)
      .map(({ commitHash }) => commitHash)
      .sort();
    const lacks = this.#expected.filter((hash) => !stored.includes(hash));
    const more = stored.length - (this.#expected.length - lacks.length);
    return lacks.length + more > 0 ? `the server lacks ${lacks.length}, and has ${more} more` : undefined;
  }
}
