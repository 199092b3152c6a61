/**
 * What happens in a simulation: random operations at random moments, several at a time, while the weather does what it likes.
 *
 * The story keeps what it was promised: each acknowledged edit, with whether a loss of power may take it back.
 */
import { CofferError, isCofferError, type CofferErrorCode } from "../std/index.ts";
import type { DraftOperation } from "../draft/index.ts";
import { LineDeeds } from "./deeds.ts";
import { randomDocument, randomEdit, randomRemoval } from "./edits.ts";
import type { DocSnapshot } from "../../worker/api.ts";
import type { Random } from "./pcg32.ts";
import type { SimDevice, SimTab } from "./sim-device.ts";
import type { Plan } from "./plan.ts";
import { databaseNames, openDatabases, serverUrl, type Member, type World } from "./world.ts";

/** An edit whose promise resolved. */
export interface Acknowledged {
  readonly device: SimDevice;
  readonly database: string;
  readonly docId: string;
  readonly mark: string;
  /** the branch it was written on */
  readonly branch?: string | undefined;
  /** how much was on the disk when it was acknowledged */
  readonly journalLength: number;
}

/** Something that must not have happened. */
export interface Violation {
  readonly oracle: string;
  readonly message: string;
}

/** What a call may say when its worker is locked or closed under it, or the network is what it is. */
const expectedCodes: ReadonlySet<CofferErrorCode> = new Set<CofferErrorCode>([
  "access/locked",
  "aborted",
  "store/closed",
  "doc/deleted",
  "net/offline",
  "net/failed",
  "net/timeout",
  "net/rate-limited",
  // the second of two equal answers to one challenge
  "access/unauthenticated",
  "directory/behind",
  "store/quota",
  "store/failed",
  // a link that is not taken up again yet, a member whom this tab has not judged again yet
  "input/unknown-id",
]);

interface Running {
  readonly label: string;
  /** the worker it depends on */
  tab: SimTab | undefined;
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
  #lostServerAtMs = -Infinity;
  #markCount = 0;

  constructor(world: World, plan: Plan) {
    this.world = world;
    this.#plan = plan;
    this.#random = world.scheduler.random.fork();
    this.deeds = new LineDeeds(this, this.#random.fork());
    this.#readyTabs = new Set(world.members.flatMap(({ device }) => device.tabs));
  }

  /** Tell the whole story: operations begin one after the other, whether or not those before have ended. */
  async tell(): Promise<void> {
    const { scheduler, network } = this.world;
    network.weather = this.#plan.weather;
    for (const { device } of this.world.members) this.#breakDisk(device);
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

  #breakDisk(device: SimDevice): void {
    const { diskFailure } = this.#plan;
    if (diskFailure === 0) return;
    device.disk.fault = {
      failWrite: () => (this.#random.chance(diskFailure) ? new CofferError("store/quota") : undefined),
      loseAnswer: () =>
        this.#random.chance(diskFailure)
          ? new CofferError("store/failed", { outcome: "unknown" })
          : undefined,
    };
  }

  /** The server comes back from an older backup: what it lost is pushed to it again by those who have it. */
  #loseServer(): void {
    // Epochs count seconds: nobody restores the same server twice within one.
    const { nowMs } = this.world.scheduler;
    if (nowMs - this.#lostServerAtMs < 10_000) return;
    this.#lostServerAtMs = nowMs;
    this.hasLostServer = true;
    void this.world.server.restore(this.#random);
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
    this.#run(`op ${index} of ${tab.env.name}: ${deed}`, tab, () => deeds.run(deed, tab, member.device));
  }

  /** What people do in a page that is open. */
  #use(draw: number, name: string, { member, tab }: { readonly member: Member; readonly tab: SimTab }): void {
    const { device } = member;
    const { allows } = this.#plan;
    if (draw < 20) this.#run(`${name} create`, tab, () => this.#create(tab, member));
    else if (draw < 56) this.#run(`${name} change`, tab, () => this.#change(tab, member));
    else if (draw < 62 && allows.deletion)
      this.#run(`${name} delete or undelete`, tab, () => this.#delete(tab, device));
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
    const yearMs = 365 * 24 * 3_600_000;
    if (draw < 81 && allows.offline) this.#toggleOnline(device);
    else if (draw < 89 && allows.crash) this.#crash(member, tab);
    else if (draw < 93 && allows.powerLoss) this.#losePower(member);
    else if (draw < 95 && allows.serverRestart) void this.world.server.restart();
    else if (draw < 97 && allows.serverLoss) this.#loseServer();
    else if (allows.clockJump) {
      const skewMs = (this.#random.fraction() - 0.5) * this.#random.pick([600_000, 7_200_000, 2 * yearMs]);
      device.origin.clockSkewMs = Math.floor(skewMs);
    }
  }

  #deviceOf(tab: SimTab | undefined): SimDevice | undefined {
    return this.world.members.find(({ device }) => tab !== undefined && device.tabs.includes(tab))?.device;
  }

  /** Begin something and watch how it ends. A worker that dies takes what it was doing with it. */
  #run(label: string, tab: SimTab | undefined, operation: (running: Running) => Promise<unknown>): void {
    const running: Running = { label, tab };
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
          this.deeds.hasPurged(device);
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

  async #create(tab: SimTab, { device }: Member): Promise<void> {
    const database = this.#random.pick(databaseNames);
    const marks = Array.from({ length: this.#random.chance(0.2) ? 3 : 1 }, () => this.newMark());
    const values = marks.map((mark) => randomDocument(this.#random, mark));
    const ids = await tab.api.createDocuments(tab.databases.get(database) ?? 0, values);
    for (const [index, docId] of ids.entries()) {
      this.touch(device, docId);
      this.acknowledge({ device, database, docId, mark: marks[index] ?? "" });
    }
  }

  async #change(tab: SimTab, { device }: Member): Promise<void> {
    const database = this.#random.pick(databaseNames);
    const subscription = tab.databases.get(database) ?? 0;
    const ids = await tab.api.documentIds(subscription);
    if (ids.length === 0) return;
    const docId = this.#random.pick(ids);
    this.touch(device, docId);
    const watched = tab.nextNumber();
    const { value, heads } = await tab.api.openDocument(subscription, docId, watched);
    if (value === undefined) return;
    // A page goes on editing what it shows while the worker still writes: each draft stands on the one before.
    const drafts: Promise<void>[] = [];
    let afterDraft = 0;
    for (let count = 1 + this.#random.below(3); count > 0; count--) {
      const mark = this.newMark();
      const isLast = count === 1 && afterDraft === 0;
      const operations =
        isLast && this.#random.chance(0.4)
          ? randomRemoval(this.#random, value, mark)
          : randomEdit(this.#random, value, mark);
      const durability = this.#random.chance(0.2) ? "strict" : "relaxed";
      const message = {
        draft: tab.nextNumber(),
        baseHeads: heads,
        afterDraft,
        operations: keepable(operations),
        durability,
      } as const;
      afterDraft = message.draft;
      drafts.push(
        tab.api
          .changeDocument(watched, message)
          .then(() => this.acknowledge({ device, database, docId, mark })),
      );
    }
    const results = await Promise.allSettled(drafts);
    await tab.api.closeDocument(watched);
    for (const result of results) if (result.status === "rejected") throw result.reason;
  }

  async #delete(tab: SimTab, device: SimDevice): Promise<void> {
    const subscription = tab.databases.get(this.#random.pick(databaseNames)) ?? 0;
    const ids = await tab.api.documentIds(subscription);
    if (ids.length === 0) return;
    const docId = this.#random.pick(ids);
    this.touch(device, docId);
    await tab.api.deleteDocument(subscription, docId);
    if (this.#random.chance(0.5)) await tab.api.undeleteDocument(subscription, docId);
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
    await tab.api.unlock(this.world.tenantId, member.password);
    this.#lockedTabs.delete(tab);
    await this.checkAcknowledged(member, tab);
  }

  #toggleOnline(device: SimDevice): void {
    const isOnline = !device.origin.isOnline;
    this.world.scheduler.note(`${device.name} goes ${isOnline ? "online" : "offline"}`);
    device.origin.setOnline(isOnline);
    this.deeds.noteOnline(device, isOnline);
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

/** What the page hands over crosses a thread. */
function keepable(operations: readonly DraftOperation[]): readonly DraftOperation[] {
  return structuredClone(operations);
}

/** The marks that a document bears. */
export interface ShownMarks {
  readonly main: ReadonlySet<string>;
  /** of the document or one of its open branches */
  readonly anywhere: ReadonlySet<string>;
}

/** Read the marks of a document and of its open branches. */
export async function readMarks(tab: SimTab, database: string, docId: string): Promise<ShownMarks> {
  const read = async (branch?: string): Promise<DocSnapshot> => {
    const subscription = tab.nextNumber();
    const shown = await tab.api.openDocument(
      tab.databases.get(database) ?? 0,
      docId,
      subscription,
      ...(branch === undefined ? [] : [branch]),
    );
    await tab.api.closeDocument(subscription);
    return shown;
  };
  const shown = await read();
  const main = marksOf(shown);
  const anywhere = new Set(main);
  for (const branch of shown.branches) for (const mark of marksOf(await read(branch))) anywhere.add(mark);
  return { main, anywhere };
}

/** The marks in what is shown. */
export function marksOf({ value }: DocSnapshot): ReadonlySet<string> {
  const marks = value?.["marks"];
  return new Set(typeof marks === "object" && marks !== null ? Object.keys(marks) : []);
}

/** The acknowledged edits of each document. */
export function groupByDoc(edits: readonly Acknowledged[]): ReadonlyMap<string, readonly Acknowledged[]> {
  const groups = new Map<string, Acknowledged[]>();
  for (const edit of edits) {
    const name = `${edit.database} ${edit.docId}`;
    groups.set(name, [...(groups.get(name) ?? []), edit]);
  }
  return groups;
}

/** What a tab last told of its tenant. */
export function describeState(tab: SimTab): string {
  const event = tab.events.findLast((one) => one.kind === "tenant");
  if (event?.kind !== "tenant") return "nothing told";
  const { status, quarantine, alarms } = event.snapshot;
  const reasons = [
    ...quarantine.map(({ reason }) => reason),
    ...alarms.map(({ kind, detail }) => `${kind} ${detail}`),
  ];
  return `${status.phase}, ${status.unjudgedCount} to judge, ${status.quarantinedCount} quarantined: ${reasons.join("; ")}`;
}
