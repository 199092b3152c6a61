/**
 * One story of files from one seed: devices that add, read, free and remove files while everything around them breaks, then the end of all faults, and
 * what must hold then.
 *
 * | oracle | says |
 * |---|---|
 * | bytes | whoever reads a file has the bytes that were added, or an error that names its kind |
 * | kept | a file whose adding was told is whole on the device that added it, or on the server, and everybody can read it, unless a loss of power took it before it was durable |
 * | receipts | what a device has a receipt for lies at the server; what it let go of its own, the server held |
 * | repeats | no chunk goes up or down once more but for an interruption: see `file-account.ts` |
 * | pending | in the end nothing waits to be sent, no part that a document names counts as unnamed, and links are live |
 * | secrecy | no part of a file crosses the network or lies on a disk unsealed |
 * | liveness | whatever was asked for has ended |
 */
import type { DocEngine } from "../doc/index.ts";
import { CofferError, isCofferError, parseId, type TenantId } from "../std/index.ts";
import type { Batch } from "../store/index.ts";
import { syncTenants } from "../../sw/sync-tenants.ts";
import { expectedCodes } from "./expected-codes.ts";
import { FileAccount, isAboutChunks, type Interruption } from "./file-account.ts";
import { FileDeeds } from "./file-deeds.ts";
import { checkFiles } from "./file-oracles.ts";
import { createNodeCrypto } from "./node-crypto.ts";
import { createRandom, type Random } from "./pcg32.ts";
import { drawPlan, type Plan } from "./plan.ts";
import { scope, type SimDevice, type SimTab } from "./sim-device.ts";
import { fairWeather, type Weather } from "./sim-network.ts";
import { tellSteps, textOf } from "./telling.ts";
import { createWorld, enter, serverUrl, type Member, type World } from "./world.ts";

/** How a story of files ended. */
export interface FileOutcome {
  readonly seed: number;
  readonly violations: readonly { readonly oracle: string; readonly message: string }[];
  readonly traceHash: string;
  readonly trace: readonly string[];
  readonly interruptions: ReadonlyMap<Interruption, number>;
  /** how often each deed ended in which way */
  readonly counts: ReadonlyMap<string, number>;
}

const operationCount = 60;

/** Tell the story of one seed. What goes wrong is in the outcome. */
export async function simulateFiles(seed: number, engine: DocEngine): Promise<FileOutcome> {
  const random = createRandom(seed, 5);
  const memberCount = random.pick([2, 2, 3]);
  const usual = drawPlan(random, operationCount);
  const allows = { ...usual.allows, serverLoss: random.chance(0.35) };
  const plan = { ...usual, allows, weather: drawWeather(random) };
  const world = await createWorld(seed, engine, { memberCount, movesFiles: true });
  const story = new FileStory(world, plan);
  await tellSteps(
    story,
    () => story.tell(),
    () => story.heal(),
    () => checkFiles(story),
  );
  const { scheduler } = world;
  return {
    seed,
    violations: story.violations,
    traceHash: scheduler.traceHash(),
    trace: scheduler.trace(),
    interruptions: story.account.sums(),
    counts: story.counts,
  };
}

/** Worse than elsewhere: what is to be interrupted are the requests about chunks, of which there are few. */
function drawWeather(random: Random): Weather {
  const some = (most: number): number => (random.chance(0.6) ? random.fraction() * most : 0);
  return {
    latencyMs: random.pick([2, 40, 400]),
    lost: some(0.3),
    deaf: some(0.4),
    cut: some(0.4),
    doubled: some(0.3),
    refused: some(0.3),
    hangUp: some(0.2),
    short: some(0.3),
    portal: some(0.2),
  };
}

/** A story of files under way. */
export class FileStory {
  readonly world: World;
  readonly tenantId: TenantId;
  readonly violations: { readonly oracle: string; readonly message: string }[] = [];
  readonly counts = new Map<string, number>();
  readonly account: FileAccount;
  readonly deeds: FileDeeds;
  readonly #plan: Plan;
  readonly #random: Random;
  readonly #running = new Map<string, SimTab | undefined>();
  /** devices whose workers are all dead, for a while */
  readonly #down = new Set<SimDevice>();
  #operationCount = 0;
  #lostServerAtMs = -Infinity;

  constructor(world: World, plan: Plan) {
    this.world = world;
    this.#plan = plan;
    this.#random = world.scheduler.random.fork();
    const tenantId = parseId("TenantId", world.tenantId);
    if (tenantId === undefined) throw new Error("a world has a tenant");
    this.tenantId = tenantId;
    this.account = new FileAccount(world, tenantId, (message) => this.violate("receipts", message));
    this.deeds = new FileDeeds(this.#random.fork(), (message) => this.violate("bytes", message));
    for (const { device } of world.members) this.account.follow(device);
  }

  get hasLostServer(): boolean {
    return this.#lostServerAtMs > -Infinity;
  }

  violate(oracle: string, message: string): void {
    this.world.scheduler.note(`VIOLATION ${oracle}: ${message}`);
    this.violations.push({ oracle, message });
  }

  /** Operations begin one after the other, whether or not those before have ended. */
  async tell(): Promise<void> {
    const { members, network, scheduler, server } = this.world;
    network.weather = this.#plan.weather;
    for (const { device } of members) this.#breakDisk(device);
    for (let count = 0; count < operationCount; count++) {
      this.#begin();
      const isLong = this.#random.chance(0.05);
      await scheduler.run(this.#random.fraction() * (isLong ? 20_000 : this.#plan.gapMs));
    }
    server.fault = {};
  }

  /** The end of all faults. Whoever is up dies once more, so that what was left in the middle is taken up by another worker. */
  async heal(): Promise<void> {
    const { members, network, scheduler } = this.world;
    scheduler.note("faults end");
    network.weather = fairWeather;
    for (const { device } of members) {
      device.disk.fault = {};
      device.origin.setOnline(true);
    }
    await this.#untilIdle();
    for (const member of members) {
      for (const tab of member.device.tabs.slice()) this.#kill(member.device, tab);
      this.#open(member);
    }
    await this.#untilIdle();
  }

  #begin(): void {
    const member = this.#random.pick(this.world.members);
    const { device } = member;
    if (this.#down.has(device)) return;
    if (device.tabs.length === 0) return this.#open(member);
    const tab = this.#random.pick(device.tabs);
    const draw = this.#random.below(100);
    if (draw >= 68) return this.#happen(draw, member, tab);
    // A tab that is still being opened has no databases.
    if (tab.databases.size < 2) return;
    this.#use(draw, { device, tab });
  }

  #use(draw: number, place: { readonly device: SimDevice; readonly tab: SimTab }): void {
    const { deeds } = this;
    const { api } = place.tab;
    const { tenantId } = this.world;
    if (draw < 22) this.#run("add", place.tab, () => deeds.add(place));
    else if (draw < 42) this.#run("read", place.tab, () => deeds.read(place));
    else if (draw < 49) this.#run("free", place.tab, () => deeds.keep("free", place));
    else if (draw < 52)
      this.#run("pin", place.tab, () => deeds.keep(this.#random.chance(0.6) ? "pin" : "unpin", place));
    else if (draw < 55) this.#run("remove", place.tab, () => deeds.remove(place));
    else if (draw < 58) {
      const budgetBytes = this.#random.chance(0.5) ? null : this.#random.below(2_000_000);
      this.#run("limit", place.tab, () => api.limitFiles(tenantId, { budgetBytes }));
    } else if (draw < 63) this.#run("sync", place.tab, () => api.sync(tenantId, serverUrl));
    else this.#syncOnce(place.device);
  }

  /** What happens to devices and the server. */
  #happen(draw: number, member: Member, tab: SimTab): void {
    const { device } = member;
    const { allows } = this.#plan;
    if (draw < 82) this.#kill(device, tab);
    else if (draw < 86 && allows.powerLoss) this.#losePower(device);
    else if (draw < 90 && allows.offline) this.#toggleOnline(device);
    else if (draw < 93 && device.tabs.length < 2) this.#open(member);
    else if (draw < 95) this.#fillServer();
    else if (draw < 97) {
      this.account.note("server restart");
      void this.world.server.restart();
    } else if (allows.serverLoss) this.#loseServer();
  }

  #open(member: Member): void {
    const { device } = member;
    const opening = enter(this.world, member);
    const tab = device.tabs.at(-1);
    this.#run("open", tab, async () => {
      try {
        await opening;
      } catch (error) {
        // A page whose disk fails is loaded again.
        if (tab !== undefined && device.tabs.includes(tab)) this.#bury(device, tab);
        throw error;
      }
    });
  }

  /** As the service worker does, in a thread of its own, which dies at times. */
  #syncOnce(device: SimDevice): void {
    const env = device.origin.openWorker();
    const forget = env.onDeath(() => {
      this.account.excuseDeath(device);
      end();
    });
    const end = this.#run("sync once", undefined, async () => {
      await syncTenants({
        env,
        crypto: createNodeCrypto(env),
        storage: device.disk.open(env),
        scope,
        openTransport: () => this.world.network.open(env),
      });
      forget();
      env.kill();
    });
    if (!this.#random.chance(0.3)) return;
    this.world.scheduler.after(this.#random.fraction() * 2000, `${env.name} is ended`, () => {
      if (!env.isAlive) return;
      this.account.note("death");
      env.kill();
    });
  }

  #kill(device: SimDevice, tab: SimTab): void {
    if (this.#isBusy(device)) this.account.note("death");
    this.#bury(device, tab);
  }

  #bury(device: SimDevice, tab: SimTab): void {
    for (const [name, by] of this.#running) if (by === tab) this.#running.delete(name);
    this.account.excuseDeath(device);
    this.deeds.forgetReading(device, tab);
    device.kill(tab);
  }

  /** Whether something of files is under way: a death now interrupts it. */
  #isBusy(device: SimDevice): boolean {
    const isAsked = this.world.network.chunkNotes.some(
      (note) => note.device === device.name && note.outcome === undefined,
    );
    return isAsked || device.tabs.some((tab) => [...this.#running.values()].includes(tab));
  }

  #losePower(device: SimDevice): void {
    this.account.note("power");
    this.#down.add(device);
    for (const tab of device.tabs.slice()) this.#bury(device, tab);
    for (const worker of Array.from(device.origin.workers)) worker.kill();
    this.#run("power comes back", undefined, async () => {
      await device.disk.losePower(this.#random);
      const { journalLength } = device.disk;
      await this.account.excusePower(device);
      for (const file of this.deeds.files.values())
        if (file.device === device && file.journalLength > journalLength) file.isLost = true;
      await this.world.scheduler.sleep(this.#random.fraction() * 2000, `${device.name} comes back`);
      this.#down.delete(device);
    });
  }

  #toggleOnline(device: SimDevice): void {
    const isOnline = !device.origin.isOnline;
    if (!isOnline) this.account.note("offline");
    device.origin.setOnline(isOnline);
  }

  /** For a while the server has no room for files. */
  #fillServer(): void {
    const { scheduler, server } = this.world;
    const endsAtMs = scheduler.nowMs + this.#random.fraction() * 5000;
    server.fault = {
      onChunk: () => {
        if (scheduler.nowMs > endsAtMs) return undefined;
        this.account.note("server full");
        return new CofferError("store/quota");
      },
    };
  }

  #loseServer(): void {
    // Epochs count seconds: nobody restores the same server twice within one.
    const { scheduler, server } = this.world;
    if (!server.isUp || scheduler.nowMs - this.#lostServerAtMs < 10_000) return;
    this.#lostServerAtMs = scheduler.nowMs;
    this.account.note("server loss");
    void server.restore(this.#random);
  }

  /** Any write of chunks can meet a full disk, or be stored and denied. */
  #breakDisk(device: SimDevice): void {
    const likely = this.#random.chance(0.5) ? this.#random.fraction() * 0.15 : 0;
    if (likely === 0) return;
    const fails = (batch: Batch): boolean => {
      if (!isAboutChunks(batch) || !this.#random.chance(likely)) return false;
      this.account.note("disk");
      this.account.excuseDisk(device);
      return true;
    };
    const isDenied = (): boolean => this.#random.chance(this.#plan.diskFailure / 4);
    device.disk.fault = {
      failWrite: (batch) => (fails(batch) ? new CofferError("store/quota") : undefined),
      loseAnswer: () => (isDenied() ? new CofferError("store/failed", { outcome: "unknown" }) : undefined),
    };
  }

  /** Begin something and watch how it ends. A worker that dies takes what it was doing with it. @returns what ends it */
  #run(label: string, tab: SimTab | undefined, operation: () => Promise<unknown>): () => void {
    const name = `${label} ${++this.#operationCount}${tab === undefined ? "" : ` of ${tab.env.name}`}`;
    this.#running.set(name, tab);
    this.world.scheduler.note(name);
    const end = (outcome = "gone"): void => {
      if (!this.#running.delete(name)) return;
      const kind = `${label}: ${outcome}`;
      this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
      this.world.scheduler.note(`${name} ended: ${outcome}`);
    };
    operation().then(
      () => end("ok"),
      (error: unknown) => {
        end(isCofferError(error) ? error.code : "thrown");
        const isExpected =
          isCofferError(error) && (expectedCodes.has(error.code) || toldOfFiles.has(error.code));
        if (!isExpected) this.violate("errors", `${name}: ${textOf(error)}`);
      },
    );
    return end;
  }

  async #untilIdle(): Promise<void> {
    for (let waitedMs = 0; this.#running.size > 0 && waitedMs < 300_000; waitedMs += 1000)
      await this.world.scheduler.run(1000);
    for (const name of this.#running.keys()) this.violate("liveness", `${name} never ended`);
    this.#running.clear();
  }
}

/** What a call about files may say beside that: a portal's answer, a chunk that was cut and looked whole. */
const toldOfFiles: ReadonlySet<string> = new Set(["protocol/malformed", "entry/corrupt"]);
