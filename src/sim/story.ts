/**
 * What happens in a simulation: random operations at random moments, several at a time, while the weather does what it likes.
 *
 * The story keeps what it was promised: each acknowledged edit, with whether a loss of power may take it back.
 */
import { isCofferError } from "../std/index.ts";
import { LineDeeds } from "./deeds.ts";
import { expectedCodes } from "./expected-codes.ts";
import { PageDeeds } from "./page-deeds.ts";
import type { Random } from "./pcg32.ts";
import { groupByDoc, readMarks, type Acknowledged } from "./shown.ts";
import type { SimDevice, SimTab } from "./sim-device.ts";
import type { Plan } from "./plan.ts";
import { Troubles } from "./troubles.ts";
import type { Violation } from "./telling.ts";
import { openDatabases, serverUrl, type Member, type World } from "./world.ts";

/** Something under way. */
export interface Running {
  readonly label: string;
  /** the worker it depends on */
  tab: SimTab | undefined;
  /** the documents it is about */
  docIds: readonly string[];
}

/** A story under way. */
export class Story {
  readonly world: World;
  readonly violations: Violation[] = [];
  readonly running = new Set<Running>();
  /** what every replica must show in the end */
  acknowledged: Acknowledged[] = [];
  readonly counts = new Map<string, number>();
  /** who was shut out, or may have been */
  revoked: Member | undefined;
  hasLostServer = false;
  /** documents that somebody touched, by device: what stands on the edits of someone revoked may fall with them */
  readonly touched = new Map<SimDevice, Set<string>>();
  /** what else people do with documents, and what they may expect of it */
  readonly deeds: LineDeeds;
  readonly #pages: PageDeeds;
  readonly #troubles: Troubles;
  readonly #plan: Plan;
  readonly #random: Random;
  readonly #lockedTabs = new Set<SimTab>();
  /** tabs whose tenant is being closed, whatever else goes on in them */
  readonly #closingTabs = new Set<SimTab>();
  /** tabs in which a lock is being turned */
  readonly #turningTabs = new Set<SimTab>();
  /** tabs whose tenant and databases are open */
  readonly #readyTabs: Set<SimTab>;
  /** devices whose tabs are all being restarted */
  readonly #down = new Set<SimDevice>();
  #markCount = 0;

  constructor(world: World, plan: Plan) {
    this.world = world;
    this.#plan = plan;
    this.#random = world.scheduler.random.fork();
    this.deeds = new LineDeeds(this, this.#random.fork());
    this.#pages = new PageDeeds(this, this.#random);
    this.#troubles = new Troubles(this, plan, this.#random);
    this.#readyTabs = new Set(world.members.flatMap(({ device }) => device.tabs));
  }

  /** Tell the whole story: operations begin one after the other, whether or not those before have ended. */
  async tell(): Promise<void> {
    const { scheduler, network } = this.world;
    network.weather = this.#plan.weather;
    for (const { device } of this.world.members) this.#troubles.breakDisk(device);
    for (let count = 0; count < this.#plan.operationCount; count++) {
      this.#begin(count);
      this.#beginDeed(count);
      await scheduler.run(
        this.#random.chance(0.05)
          ? this.#random.fraction() * 40_000
          : this.#random.fraction() * this.#plan.gapMs,
      );
    }
  }

  /** The end of all faults: everything is up, online and unlocked. */
  async heal(): Promise<void> {
    const { scheduler, network, members } = this.world;
    scheduler.note("faults end");
    network.weather = {
      ...this.#plan.weather,
      latencyMs: 20,
      lost: 0,
      deaf: 0,
      cut: 0,
      doubled: 0,
      refused: 0,
      hangUp: 0,
    };
    for (const { device } of members) device.disk.fault = {};
    await this.#untilIdle();
    for (const { device } of members) {
      device.origin.clockSkewMs = 0;
      device.origin.setOnline(true);
      this.deeds.noteOnline(device, true);
    }
    for (const member of members) {
      if (member.device.tabs.length === 0)
        this.#run("opens again", undefined, (running) => this.#start(member, running));
      for (const tab of member.device.tabs) {
        this.#run("unlocks again", tab, () => this.#unlock(member, tab));
      }
    }
    await this.#untilIdle();
  }

  /** Wait for every operation to end; none may hang. */
  async #untilIdle(): Promise<void> {
    const { scheduler } = this.world;
    for (let waitedMs = 0; this.running.size > 0 && waitedMs < 300_000; waitedMs += 1000)
      await scheduler.run(1000);
    for (const { label } of this.running) this.violate("liveness", `${label} never ended`);
    this.running.clear();
  }

  violate(oracle: string, message: string): void {
    this.world.scheduler.note(`VIOLATION ${oracle}: ${message}`);
    this.violations.push({ oracle, message });
  }

  /** A worker comes up: it opens the tenant, and shows everything that was acknowledged on this device. */
  async #start(member: Member, running: Running): Promise<void> {
    const { device, password } = member;
    for (;;) {
      const opening = device.openTab();
      const tab = device.tabs.at(-1);
      running.tab = tab;
      try {
        await opening;
        if (tab === undefined) return;
        await tab.api.openTenant(this.world.tenantId, { userName: undefined, password, keepSession: false });
        await openDatabases(this.world, tab);
        this.#readyTabs.add(tab);
        return await this.checkAcknowledged(member, tab);
      } catch (error) {
        // A page whose disk is full is loaded again.
        const isDisk =
          isCofferError(error) && (error.code === "store/quota" || error.code === "store/failed");
        if (!isDisk || tab === undefined) throw error;
        running.tab = undefined;
        if (device.tabs.includes(tab)) device.kill(tab);
        await this.world.scheduler.sleep(500, `${device.name} loads again`);
      }
    }
  }

  /** Look for each acknowledged edit of a device, until all are there or too much time has passed. */
  async checkAcknowledged({ device }: Member, tab: SimTab): Promise<void> {
    const own = this.acknowledged.filter((edit) => edit.device === device && this.isOwed(edit));
    const byDoc = groupByDoc(own);
    for (const edits of byDoc.values()) {
      const [first] = edits;
      if (first === undefined) continue;
      const { database, docId } = first;
      let missing: readonly Acknowledged[] = edits;
      for (let attempt = 0; missing.length > 0 && attempt < 50; attempt++) {
        if (attempt > 0) await tab.env.pause(100, "waits for its documents");
        if (this.#lockedTabs.has(tab)) return;
        missing = this.deeds.lost(edits, await readMarks(tab, database, docId));
      }
      // Whatever was forgotten by a loss of power meanwhile is no longer promised.
      const lost = missing.filter((edit) => this.acknowledged.includes(edit) && this.isOwed(edit));
      if (lost.length === 0 || !tab.env.isAlive) continue;
      this.violate(
        "acknowledged",
        `${tab.env.name} lost ${lost.map(({ mark }) => mark).join(" ")} of ${docId}`,
      );
    }
  }

  /** The founder shuts somebody out, once in a story. From then on what that device shows and does counts no more. */
  #revoke(name: string, member: Member, tab: SimTab): void {
    const { members, tenantId, admin } = this.world;
    const others = members.slice(1);
    if (member !== members[0] || others.length < 2 || this.revoked !== undefined) return;
    const revoked = this.#random.pick(others);
    this.revoked = revoked;
    this.acknowledged = this.acknowledged.filter((edit) => edit.device !== revoked.device);
    this.#run(`${name} revoke ${revoked.device.name}`, tab, () =>
      tab.api.revokeUser(tenantId, revoked.key, admin),
    );
  }

  #begin(index: number): void {
    const member = this.#random.pick(this.world.members);
    const { device } = member;
    if (this.#down.has(device) || device.tabs.length === 0) return;
    const tab = this.#random.pick(device.tabs);
    const draw = this.#random.below(100);
    if (draw >= 75) this.#happen(draw, member, tab);
    else if (this.#readyTabs.has(tab)) this.#use(draw, `op ${index} of ${tab.env.name}:`, { member, tab });
  }

  /** Undo, branches, bulk edits and the like, beside the rest. */
  #beginDeed(index: number): void {
    const { deeds } = this;
    if (!this.#plan.allows.lines || !deeds.random.chance(0.5)) return;
    const member = deeds.random.pick(this.world.members);
    const ready = member.device.tabs.filter((tab) => this.#readyTabs.has(tab));
    if (ready.length === 0) return;
    const tab = deeds.random.pick(ready);
    const deed = deeds.draw(this.#plan.allows.purge);
    this.#run(`op ${index} of ${tab.env.name}: ${deed}`, tab, (running) =>
      deeds.run(deed, { tab, device: member.device }, running),
    );
  }

  /** What people do in a page that is open. */
  #use(draw: number, name: string, { member, tab }: { readonly member: Member; readonly tab: SimTab }): void {
    const { device } = member;
    const { allows } = this.#plan;
    if (draw < 20) this.#run(`${name} create`, tab, () => this.#pages.create({ tab, device }));
    else if (draw < 56)
      this.#run(`${name} change`, tab, (running) => this.#pages.change({ tab, device }, running));
    else if (draw < 62 && allows.deletion)
      this.#run(`${name} delete or undelete`, tab, (running) => this.#pages.delete({ tab, device }, running));
    else if (draw < 67 && allows.lock)
      this.#run(`${name} lock or unlock`, tab, () => this.#toggleLock(member, tab));
    else if (draw < 71 && allows.tabs) this.#openOrClose(member, tab);
    else if (draw < 72 && allows.revocation) this.#revoke(name, member, tab);
    else this.#run(`${name} sync`, tab, () => tab.api.sync(this.world.tenantId, serverUrl));
  }

  /** What happens to devices and the server, whether their pages are open or not. */
  #happen(draw: number, member: Member, tab: SimTab): void {
    const { device } = member;
    const { allows } = this.#plan;
    if (draw < 81 && allows.offline) this.#troubles.toggleOnline(device);
    else if (draw < 89 && allows.crash) this.#crash(member, tab);
    else if (draw < 93 && allows.powerLoss) this.#losePower(member);
    else if (draw < 95 && allows.serverRestart) void this.world.server.restart();
    else if (draw < 97 && allows.serverLoss) this.#troubles.loseServer();
    else if (allows.clockJump) this.#troubles.jumpClock(device);
  }

  #deviceOf(tab: SimTab | undefined): SimDevice | undefined {
    return this.world.members.find(({ device }) => tab !== undefined && device.tabs.includes(tab))?.device;
  }

  /** Begin something and watch how it ends. A worker that dies takes what it was doing with it. */
  #run(label: string, tab: SimTab | undefined, operation: (running: Running) => Promise<unknown>): void {
    const running: Running = { label, tab, docIds: [] };
    this.running.add(running);
    this.world.scheduler.note(label);
    operation(running).then(
      () => this.#end(running, "ok"),
      (error: unknown) => {
        const isClosing = running.tab !== undefined && this.#closingTabs.has(running.tab);
        const isRevoked =
          running.tab !== undefined && this.revoked?.device.tabs.includes(running.tab) === true;
        const device = this.#deviceOf(tab);
        const isGone =
          isCofferError(error) &&
          error.code === "doc/missing" &&
          device !== undefined &&
          running.docIds.some((docId) => this.deeds.purgeOf(device, docId) !== "none");
        const isExpected =
          isCofferError(error) && (isClosing || isRevoked || isGone || expectedCodes.has(error.code));
        this.#end(running, isCofferError(error) ? error.code : "thrown");
        if (!isExpected)
          this.violate("errors", `${label}: ${error instanceof Error ? (error.stack ?? "") : String(error)}`);
      },
    );
  }

  #end(running: Running, outcome: string): void {
    if (!this.running.delete(running)) return;
    const kind = `${running.label.replace(/^op \d+ of \S+ /, "")}: ${outcome}`;
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    this.world.scheduler.note(`${running.label} ended: ${outcome}`);
  }

  /** What was written strictly, no loss of power takes back. */
  acknowledge(edit: Omit<Acknowledged, "journalLength">, durability: "relaxed" | "strict" = "relaxed"): void {
    this.world.scheduler.note(`acknowledged ${edit.mark} of ${edit.docId}`);
    this.acknowledged.push({
      ...edit,
      journalLength: durability === "strict" ? 0 : edit.device.disk.journalLength,
    });
  }

  /** A mark that no edit bore before. */
  newMark(): string {
    return `m${++this.#markCount}`;
  }

  /** Somebody works on a document. */
  touch(device: SimDevice, docId: string): void {
    const touched = this.touched.get(device) ?? new Set();
    this.touched.set(device, touched.add(docId));
  }

  /** Whether an edit must be there in the end: it stands on nothing that someone revoked wrote. */
  isOwed(edit: Acknowledged): boolean {
    const { revoked } = this;
    if (this.deeds.isExcused(edit)) return false;
    if (revoked === undefined) return true;
    return edit.device !== revoked.device && this.touched.get(revoked.device)?.has(edit.docId) !== true;
  }

  /** One at a time in each tab: a person sees a tenant locked before unlocking it. */
  async #toggleLock(member: Member, tab: SimTab): Promise<void> {
    if (this.#turningTabs.has(tab)) return;
    this.#turningTabs.add(tab);
    try {
      if (this.#lockedTabs.has(tab)) await this.#unlock(member, tab);
      else {
        // What locks one tab of a device locks all of them.
        for (const other of member.device.tabs) this.#lockedTabs.add(other);
        await tab.api.lock(this.world.tenantId);
      }
    } finally {
      this.#turningTabs.delete(tab);
    }
  }

  async #unlock(member: Member, tab: SimTab): Promise<void> {
    await tab.api.unlock(this.world.tenantId, { password: member.password });
    this.#lockedTabs.delete(tab);
    if (!this.#readyTabs.has(tab)) {
      // Another tab locked the tenant while this one was opening it: its page goes on from there.
      await openDatabases(this.world, tab);
      this.#readyTabs.add(tab);
    }
    await this.checkAcknowledged(member, tab);
  }

  #openOrClose(member: Member, tab: SimTab): void {
    if (member.device.tabs.length < 2) {
      this.#run(`${member.device.name} opens a tab`, undefined, (running) => this.#start(member, running));
      return;
    }
    this.#closingTabs.add(tab);
    this.#run(`${tab.env.name} closes`, tab, async () => {
      await tab.api.closeTenant(this.world.tenantId);
      this.#bury(tab);
    });
  }

  #crash(member: Member, tab: SimTab): void {
    this.#bury(tab);
    if (member.device.tabs.length === 0) this.#restartLater(member);
  }

  #losePower(member: Member): void {
    const { device } = member;
    for (const tab of device.tabs.slice()) this.#bury(tab);
    this.#restartLater(member, async () => {
      await device.disk.losePower(this.#random);
      const { journalLength } = device.disk;
      this.deeds.forgetFeeds(device);
      this.world.scheduler.note(`${device.name} lost power, ${journalLength} batches are left`);
      this.acknowledged = this.acknowledged.filter(
        (edit) => edit.device !== device || edit.journalLength <= journalLength,
      );
    });
  }

  #restartLater(member: Member, before: () => Promise<void> = async () => undefined): void {
    const { device } = member;
    this.#down.add(device);
    this.#run(`${device.name} restarts`, undefined, async (running) => {
      await before();
      await this.world.scheduler.sleep(this.#random.fraction() * 3000, `${device.name} comes back`);
      this.#down.delete(device);
      await this.#start(member, running);
    });
  }

  #bury(tab: SimTab): void {
    for (const running of this.running) if (running.tab === tab) this.running.delete(running);
    this.#lockedTabs.delete(tab);
    this.#readyTabs.delete(tab);
    const device = this.world.members.find((member) => member.device.tabs.includes(tab))?.device;
    if (device === undefined) return;
    this.deeds.forgetReading(device);
    device.kill(tab);
  }
}
