import { afterEach, beforeEach, expect, it } from "vitest";
import { openCofferWith } from "./coffer.ts";
import type { Coffer, Database, Presence, Tenant } from "./types.ts";
import { createWorld, settle, type FakeWorld } from "./worker-fixtures.ts";

let world: FakeWorld;
let coffer: Coffer;
let tenant: Tenant;
let db: Database;
let here: Presence;

beforeEach(async () => {
  world = createWorld();
  coffer = await openCofferWith(world);
  tenant = await coffer.openTenant("acme", { password: "secret" });
  db = await tenant.openDB("notes");
  here = await db.presence();
  await settle();
});
afterEach(() => coffer.close());

const calls = (name: string): readonly string[] => world.calls.filter((call) => call.startsWith(name));
/** The number that the page gave to its presence. */
const ownNumber = (): number => Number(/, (\d+)\)$/.exec(calls("openPresence")[0] ?? "")?.[1]);
const peer = (id: string, state: unknown) => ({ id, user: "bert", device: "phone", state });
const tell = async (...peers: readonly ReturnType<typeof peer>[]): Promise<void> => {
  world.emit([{ kind: "presence", subscription: ownNumber(), peers }]);
  await settle();
};

it("shows who is here, and keeps what did not change", async () => {
  await tell(peer("a", { cursor: 1 }), peer("b", null));
  expect(here.peers.value).toEqual([peer("a", { cursor: 1 }), peer("b", null)]);
  const [, second] = here.peers.value;
  await tell(peer("a", { cursor: 2 }), peer("b", null));
  expect(here.peers.value[0]?.state).toEqual({ cursor: 2 });
  expect(here.peers.value[1]).toBe(second);
});

it("says its state and what it broadcasts, and hears what others do, by name", async () => {
  await here.set({ cursor: 1 });
  await here.broadcast("ping", [1]);
  expect(calls("setPresence")).toEqual([`setPresence(${ownNumber()}, {"cursor":1})`]);
  expect(calls("broadcast")).toEqual([`broadcast(${ownNumber()}, "ping", [1])`]);
  const heard: unknown[] = [];
  const release = here.onBroadcast("ping", (value, from) => heard.push([value, from.user]));
  const from = { id: "a", user: "bert", device: "phone" };
  const say = async (name: string): Promise<void> => {
    world.emit([{ kind: "broadcast", subscription: ownNumber(), name, value: 5, from }]);
    await settle();
  };
  await say("ping");
  await say("other");
  expect(heard).toEqual([[5, "bert"]]);
  release();
  await say("ping");
  expect(heard).toHaveLength(1);
});

it("is here again in the next worker, with the state it had; while locked nobody is", async () => {
  world.emitTenant({ tenantId: "t1", opaque: "box" });
  await here.set("here");
  await tell(peer("a", 1));
  world.kill("error");
  await settle();
  await world.env.advance(600);
  expect(calls("openPresence")).toHaveLength(2);
  expect(calls("setPresence")).toHaveLength(2);
  world.locked = true;
  world.kill("error");
  await settle();
  await world.env.advance(600);
  expect(here.peers.value).toEqual([]);
  await tenant.unlock({ password: "secret" });
  await settle();
  expect(calls("setPresence").at(-1)).toBe(`setPresence(${ownNumber()}, "here")`);
});

it("belongs to its handle: it says goodbye once, and nothing is heard any more", async () => {
  here.dispose();
  here.dispose();
  await settle();
  expect(calls("closePresence")).toEqual([`closePresence(${ownNumber()})`]);
  await tell(peer("a", 1));
  expect(here.peers.value).toEqual([]);
  db.dispose();
  await expect(db.presence()).rejects.toMatchObject({ code: "store/closed" });
});
