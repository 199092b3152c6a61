import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CofferError } from "../src/std/index.ts";
import { createMemoryStorage } from "../src/store/index.ts";
import { draft, env, newSubscription, people, startDevice, type Device } from "./device-fixtures.ts";
import { serveEachTest } from "./server-fixtures.ts";

const guestPassword = "marble tunnel saffron";
const sharePassword = "lusab-babad-gutih-tugad";

const server = serveEachTest();

interface Party {
  readonly device: Device;
  readonly tenantId: string;
  readonly database: number;
}

async function openContacts(device: Device, tenantId: string): Promise<Party> {
  const database = newSubscription();
  await device.api.openDatabase(tenantId, "contacts", database);
  return { device, tenantId, database };
}

async function founded(): Promise<Party & { proof: { adminKey: string; adminPassword: string } }> {
  const device = await startDevice(createMemoryStorage(env));
  const tenant = await device.api.createTenant(people);
  const proof = { adminKey: tenant.adminUser?.key ?? "", adminPassword: people.adminPassword };
  await device.api.publish(tenant.id, server.url, proof);
  await device.api.connect(tenant.id, server.url);
  return { ...(await openContacts(device, tenant.id)), proof };
}

async function joined(
  owner: Party & { proof: { adminKey: string; adminPassword: string } },
): Promise<Party & { key: string }> {
  const device = await startDevice(createMemoryStorage(env));
  const { key } = await device.api.createUserId("cn=guest/o=acme", guestPassword);
  const request = await device.api.createJoinRequest(key);
  const response = await owner.device.api.approveJoinRequest(owner.tenantId, request, {
    ...owner.proof,
    sharePassword,
    serverUrl: server.url,
    expiresInMs: 60_000,
  });
  const tenant = await device.api.joinTenant(response, { key, password: guestPassword, sharePassword });
  expect(tenant.name).toBe("acme");
  return { ...(await openContacts(device, tenant.id)), key };
}

async function valueOf({ device, database }: Party, id: string): Promise<unknown> {
  return (await device.api.openDocument(database, id, newSubscription())).value;
}

describe("two devices and a server", () => {
  it("lets a guest whose joining broke off in the middle join with the same answer", async () => {
    const owner = await founded();
    const storage = createMemoryStorage(env);
    let isFull = false;
    const device = await startDevice({
      ...storage,
      async openStore(name) {
        const store = await storage.openStore(name);
        const write = store.write.bind(store);
        // The tenant's store is written before the device's row.
        store.write = async (batch) => {
          const isRow = batch.slots?.some((slot) => slot.name.startsWith("tenant/"));
          if (isFull && isRow === true) throw new CofferError("store/quota");
          return write(batch);
        };
        return store;
      },
    });
    const { key } = await device.api.createUserId("cn=guest/o=acme", guestPassword);
    const request = await device.api.createJoinRequest(key);
    const options = { ...owner.proof, sharePassword, serverUrl: server.url, expiresInMs: 60_000 };
    const response = await owner.device.api.approveJoinRequest(owner.tenantId, request, options);
    const join = () => device.api.joinTenant(response, { key, password: guestPassword, sharePassword });
    isFull = true;
    await expect(join()).rejects.toMatchObject({ code: "store/quota" });
    expect(await device.api.tenants()).toEqual([]);
    isFull = false;
    expect(await join()).toMatchObject({ name: "acme" });
    await expect(join()).rejects.toMatchObject({ code: "input/used" });
    const other = await owner.device.api.approveJoinRequest(owner.tenantId, request, options);
    const again = device.api.joinTenant(other, { key, password: guestPassword, sharePassword });
    await expect(again).rejects.toMatchObject({ code: "input/used" });
  });

  it("brings all documents to a guest, and edits both ways", async () => {
    const owner = await founded();
    const ids = await owner.device.api.createDocuments(
      owner.database,
      Array.from({ length: 256 }, (_, i) => ({ name: `n${i}`, notes: "" })),
    );
    const guest = await joined(owner);
    await expect.poll(async () => (await guest.device.api.documentIds(guest.database)).length).toBe(256);
    const [id = ""] = ids;
    const doc = newSubscription();
    const { heads } = await guest.device.api.openDocument(guest.database, id, doc);
    await guest.device.api.changeDocument(
      doc,
      draft([{ op: "spliceText", path: ["notes"], index: 0, remove: 0, insert: "by the guest" }], heads),
    );
    await expect.poll(() => valueOf(owner, id)).toEqual({ name: "n0", notes: "by the guest" });
    const [members] = [owner.device.events.findLast((event) => event.kind === "tenant")];
    expect(
      members?.kind === "tenant" && members.snapshot.users?.map((user) => user.userName).toSorted(),
    ).toEqual(["cn=guest/o=acme", "cn=owner/o=acme"]);
  });

  it("merges what both wrote while the server was gone", async () => {
    const owner = await founded();
    const [id = ""] = await owner.device.api.createDocuments(owner.database, [
      { name: "Ada", notes: "", tags: [], at: { city: "Bergen" } },
    ]);
    const guest = await joined(owner);
    await expect.poll(() => guest.device.api.documentIds(guest.database)).toEqual([id]);
    await server.stop();
    const edit = async (party: Party, text: string, city: string | undefined): Promise<void> => {
      const doc = newSubscription();
      const { heads } = await party.device.api.openDocument(party.database, id, doc);
      await party.device.api.changeDocument(
        doc,
        draft(
          [
            { op: "spliceText", path: ["notes"], index: 0, remove: 0, insert: text },
            { op: "splice", path: ["tags"], index: 0, remove: 0, values: [text] },
            ...(city === undefined ? [] : [{ op: "set" as const, path: ["at", "city"], value: city }]),
          ],
          heads,
        ),
      );
    };
    await edit(owner, "left", "Oslo");
    await edit(guest, "right", undefined);
    await server.start();
    for (const party of [owner, guest]) {
      await expect
        .poll(async () => (await valueOf(party, id)) as { notes: string })
        .toMatchObject({ notes: expect.stringMatching(/^(leftright|rightleft)$/), at: { city: "Oslo" } });
    }
    expect(await valueOf(owner, id)).toEqual(await valueOf(guest, id));
  });

  it("pushes sealed commits while the vault is locked, and stores nothing readable on the server", async () => {
    const owner = await founded();
    const guest = await joined(owner);
    await owner.device.api.createDocuments(owner.database, [
      { name: "Rumpelstilzchen", city: "Hintertupfingen" },
    ]);
    await owner.device.api.lock(owner.tenantId);
    await expect.poll(async () => (await guest.device.api.documentIds(guest.database)).length).toBe(1);
    await owner.device.api.sync(owner.tenantId, server.url);
    const canaries = [
      "Rumpelstilzchen",
      "Hintertupfingen",
      "contacts",
      "acme",
      "owner",
      "guest",
      "default",
      people.userPassword,
    ];
    for (const file of await readdir(server.dataFolder)) {
      const bytes = await readFile(join(server.dataFolder, file));
      for (const canary of canaries) expect(bytes.includes(canary), `${canary} in ${file}`).toBe(false);
    }
  });

  it("cuts a revoked user off: nothing written after counts anywhere", async () => {
    const owner = await founded();
    const guest = await joined(owner);
    const [before = ""] = await guest.device.api.createDocuments(guest.database, [{ name: "before" }]);
    await expect.poll(() => owner.device.api.documentIds(owner.database)).toEqual([before]);
    await owner.device.api.revokeUser(owner.tenantId, guest.key, owner.proof);
    await guest.device.api.createDocuments(guest.database, [{ name: "after" }]);
    await expect(guest.device.api.sync(guest.tenantId, server.url)).rejects.toMatchObject({
      code: "access/revoked",
    });
    await owner.device.api.sync(owner.tenantId, server.url);
    expect(await owner.device.api.documentIds(owner.database)).toEqual([before]);
  });

  it("refuses an answer that was used, is for another, or comes with a wrong share password", async () => {
    const owner = await founded();
    const device = await startDevice(createMemoryStorage(env));
    const one = await device.api.createUserId("cn=one/o=acme", guestPassword);
    const two = await device.api.createUserId("cn=two/o=acme", guestPassword);
    const answer = await owner.device.api.approveJoinRequest(
      owner.tenantId,
      await device.api.createJoinRequest(one.key),
      {
        ...owner.proof,
        sharePassword,
        serverUrl: undefined,
        expiresInMs: 60_000,
      },
    );
    const join = (key: string, password: string): Promise<unknown> =>
      device.api.joinTenant(answer, { key, password: guestPassword, sharePassword: password });
    await expect(join(one.key, "lusab-babad-gutih-tugax")).rejects.toMatchObject({
      code: "key/wrong-password",
    });
    await expect(join(two.key, sharePassword)).rejects.toMatchObject({ code: "input/invalid" });
    await expect(join(one.key, sharePassword)).resolves.toBeDefined();
    await expect(join(one.key, sharePassword)).rejects.toMatchObject({ code: "input/used" });
  });
});
