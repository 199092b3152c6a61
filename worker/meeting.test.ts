import { describe, expect, it, vi } from "vitest";
import { meetPeers } from "../src/page/meeting.ts";
import type { PeerConnection } from "../src/page/peer-types.ts";
import { createPair, type Party } from "./peer-fixtures.ts";
import { connectEachTest } from "./rtc-fixtures.ts";
import { serveEachTest } from "./server-fixtures.ts";

/* Two devices that find each other over a server that can read nothing of it, and need it no more. */

const server = serveEachTest();
connectEachTest();

async function createMembers(): Promise<readonly [Party, Party]> {
  const [owner, guest] = await createPair();
  if (owner.proof === undefined) throw new Error("the owner is the admin");
  await owner.device.api.publish(owner.tenantId, server.url, owner.proof);
  for (const { device, tenantId } of [owner, guest]) {
    await device.api.connect(tenantId, server.url);
    await device.api.sync(tenantId, server.url);
  }
  return [owner, guest];
}

const meet = async ({ session, tenantId: id }: Party, found: PeerConnection[]) =>
  meetPeers({ id, session }, { onPeer: (peer) => found.push(peer) });
const idsOf = async ({ device, database }: Party): Promise<readonly string[]> =>
  (await device.api.documentIds(database)).toSorted();
const create = async ({ device, database }: Party, title: string): Promise<string> =>
  (await device.api.createDocuments(database, [{ title }]))[0] ?? "";

describe("devices that meet", () => {
  it("are linked by themselves, and go on when the server is gone", async () => {
    const [owner, guest] = await createMembers();
    const [atOwner, atGuest]: [PeerConnection[], PeerConnection[]] = [[], []];
    const meetings = [await meet(owner, atOwner), await meet(guest, atGuest)];
    await vi.waitFor(() => expect([atOwner.length, atGuest.length]).toEqual([1, 1]), { timeout: 20_000 });
    expect(atOwner[0]?.peer).toEqual({ device: guest.key, user: guest.key });
    expect(atGuest[0]?.peer).toEqual({ device: owner.key, user: owner.key });
    expect(meetings[0]?.peers).toEqual(atOwner);
    await server.stop();
    const ids = [await create(owner, "by the owner"), await create(guest, "by the guest")].toSorted();
    for (const party of [owner, guest]) await expect.poll(() => idsOf(party)).toEqual(ids);
    // Who leaves is found no more; what is linked stays.
    await meetings[0]?.leave();
    expect(atOwner[0]?.status.phase).not.toBe("closed");
    await atGuest[0]?.disconnect();
    await expect.poll(() => atOwner[0]?.status.phase).toBe("closed");
    expect(meetings[1]?.peers).toEqual([]);
    await server.start();
  });

  it("are linked again when a link broke while both are there", async () => {
    const [owner, guest] = await createMembers();
    const found: PeerConnection[] = [];
    await meet(owner, found);
    await meet(guest, []);
    await vi.waitFor(() => expect(found).toHaveLength(1), { timeout: 20_000 });
    await found[0]?.disconnect();
    await vi.waitFor(() => expect(found).toHaveLength(2), { timeout: 20_000 });
    expect(found[1]?.status.phase).not.toBe("closed");
  });

  it("let nobody in who was revoked, nor anybody of another tenant", async () => {
    const [owner, guest] = await createMembers();
    const found: PeerConnection[] = [];
    await meet(owner, found);
    await meet(guest, []);
    await vi.waitFor(() => expect(found).toHaveLength(1), { timeout: 20_000 });
    if (owner.proof === undefined) throw new Error("the owner is the admin");
    await owner.device.api.revokeUser(owner.tenantId, guest.key, owner.proof);
    await expect.poll(() => found[0]?.status).toMatchObject({ phase: "closed", error: "access/revoked" });
    const [stranger] = await createMembers();
    const atStranger: PeerConnection[] = [];
    await meet(stranger, atStranger);
    await create(owner, "not for the guest");
    // Longer than the first two pauses between attempts.
    await new Promise((resolve) => setTimeout(resolve, 3000));
    expect(found).toHaveLength(1);
    expect(atStranger).toEqual([]);
    expect(await idsOf(guest)).toEqual([]);
  });
});
