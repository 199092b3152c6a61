import { afterEach, describe, expect, it } from "vitest";
import { connectPeer } from "../src/page/peer.ts";
import type { PeerStatus } from "../src/page/peer-types.ts";
import { createPeerChannels } from "../src/std/index.ts";
import type { WorkerApi } from "./api.ts";
import { closeDevices, draft, newSubscription } from "./device-fixtures.ts";
import { createPair, guestPassword, type Party } from "./peer-fixtures.ts";

/* Two devices of one tenant that no server ever sees: the page's half and the worker's, over a message channel. */

afterEach(closeDevices);

async function connect([a, b]: readonly [Party, Party]) {
  const { port1, port2 } = new MessageChannel();
  const heard: PeerStatus["phase"][] = [];
  const one = await connectPeer({ id: a.tenantId, session: a.session }, port1, {
    onStatus: ({ phase }) => heard.push(phase),
  });
  const other = await connectPeer({ id: b.tenantId, session: b.session }, port2);
  return { links: [one, other] as const, heard };
}

const valueOf = async ({ device, database }: Party, id: string): Promise<unknown> =>
  (await device.api.openDocument(database, id, newSubscription())).value;
const idsOf = async ({ device, database }: Party): Promise<readonly string[]> =>
  (await device.api.documentIds(database)).toSorted();

describe("two devices without a server", () => {
  it("bring documents and edits both ways, live, and the directory with them", async () => {
    const pair = await createPair();
    const [owner, guest] = pair;
    const ids = await owner.device.api.createDocuments(
      owner.database,
      Array.from({ length: 60 }, (_, i) => ({ name: `n${i}`, notes: "" })),
    );
    const { links, heard } = await connect(pair);
    await Promise.all(links.map((link) => link.sync()));
    await expect.poll(() => idsOf(guest)).toEqual(ids.toSorted());
    const [id = ""] = ids;
    const doc = newSubscription();
    const { heads } = await guest.device.api.openDocument(guest.database, id, doc);
    await guest.device.api.changeDocument(
      doc,
      draft([{ op: "spliceText", path: ["notes"], index: 0, remove: 0, insert: "by the guest" }], heads),
    );
    await expect.poll(() => valueOf(owner, id)).toEqual({ name: "n0", notes: "by the guest" });
    expect(heard).toContain("live");
    expect(links[0].status).toMatchObject({ error: undefined });
    expect(links[0].status.sentCommits).toBeGreaterThan(0);
    await links[0].disconnect();
    await expect.poll(() => links[1].status.phase).toBe("closed");
    await expect(links[1].sync()).rejects.toMatchObject({ code: "input/unknown-id" });
  });

  it("go on while one of them is locked; what came is there after unlocking", async () => {
    const pair = await createPair();
    const [owner, guest] = pair;
    await guest.device.api.lock(guest.tenantId);
    const [id = ""] = await owner.device.api.createDocuments(owner.database, [{ name: "sealed" }]);
    const { links } = await connect(pair);
    await Promise.all(links.map((link) => link.sync()));
    expect(links[1].status.receivedCommits).toBeGreaterThan(0);
    await guest.device.api.openTenant(guest.tenantId, { password: guestPassword, keepSession: false });
    await expect.poll(() => idsOf(guest)).toEqual([id]);
  });

  it("end the link when a tenant is closed, and refuse numbers that are none", async () => {
    const pair = await createPair();
    const { links } = await connect(pair);
    await pair[1].device.api.closeTenant(pair[1].tenantId);
    await expect.poll(() => links.map(({ status }) => status.phase)).toEqual(["closed", "closed"]);
    const { api } = pair[0].device;
    await expect(api.tellPeer(77, new Uint8Array(3))).rejects.toMatchObject({ code: "input/unknown-id" });
    await expect(api.syncPeer(77)).rejects.toMatchObject({ code: "input/unknown-id" });
    await api.closePeer(77);
    await api.openPeer(pair[0].tenantId, 901);
    await expect(api.openPeer(pair[0].tenantId, 901)).rejects.toMatchObject({ code: "input/used" });
    await expect(
      (api as { tellPeer: (...given: unknown[]) => ReturnType<WorkerApi["tellPeer"]> }).tellPeer(901, "text"),
    ).rejects.toMatchObject({ code: "input/invalid" });
  });

  it("say why, when the other end is of another tenant or says nothing that can be read", async () => {
    const [owner] = await createPair();
    const [stranger] = await createPair();
    const [here, there] = createPeerChannels();
    const link = await connectPeer({ id: owner.tenantId, session: owner.session }, here);
    const foreign = await connectPeer({ id: stranger.tenantId, session: stranger.session }, there);
    await expect.poll(() => [link.status.phase, foreign.status.phase]).toEqual(["closed", "closed"]);
    expect([link.status.error, foreign.status.error]).toContain("access/denied");
    const [again, noise] = createPeerChannels();
    const broken = await connectPeer({ id: owner.tenantId, session: owner.session }, again);
    noise.post(new Uint8Array(64).fill(255));
    await expect.poll(() => broken.status).toMatchObject({ phase: "closed", error: "protocol/malformed" });
  });
});
