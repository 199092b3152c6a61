/** Stories that were told once by a seed, written down: each lost somebody's work. */
import { describe, expect, it } from "vitest";
import type { DraftValue } from "../draft/index.ts";
import { loadEngine } from "./load-engine.ts";
import { showAll } from "./oracles.ts";
import type { SimTab } from "./sim-device.ts";
import { createWorld, databaseNames, enter, type Member, type World } from "./world.ts";

const engine = await loadEngine();
const value: DraftValue = { title: "kept" };

function firstTab({ device }: Member): SimTab {
  const [tab] = device.tabs;
  if (tab === undefined) throw new Error("there is a tab");
  return tab;
}

function create(tab: SimTab): Promise<readonly string[]> {
  return tab.api.createDocuments(tab.databases.get(databaseNames[0]) ?? 0, [value]);
}

function restart(world: World, member: Member): Promise<SimTab> {
  member.device.killAll();
  return enter(world, member);
}

function membersOf({ members }: World): readonly [Member, Member] {
  const [founder, guest] = members;
  if (founder === undefined || guest === undefined) throw new Error("there are two members");
  return [founder, guest];
}

describe.each([1, 2, 3, 4, 5])("with seed %i", (seed) => {
  it("after a change that was under way while the tenant was locked, a restart knows everybody and everything", async () => {
    const world = await createWorld(seed, engine, { memberCount: 2 });
    const { scheduler } = world;
    const [founder, guest] = membersOf(world);
    const tab = firstTab(guest);
    const created = create(tab);
    const locked = tab.api.lock(world.tenantId);
    const [docId = ""] = await scheduler.settle(created);
    await scheduler.settle(locked);
    await scheduler.run(5000);
    const again = await scheduler.settle(restart(world, guest));
    const [other = ""] = await scheduler.settle(create(firstTab(founder)));
    await scheduler.run(5000);
    const ids = [docId, other].map((id) => `${databaseNames[0]}/${id}`);
    expect([...(await scheduler.settle(showAll(again))).keys()].sort()).toEqual(ids.sort());
  });

  it("what is created while the tenant is being unlocked is refused, or reaches everyone", async () => {
    const world = await createWorld(seed, engine, { memberCount: 2 });
    const { scheduler } = world;
    const [founder, guest] = membersOf(world);
    const tab = firstTab(founder);
    await scheduler.settle(tab.api.lock(world.tenantId));
    const unlocked = tab.api.unlock(world.tenantId, { password: founder.password });
    const made: string[] = [];
    const refused: unknown[] = [];
    for (let attempt = 0; attempt < 12; attempt++) {
      create(tab).then(
        (ids) => made.push(...ids.map((id) => `${databaseNames[0]}/${id}`)),
        (error: unknown) => refused.push((error as { code?: unknown }).code),
      );
      await scheduler.step();
    }
    await scheduler.settle(unlocked);
    await scheduler.run(10_000);
    expect(made.length + refused.length).toBe(12);
    expect(refused.every((code) => code === "access/locked")).toBe(true);
    const shown = await scheduler.settle(showAll(firstTab(guest)));
    expect([...shown.keys()].sort()).toEqual(made.sort());
  });

  it("a device that has joined and never synced shows its documents after a restart", async () => {
    const world = await createWorld(seed, engine, { memberCount: 2, isEarly: true });
    const { scheduler } = world;
    const [, guest] = membersOf(world);
    guest.device.origin.setOnline(false);
    const [docId = ""] = await scheduler.settle(create(firstTab(guest)));
    const again = await scheduler.settle(restart(world, guest));
    await scheduler.run(1000);
    expect([...(await scheduler.settle(showAll(again))).keys()]).toEqual([`${databaseNames[0]}/${docId}`]);
  });

  it("who hears of a revocation before the work that it spares shows that work", async () => {
    const world = await createWorld(seed, engine, { memberCount: 3 });
    const { scheduler, tenantId, admin } = world;
    const [founder, guest] = membersOf(world);
    const [, , witness] = world.members;
    if (witness === undefined) throw new Error("there are three members");
    witness.device.origin.setOnline(false);
    const tab = firstTab(guest);
    const database = tab.databases.get(databaseNames[0]) ?? 0;
    const [docId = ""] = await scheduler.settle(create(tab));
    const { heads } = await scheduler.settle(tab.api.openDocument(database, docId, 1000));
    const operations = [{ op: "set", path: ["title"], value: "changed" }] as const;
    const draft = {
      draft: 1001,
      baseHeads: heads,
      afterDraft: 0,
      operations,
      durability: "relaxed",
    } as const;
    await scheduler.settle(tab.api.changeDocument(1000, draft));
    await scheduler.run(5000);
    await scheduler.settle(firstTab(founder).api.revokeUser(tenantId, guest.key, admin));
    await scheduler.run(5000);
    const expected = await scheduler.settle(showAll(firstTab(founder)));
    expect(expected.size).toBe(1);
    witness.device.origin.setOnline(true);
    await scheduler.run(10_000);
    expect(await scheduler.settle(showAll(firstTab(witness)))).toEqual(expected);
  });
});
