/**
 * What must hold of a world, whatever the story was.
 *
 * | oracle | says |
 * |---|---|
 * | acknowledged | an edit whose promise resolved is there after every restart, and everywhere in the end (checked by the story too) |
 * | converged | once faults end, all tabs of all devices show equal documents, and nothing is left to push or pull |
 * | server log | every commit that a device wrote is in the server's log, once |
 * | secrecy | no canary and no secret crossed the network, or rests on the server or on a device |
 * | branches | what was written on a branch is in the document only when somebody merged it |
 * | feed | who reads what changed with a stored cursor has seen the last state of every document |
 * | purged | what was purged on a device is not there, whatever came later (told as not converged) |
 * | undo | all tabs of a device can take back and make again as much, after a restart too |
 * | reopened | what a device shows it shows again after all its workers died |
 * | quiet | closed tenants leave no timer behind, and no session on the server |
 * | alarms | nobody is accused of anything |
 */
import { createWebVerifier } from "../crypto/index.ts";
import { parseCommit } from "../entry/index.ts";
import { parseTenantStoreName } from "../sync/index.ts";
import { parseId } from "../std/index.ts";
import { canonicalText } from "./canonical.ts";
import type { DocSnapshot } from "../../worker/api.ts";
import type { SimDevice, SimTab } from "./sim-device.ts";
import { describeState, groupByDoc, readMarks } from "./shown.ts";
import type { Story } from "./story.ts";
import { canary, databaseNames, enter, type Member, type World } from "./world.ts";

const roundMs = 10_000;
const maxRounds = 30;

/** Wait until all replicas agree and all links are idle. */
export async function checkConverged(world: World, story: Story): Promise<void> {
  const { scheduler } = world;
  let why = "";
  for (let round = 0; round < maxRounds; round++) {
    await scheduler.run(roundMs);
    why = busyLink(world, story) ?? (await scheduler.settle(difference(world, story))) ?? "";
    if (why === "") break;
  }
  if (why !== "") return story.violate("converged", why);
  for (const { device } of honest(world, story)) {
    const [tab, ...others] = device.tabs;
    if (tab === undefined) throw new Error("a device has a tab in the end");
    await scheduler.settle(checkMarks({ tab, device }, story));
    for (const lack of await scheduler.settle(story.deeds.unseen(tab, device)))
      story.violate("feed", `${tab.env.name}: ${lack}`);
    const expected = await scheduler.settle(undoDepths(tab));
    for (const other of others) {
      const depths = await scheduler.settle(undoDepths(other));
      if (canonicalText(depths) !== canonicalText(expected))
        story.violate(
          "undo",
          `${other.env.name} has ${canonicalText(depths)}, not ${canonicalText(expected)}`,
        );
    }
  }
}

/** Everybody but who was shut out. */
function honest({ members }: World, { revoked }: Story): readonly Member[] {
  return members.filter((member) => member !== revoked);
}

function tabsOf(members: readonly Member[]): readonly SimTab[] {
  return members.flatMap(({ device }) => device.tabs);
}

function busyLink(world: World, story: Story): string | undefined {
  for (const tab of tabsOf(honest(world, story))) {
    const snapshot = lastSnapshot(tab);
    const [link] = snapshot?.links ?? [];
    if (snapshot === undefined || link === undefined) return `${tab.env.name} has no link`;
    const { phase, pendingPush, pendingPull, error } = link.status;
    if (
      phase === "live" &&
      pendingPush === 0 &&
      pendingPull === 0 &&
      (snapshot.status.unjudgedCount + snapshot.status.sealedCount === 0 || story.revoked !== undefined)
    )
      continue;
    return `${tab.env.name} is ${phase}, ${pendingPush} to push, ${pendingPull} to pull, ${error ?? "no error"}; ${describeState(tab)}`;
  }
  return undefined;
}

function lastSnapshot(tab: SimTab) {
  const event = tab.events.findLast((one) => one.kind === "tenant");
  return event?.kind === "tenant" ? event.snapshot : undefined;
}

async function difference(world: World, story: Story): Promise<string | undefined> {
  const texts = new Map<string, { readonly tab: SimTab; readonly text: string }>();
  const members = honest(world, story);
  const all = await Promise.all(
    members.flatMap(({ device }) =>
      device.tabs.map(async (tab) => ({ device, tab, shown: await showAll(tab) })),
    ),
  );
  const ids = new Set(all.flatMap(({ shown }) => [...shown.keys()]));
  for (const id of ids) {
    for (const { device, tab, shown } of all) {
      const purge = story.deeds.purgeOf(device, id.slice(id.indexOf("/") + 1));
      const text = shown.get(id);
      if (purge === "done" && text !== undefined) return `purged ${id}: ${describeShown(tab, text)}`;
      if (purge !== "none" && text === undefined) continue;
      const first = texts.get(id);
      if (first === undefined && text !== undefined) texts.set(id, { tab, text });
      if (first !== undefined && first.text !== text)
        return `${id}: ${describeShown(tab, text)}\n${describeShown(first.tab, first.text)}`;
      if (text === undefined) return `${id}: ${describeShown(tab, text)}`;
    }
  }
  return undefined;
}

function describeShown(tab: SimTab, text: string | undefined): string {
  return `${tab.env.name} shows ${text ?? "nothing"} (${describeState(tab)})`;
}

/** Every document that a tab shows, as one text each: heads and value, and those of its open branches. */
export async function showAll(tab: SimTab): Promise<ReadonlyMap<string, string>> {
  const shown = new Map<string, string>();
  for (const name of databaseNames) {
    const database = tab.databases.get(name) ?? 0;
    for (const docId of await tab.api.documentIds(database)) {
      const main = await show(tab, { database, docId });
      const texts = [textOf(main)];
      for (const branch of main.branches)
        texts.push(`${branch}: ${textOf(await show(tab, { database, docId, branch }))}`);
      shown.set(`${name}/${docId}`, texts.join("; "));
    }
  }
  return shown;
}

async function show(
  tab: SimTab,
  {
    database,
    docId,
    branch,
  }: { readonly database: number; readonly docId: string; readonly branch?: string },
): Promise<DocSnapshot> {
  const subscription = tab.nextNumber();
  const names = branch === undefined ? [] : [branch];
  const snapshot = await tab.api.openDocument(database, docId, subscription, ...names);
  await tab.api.closeDocument(subscription);
  return snapshot;
}

function textOf({ heads, status, value }: DocSnapshot): string {
  return `${status} ${heads.toSorted().join(" ")} ${canonicalText(value)}`;
}

/** How much the user of a tab can take back and make again, by document. */
async function undoDepths(tab: SimTab): Promise<Record<string, readonly number[]>> {
  const depths: Record<string, readonly number[]> = {};
  for (const name of databaseNames) {
    const database = tab.databases.get(name) ?? 0;
    for (const docId of await tab.api.documentIds(database)) {
      const subscription = tab.nextNumber();
      await tab.api.openDocument(database, docId, subscription);
      const { undo, redo } = await tab.api.undoDepth(subscription, 0);
      await tab.api.closeDocument(subscription);
      depths[docId] = [undo, redo];
    }
  }
  return depths;
}

async function checkMarks(
  { tab, device }: { readonly tab: SimTab; readonly device: SimDevice },
  story: Story,
): Promise<void> {
  const byDoc = groupByDoc(story.acknowledged.filter((edit) => story.isOwed(edit)));
  for (const edits of byDoc.values()) {
    const [first] = edits;
    if (first === undefined || story.deeds.purgeOf(device, first.docId) !== "none") continue;
    const marks = await readMarks(tab, first.database, first.docId);
    const lost = story.deeds.lost(edits, marks).map(({ mark }) => mark);
    if (lost.length > 0)
      story.violate("acknowledged", `in the end ${lost.join(" ")} of ${first.docId} are lost`);
    const strayed = story.deeds.strayed(first.docId, marks);
    if (strayed.length > 0) story.violate("branches", `${first.docId} shows ${strayed.join(", ")}`);
  }
}

const verifier = createWebVerifier();

function authorOf(bytes: Uint8Array): string | undefined {
  const parsed = parseCommit(verifier, bytes);
  return parsed.kind === "verified" ? parsed.commit.header.author : undefined;
}

/** Compare every device's log with the server's. */
export async function checkServerLog(world: World, story: Story): Promise<void> {
  const tenantId = parseId("TenantId", world.tenantId);
  if (tenantId === undefined) throw new Error("a world has a tenant");
  const counts = new Map<string, number>();
  for (const { commitHash } of await world.server.commits(tenantId))
    counts.set(commitHash, (counts.get(commitHash) ?? 0) + 1);
  for (const [hash, count] of counts)
    if (count > 1) story.violate("server log", `${hash} is in it ${count} times`);
  for (const { device } of honest(world, story)) {
    for (const name of await device.disk.storeNames()) {
      if (parseTenantStoreName(name) === undefined) continue;
      const store = await device.disk.inspect(name);
      const records = await store.readLog({ after: 0, maxCount: Infinity, maxBytes: Infinity });
      store.close();
      // A server that was restored does not take back what someone revoked had written outside the cut.
      const missing = records.filter(
        ({ commitHash, bytes }) => !counts.has(commitHash) && authorOf(bytes) !== story.revoked?.key,
      );
      for (const { commitHash } of missing)
        story.violate("server log", `${commitHash} of ${device.name} is not in it`);
      const hashes = new Set(records.map(({ commitHash }) => commitHash));
      for (const hash of counts.keys())
        if (!hashes.has(hash as never)) story.violate("server log", `${device.name} lacks ${hash}`);
    }
  }
}

/** Search everything that others can see for what they must not. */
export async function checkSecrecy(world: World, story: Story): Promise<void> {
  const tenantId = parseId("TenantId", world.tenantId);
  if (tenantId === undefined) throw new Error("a world has a tenant");
  const publication = Buffer.from(await world.server.publication(tenantId));
  const needles: { readonly name: string; readonly bytes: Buffer }[] = [
    { name: "the canary", bytes: Buffer.from(canary) },
  ];
  for (const [hex, secret] of world.secrets) {
    // Servers are given the key of the access-control records, and no other.
    if (!publication.includes(Buffer.from(secret)))
      needles.push({ name: `secret ${hex.slice(0, 8)}`, bytes: Buffer.from(secret) });
  }
  const search = (place: string, bytes: Uint8Array): void => {
    const hay = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (const { name, bytes: needle } of needles)
      if (hay.includes(needle)) story.violate("secrecy", `${name} is in ${place}`);
  };
  search("what crossed the network", Buffer.concat(world.network.crossed));
  for (const { bytes } of await world.server.commits(tenantId)) search("the server's log", bytes);
  for (const { device } of world.members) {
    for await (const bytes of device.disk.bytesAtRest()) search(`the disk of ${device.name}`, bytes);
  }
}

/** Nobody lied in this world, so that nobody may be accused: of losing only what was lost, of writing only what was cut. */
export function checkAlarms(world: World, story: Story): void {
  const due = new Set<string>([
    ...(story.revoked === undefined ? [] : ["quarantined"]),
    ...(story.hasLostServer ? ["rollback", "withheld"] : []),
  ]);
  for (const tab of tabsOf(honest(world, story))) {
    for (const { kind, detail } of lastSnapshot(tab)?.alarms ?? []) {
      if (!due.has(kind)) story.violate("alarms", `${tab.env.name}: ${kind} ${detail}`);
    }
  }
}

/** After all workers died and came back, every device shows what it showed. */
export async function checkReopened(world: World, story: Story): Promise<void> {
  const { scheduler } = world;
  for (const member of honest(world, story)) {
    const [before] = member.device.tabs;
    if (before === undefined) throw new Error("every device has a tab in the end");
    const expected = await scheduler.settle(showAll(before));
    const depths = canonicalText(await scheduler.settle(undoDepths(before)));
    member.device.killAll();
    const after = await scheduler.settle(enter(world, member));
    await scheduler.run(2000);
    const shown = await scheduler.settle(showAll(after));
    const again = canonicalText(await scheduler.settle(undoDepths(after)));
    if (again !== depths) story.violate("undo", `${after.env.name} has ${again}, not ${depths}`);
    const differs = [...expected].filter(([id, text]) => shown.get(id) !== text).map(([id]) => id);
    if (differs.length > 0 || shown.size !== expected.size) {
      story.violate(
        "reopened",
        `${after.env.name} shows ${shown.size} of ${expected.size}, others are ${differs.join(" ")}; ${describeState(after)}`,
      );
    }
  }
}

/** Close all tenants: then nothing is left to happen but the storage figure that a worker tells until it dies. */
export async function checkQuiet(world: World, story: Story): Promise<void> {
  const { scheduler, tenantId, members } = world;
  const tabs = tabsOf(members);
  for (const tab of tabs) await scheduler.settle(tab.api.closeTenant(tenantId));
  await scheduler.run(1000);
  for (const { env } of tabs) {
    const timers = env.timersMs.map((ms) => ms.toFixed(0));
    if (timers.length > 1) story.violate("quiet", `${env.name} has timers of ${timers.join(", ")} ms`);
  }
  const { timersMs } = world.server;
  if (timersMs.length > 0) story.violate("quiet", `the server has timers of ${timersMs.join(", ")} ms`);
}
