import { describe, expect, it } from "vitest";
import { createMemoryStorage } from "../src/store/index.ts";
import type { RoleChange, TenantSnapshot } from "./api.ts";
import { draft, env, newSubscription, people, startDevice, type Device } from "./device-fixtures.ts";
import { serveEachTest } from "./server-fixtures.ts";

const guestPassword = "marble tunnel saffron";
const sharePassword = "lusab-babad-gutih-tugad";

const server = serveEachTest();

interface Party {
  readonly device: Device;
  readonly tenantId: string;
  readonly database: number;
  readonly key: string;
}

type Owner = Party & { readonly proof: { adminKey: string; adminPassword: string } };

async function opened(parts: Omit<Party, "database">): Promise<Party> {
  const database = newSubscription();
  await parts.device.api.openDatabase(parts.tenantId, "contacts", database);
  return { ...parts, database };
}

async function founded(): Promise<Owner> {
  const device = await startDevice(createMemoryStorage(env));
  const tenant = await device.api.createTenant(people);
  const proof = { adminKey: tenant.adminUser?.key ?? "", adminPassword: people.adminPassword };
  await device.api.publish(tenant.id, server.url, proof);
  await device.api.connect(tenant.id, server.url);
  const party = await opened({ device, tenantId: tenant.id, key: tenant.self?.key ?? "" });
  return { ...party, proof };
}

const answering = ({ proof }: Owner) => ({
  ...proof,
  sharePassword,
  serverUrl: server.url,
  expiresInMs: 60_000,
});

/** A new device asks, and takes what `answer` gives. */
async function arrived(
  owner: Owner,
  userName: string,
  answer: (request: string) => Promise<string>,
): Promise<Party> {
  const device = await startDevice(createMemoryStorage(env));
  const { key } = await device.api.createUserId(userName, guestPassword);
  const response = await answer(await device.api.createJoinRequest(key));
  await device.api.joinTenant(response, { key, password: guestPassword, sharePassword });
  return opened({ device, tenantId: owner.tenantId, key });
}

const joined = (owner: Owner, userName: string): Promise<Party> =>
  arrived(owner, userName, (request) =>
    owner.device.api.approveJoinRequest(owner.tenantId, request, answering(owner)),
  );

const linked = (owner: Owner, of: Party, userName: string, name = "phone"): Promise<Party> =>
  arrived(owner, userName, (request) =>
    owner.device.api.approveDevice(owner.tenantId, request, { ...answering(owner), user: of.key, name }),
  );

function seenBy({ device, tenantId }: Party): TenantSnapshot | undefined {
  const event = device.events.findLast((one) => one.kind === "tenant" && one.tenantId === tenantId);
  return event?.kind === "tenant" ? event.snapshot : undefined;
}

async function create({ database, device }: Party, title: string, keyName?: string): Promise<string> {
  const options = keyName === undefined ? undefined : { keyName };
  const [id = ""] = await device.api.createDocuments(database, [{ title }], options);
  return id;
}

async function edit({ database, device }: Party, id: string, title: string): Promise<void> {
  const doc = newSubscription();
  const { heads } = await device.api.openDocument(database, id, doc);
  await device.api.changeDocument(doc, draft([{ op: "set", path: ["title"], value: title }], heads));
}

const titleOf = async ({ database, device }: Party, id: string): Promise<unknown> =>
  (await device.api.openDocument(database, id, newSubscription())).value?.["title"];
const shows = (party: Party, id: string, title: unknown) =>
  expect.poll(() => titleOf(party, id).catch(() => undefined), { timeout: 20_000 }).toBe(title);
const sync = ({ device, tenantId }: Party): Promise<void> => device.api.sync(tenantId, server.url);

async function synced(...everyone: readonly Party[]): Promise<void> {
  for (let turn = 0; turn < 2; turn++) for (const party of everyone) await sync(party);
}

const setRoles = ({ device, proof, tenantId }: Owner, ...changes: readonly RoleChange[]): Promise<void> =>
  device.api.setRoles(tenantId, changes, proof);
const everyone = (role: RoleChange["role"]): RoleChange => ({
  database: undefined,
  user: undefined,
  group: undefined,
  role,
});

describe("a second device of a user", () => {
  it("has keys of its own, reads what the user reads, and is one user with the first", async () => {
    const owner = await founded();
    const { device, proof, tenantId } = owner;
    const guest = await joined(owner, "cn=guest");
    await device.api.createKey(tenantId, "salaries");
    await device.api.createKey(tenantId, "others");
    await device.api.grantKey(tenantId, "salaries", { users: [guest.key], groups: [] }, proof);
    const [common, secret, other] = [
      await create(owner, "common"),
      await create(owner, "secret", "salaries"),
      await create(owner, "other", "others"),
    ];
    await sync(owner);
    const phone = await linked(owner, guest, "cn=guest");
    expect(phone.key).not.toBe(guest.key);
    await shows(phone, common, "common");
    await shows(phone, secret, "secret");
    expect(await titleOf(phone, other)).toBeUndefined();
    await edit(phone, common, "by the phone");
    await shows(owner, common, "by the phone");
    await synced(guest, phone, owner);
    for (const party of [owner, guest, phone]) {
      expect(seenBy(party)?.quarantine).toEqual([]);
      expect(seenBy(party)?.users?.map(({ key }) => key)).toEqual([owner.key, guest.key]);
      expect(seenBy(party)?.devices?.find(({ key }) => key === phone.key)).toEqual({
        key: phone.key,
        user: guest.key,
        name: "phone",
        revoked: false,
        self: party === phone,
      });
    }
    expect(seenBy(phone)?.users?.find(({ self }) => self)?.key).toBe(guest.key);
    expect(seenBy(owner)?.keyGrants?.find(({ name }) => name === "salaries")?.holders).toEqual(
      [owner.key, guest.key].toSorted(),
    );
    // What is granted, made for a list or begun anew later is for all devices of the user.
    await device.api.grantKey(tenantId, "others", { users: [guest.key], groups: [] }, proof);
    await device.api.rotateKey(tenantId, "salaries", proof);
    const list = await device.api.createListKey(tenantId, { users: [guest.key], groups: [] }, proof);
    const [late, letter] = [await create(owner, "late", "salaries"), await create(owner, "letter", list)];
    for (const party of [guest, phone]) {
      await shows(party, other, "other");
      await shows(party, late, "late");
      await shows(party, letter, "letter");
    }
    expect(await device.api.recipientsOf(owner.database, letter)).toEqual([owner.key, guest.key].toSorted());
    await device.api.changeRecipients(owner.database, letter, { add: [], remove: [guest.key] }, proof);
    await edit(owner, letter, "without them");
    await synced(owner, guest, phone);
    for (const party of [guest, phone]) expect(await titleOf(party, letter)).toBe("letter");
  });

  it("has the user's role, and the user's documents are its own", async () => {
    const owner = await founded();
    const guest = await joined(owner, "cn=guest");
    const phone = await linked(owner, guest, "cn=guest");
    await setRoles(owner, everyone("author"), { ...everyone("manager"), user: owner.key });
    const theirs = await create(owner, "the owner's");
    await synced(owner, guest, phone);
    const own = await create(guest, "the guest's");
    await sync(guest);
    await shows(phone, own, "the guest's");
    await edit(phone, own, "by the phone");
    await shows(guest, own, "by the phone");
    const onPhone = await create(phone, "made on the phone");
    await shows(guest, onPhone, "made on the phone");
    await edit(guest, onPhone, "by the first device");
    await shows(owner, onPhone, "by the first device");
    await shows(owner, own, "by the phone");
    await shows(phone, theirs, "the owner's");
    await expect(edit(phone, theirs, "no")).rejects.toMatchObject({ code: "access/denied" });
    await setRoles(owner, { ...everyone("reader"), user: guest.key });
    await synced(owner, guest, phone);
    expect(await phone.device.api.getRole(owner.tenantId, "contacts", undefined)).toBe("reader");
    await expect(create(phone, "no")).rejects.toMatchObject({ code: "access/denied" });
    for (const party of [owner, guest, phone]) expect(seenBy(party)?.quarantine).toEqual([]);
    await expect(setRoles(owner, { ...everyone("reader"), user: phone.key })).rejects.toMatchObject({
      code: "input/unknown-id",
    });
  });

  it("shows both sides the same number, and is this user's where nobody else is named", async () => {
    const owner = await founded();
    const device = await startDevice(createMemoryStorage(env));
    const { key } = await device.api.createUserId(people.userName, guestPassword);
    const request = await device.api.createJoinRequest(key);
    const { safetyNumber, userName } = await owner.device.api.inspectJoinRequest(owner.tenantId, request);
    const options = { ...answering(owner), user: undefined, name: "tablet" };
    const response = await owner.device.api.approveDevice(owner.tenantId, request, options);
    await device.api.joinTenant(response, { key, password: guestPassword, sharePassword });
    expect([userName, await device.api.safetyNumber(owner.tenantId, undefined)]).toEqual([
      people.userName,
      safetyNumber,
    ]);
    const tablet = await opened({ device, tenantId: owner.tenantId, key });
    await sync(tablet);
    await expect.poll(() => seenBy(tablet)?.users?.find(({ self }) => self)?.key).toBe(owner.key);
    const id = await create(tablet, "by the tablet");
    await shows(owner, id, "by the tablet");
  });

  it("is refused under another name, as somebody's who is none, by who is not the admin, and then nothing is written", async () => {
    const owner = await founded();
    const guest = await joined(owner, "cn=guest");
    const stranger = await startDevice(createMemoryStorage(env));
    const { key } = await stranger.api.createUserId("cn=guest", guestPassword);
    const request = await stranger.api.createJoinRequest(key);
    const options = { ...answering(owner), user: guest.key, name: "phone" };
    const link = (change: Partial<typeof options>, uri = request): Promise<string> =>
      owner.device.api.approveDevice(owner.tenantId, uri, { ...options, ...change });
    await expect(link({ user: owner.key })).rejects.toMatchObject({ code: "input/invalid" });
    await expect(link({ user: key })).rejects.toMatchObject({ code: "input/unknown-id" });
    await expect(link({ name: " " })).rejects.toMatchObject({ code: "input/invalid" });
    await expect(link({ sharePassword: "short" })).rejects.toMatchObject({ code: "input/weak-password" });
    await expect(link({ adminPassword: "no" })).rejects.toMatchObject({ code: "key/wrong-password" });
    await expect(link({ adminKey: owner.key })).rejects.toMatchObject({ code: "access/not-admin" });
    expect(seenBy(owner)?.devices?.map(({ key: known }) => known)).toEqual([owner.key, guest.key]);
    // A device is nobody else's user, and no user becomes a device.
    await link({});
    const other = await startDevice(createMemoryStorage(env));
    const { key: second } = await other.api.createUserId("cn=guest", guestPassword);
    const next = await other.api.createJoinRequest(second);
    await expect(link({ user: key }, next)).rejects.toMatchObject({ code: "input/unknown-id" });
    await owner.device.api.approveJoinRequest(owner.tenantId, next, answering(owner));
    await expect(link({}, next)).rejects.toMatchObject({ code: "input/invalid" });
    await expect(owner.device.api.revokeUser(owner.tenantId, key, owner.proof)).rejects.toMatchObject({
      code: "input/unknown-id",
    });
  });
});

/** A new device asks, and who has the user's password lets it in. */
const linkedBy = (owner: Owner, by: Party, name = "phone", password = guestPassword): Promise<Party> =>
  arrived(owner, "cn=guest", (request) =>
    by.device.api.approveDevice(by.tenantId, request, {
      password,
      sharePassword,
      serverUrl: server.url,
      expiresInMs: 60_000,
      user: undefined,
      name,
    }),
  );

describe("a device that its user links, without the admin", () => {
  it("is the user's for everybody, reads what the user reads, and links another one", async () => {
    const owner = await founded();
    const { device, proof, tenantId } = owner;
    const guest = await joined(owner, "cn=guest");
    await device.api.createKey(tenantId, "salaries");
    await device.api.grantKey(tenantId, "salaries", { users: [guest.key], groups: [] }, proof);
    await setRoles(owner, everyone("author"), { ...everyone("manager"), user: owner.key });
    const [common, secret] = [await create(owner, "common"), await create(owner, "secret", "salaries")];
    await synced(owner, guest);
    const own = await create(guest, "the guest's");
    const phone = await linkedBy(owner, guest);
    await shows(phone, common, "common");
    await shows(phone, secret, "secret");
    await shows(phone, own, "the guest's");
    await edit(phone, own, "by the phone");
    await shows(guest, own, "by the phone");
    await shows(owner, own, "by the phone");
    await expect(edit(phone, common, "no")).rejects.toMatchObject({ code: "access/denied" });
    const tablet = await linkedBy(owner, phone, "tablet");
    await shows(tablet, own, "by the phone");
    await edit(tablet, own, "by the tablet");
    await shows(owner, own, "by the tablet");
    await synced(owner, guest, phone, tablet);
    for (const party of [owner, guest, phone, tablet]) {
      await expect
        .poll(() => seenBy(party)?.devices?.map(({ key, name, user }) => [key, user, name]))
        .toEqual([
          [owner.key, owner.key, undefined],
          [guest.key, guest.key, undefined],
          [phone.key, guest.key, "phone"],
          [tablet.key, guest.key, "tablet"],
        ]);
      expect(seenBy(party)?.quarantine).toEqual([]);
      expect(seenBy(party)?.users?.map(({ key }) => key)).toEqual([owner.key, guest.key]);
    }
    // The next thing that the admin does is said of them, too, and they are handed the new epoch.
    await device.api.rotateKey(tenantId, "salaries", proof);
    const late = await create(owner, "late", "salaries");
    for (const party of [guest, phone, tablet]) await shows(party, late, "late");
    await setRoles(owner, { ...everyone("reader"), user: guest.key });
    await synced(owner, phone, tablet);
    await expect(edit(tablet, own, "no")).rejects.toMatchObject({ code: "access/denied" });
    for (const party of [owner, guest, phone, tablet]) expect(seenBy(party)?.quarantine).toEqual([]);
  });

  it("goes on when the first device is revoked, and goes when it is revoked itself", async () => {
    const owner = await founded();
    const guest = await joined(owner, "cn=guest");
    const phone = await linkedBy(owner, guest);
    const before = await create(phone, "before");
    await shows(owner, before, "before");
    await owner.device.api.revokeDevice(owner.tenantId, guest.key, owner.proof);
    const after = await create(owner, "after");
    await sync(owner);
    await shows(phone, after, "after");
    await expect(sync(guest)).rejects.toMatchObject({ code: "access/revoked" });
    const onPhone = await create(phone, "on the phone");
    await shows(owner, onPhone, "on the phone");
    const tablet = await linkedBy(owner, phone, "tablet");
    await shows(tablet, after, "after");
    await synced(owner, phone, tablet);
    await owner.device.api.revokeDevice(owner.tenantId, phone.key, owner.proof);
    const last = await create(owner, "last");
    await sync(owner);
    await expect(sync(phone)).rejects.toMatchObject({ code: "access/revoked" });
    await shows(tablet, last, "last");
    for (const id of [before, onPhone]) await shows(owner, id, id === before ? "before" : "on the phone");
    expect(await titleOf(phone, last).catch(() => undefined)).toBeUndefined();
    await owner.device.api.revokeUser(owner.tenantId, guest.key, owner.proof);
    await sync(owner);
    await expect(sync(tablet)).rejects.toMatchObject({ code: "access/revoked" });
    expect(seenBy(owner)?.devices?.map(({ revoked }) => revoked)).toEqual([false, true, true, true]);
  });

  it("takes the user's password and name, and is no device of who is revoked", async () => {
    const owner = await founded();
    const guest = await joined(owner, "cn=guest");
    await expect(linkedBy(owner, guest, "phone", "not it")).rejects.toMatchObject({
      code: "key/wrong-password",
    });
    await expect(linkedBy(owner, guest, " ")).rejects.toMatchObject({ code: "input/invalid" });
    await expect(linkedBy(owner, owner, "phone", people.userPassword)).rejects.toMatchObject({
      code: "input/invalid",
    });
    await synced(owner, guest);
    await owner.device.api.revokeUser(owner.tenantId, guest.key, owner.proof);
    await sync(owner);
    // Offline it does not know, and its link counts nowhere.
    const phone = await linkedBy(owner, guest);
    const late = await create(phone, "late");
    await expect(sync(phone)).rejects.toMatchObject({ code: "access/unauthenticated" });
    await sync(owner);
    expect(await titleOf(owner, late).catch(() => undefined)).toBeUndefined();
    expect(seenBy(owner)?.devices?.map(({ key }) => key)).toEqual([owner.key, guest.key]);
  });
});

describe("a device that is revoked", () => {
  it("is cut off alone: its sessions end, nothing it writes later counts, and nothing later is for it", async () => {
    const owner = await founded();
    const guest = await joined(owner, "cn=guest");
    const phone = await linked(owner, guest, "cn=guest");
    const before = await create(phone, "before");
    await shows(owner, before, "before");
    await synced(owner, guest, phone);
    await owner.device.api.revokeDevice(owner.tenantId, phone.key, owner.proof);
    const after = await create(owner, "after");
    await sync(owner);
    const late = await create(phone, "late").catch(() => "");
    await expect(sync(phone)).rejects.toMatchObject({ code: "access/revoked" });
    await shows(guest, after, "after");
    await shows(guest, before, "before");
    const goesOn = await create(guest, "goes on");
    await shows(owner, goesOn, "goes on");
    expect(await titleOf(phone, after).catch(() => undefined)).toBeUndefined();
    // Whatever a server hands it: the new epoch is wrapped for the others alone.
    const query = { fromMs: undefined, toMs: undefined, database: undefined, user: owner.proof.adminKey };
    const { steps } = await owner.device.api.audit(owner.tenantId, 0, query);
    const epochs = steps.flatMap(({ deeds }) => deeds.filter(({ what }) => what === "keyepoch"));
    expect(epochs.map(({ about, epoch }) => [epoch, new Set(about)])).toEqual([
      [2, new Set([owner.key, guest.key].map((key) => `user ${key}`))],
    ]);
    if (late !== "") expect(await titleOf(owner, late).catch(() => undefined)).toBeUndefined();
    for (const party of [owner, guest]) {
      const devices = seenBy(party)?.devices?.filter(({ revoked }) => revoked);
      await expect
        .poll(() => seenBy(party)?.devices?.find(({ key }) => key === phone.key)?.revoked)
        .toBe(true);
      expect(devices?.map(({ key }) => key)).toEqual([phone.key]);
      expect(seenBy(party)?.users?.map(({ revoked }) => revoked)).toEqual([false, false]);
      expect(seenBy(party)?.keyGrants?.find(({ name }) => name === "default")?.epoch).toBe(2);
    }
    const revoke = (key: string): Promise<void> =>
      owner.device.api.revokeDevice(owner.tenantId, key, owner.proof);
    await expect(revoke(phone.key)).rejects.toMatchObject({ code: "input/unknown-id" });
    await expect(revoke(guest.key)).rejects.toMatchObject({ code: "input/unknown-id" });
  });

  it("may be the first one: its user goes on with the others, and is still the user", async () => {
    const owner = await founded();
    const { device, proof, tenantId } = owner;
    const guest = await joined(owner, "cn=guest");
    const phone = await linked(owner, guest, "cn=guest");
    const members = { addUsers: [guest.key], removeUsers: [], addGroups: [], removeGroups: [] };
    await device.api.setGroup(tenantId, "staff", members, proof);
    await setRoles(owner, everyone("reader"), { ...everyone("author"), group: "staff" });
    await setRoles(owner, { ...everyone("manager"), user: owner.key });
    await device.api.createKey(tenantId, "salaries");
    await device.api.grantKey(tenantId, "salaries", { users: [guest.key], groups: [] }, proof);
    await synced(owner, guest, phone);
    const own = await create(guest, "by the first");
    await synced(guest, owner, phone);
    await device.api.revokeDevice(tenantId, guest.key, proof);
    const [after, secret] = [await create(owner, "after"), await create(owner, "secret", "salaries")];
    await sync(owner);
    const late = await create(guest, "late").catch(() => "");
    await expect(sync(guest)).rejects.toMatchObject({ code: "access/revoked" });
    await shows(phone, after, "after");
    await shows(phone, secret, "secret");
    // What the first device created is the user's, and so is the group that the user was put into.
    await edit(phone, own, "by the phone");
    await shows(owner, own, "by the phone");
    for (const id of [after, secret]) expect(await titleOf(guest, id).catch(() => undefined)).toBeUndefined();
    if (late !== "") expect(await titleOf(owner, late).catch(() => undefined)).toBeUndefined();
    expect(seenBy(owner)?.users?.find(({ key }) => key === guest.key)?.revoked).toBe(false);
    expect(seenBy(owner)?.groups?.map((group) => group.members)).toEqual([[guest.key]]);
    expect(seenBy(owner)?.keyGrants?.find(({ name }) => name === "salaries")?.holders).toEqual(
      [owner.key, guest.key].toSorted(),
    );
    expect(seenBy(owner)?.devices?.map(({ revoked }) => revoked)).toEqual([false, true, false]);
    // The user is handed keys, put on lists and given devices, though nothing is for the first one any more.
    const list = await device.api.createListKey(tenantId, { users: [guest.key], groups: ["staff"] }, proof);
    const letter = await create(owner, "letter", list);
    await shows(phone, letter, "letter");
    const tablet = await linked(owner, guest, "cn=guest", "tablet");
    await shows(tablet, secret, "secret");
    await expect(device.api.regrantUser(tenantId, guest.key, [], proof)).rejects.toMatchObject({
      code: "input/unknown-id",
    });
    // The last ones go with the user, who is let in again as anybody is.
    await device.api.revokeUser(tenantId, guest.key, proof);
    expect(seenBy(owner)?.users?.find(({ key }) => key === guest.key)?.revoked).toBe(true);
    await expect(sync(phone)).rejects.toMatchObject({ code: "access/revoked" });
    await device.api.regrantUser(tenantId, guest.key, [], proof);
    await synced(owner, guest);
    await shows(guest, after, "after");
  });

  it("goes with its user, and so do all others of theirs", async () => {
    const owner = await founded();
    const guest = await joined(owner, "cn=guest");
    const devices = [
      guest,
      await linked(owner, guest, "cn=guest"),
      await linked(owner, guest, "cn=guest", "tablet"),
    ];
    await synced(owner, ...devices);
    await owner.device.api.revokeUser(owner.tenantId, guest.key, owner.proof);
    const after = await create(owner, "after");
    await sync(owner);
    for (const party of devices) {
      await expect(sync(party)).rejects.toMatchObject({ code: "access/revoked" });
      expect(await titleOf(party, after).catch(() => undefined)).toBeUndefined();
    }
    expect(seenBy(owner)?.devices?.map(({ revoked }) => revoked)).toEqual([false, true, true, true]);
    expect(seenBy(owner)?.keyGrants?.find(({ name }) => name === "default")?.holders).toEqual([owner.key]);
    await expect(
      owner.device.api.regrantUser(owner.tenantId, devices[1]?.key ?? "", [], owner.proof),
    ).rejects.toMatchObject({ code: "input/unknown-id" });
  });
});
