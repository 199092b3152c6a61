/** A user with two devices, documents for some, keys sealed anew and a report for others: seen in two browsers, over a server. */
import { pathToFileURL } from "node:url";
import type { Page } from "@playwright/test";
import type * as auditModule from "cofferdb/audit";
import { fromRoot } from "../../build/paths.mjs";
import type { Identity } from "../../src/page/index.ts";
import {
  connect,
  dbName,
  expect,
  foundTenant,
  joinTenant,
  newcomer,
  openSite,
  people,
  readTitles,
  test,
  write,
} from "./world.ts";

/** Link a page's device to the founder, and open the documents on it. */
async function linkDevice(founder: Page, linking: Page, serverUrl: string): Promise<void> {
  const request = await linking.evaluate(
    async ([userName, password]) => {
      const user = await story.coffer.createUserId(userName, password);
      story.kept["user"] = user;
      return story.coffer.createJoinRequest(user);
    },
    [people.userName, newcomer.password] as const,
  );
  const [response, shown] = await founder.evaluate(
    async ([asked, url, adminPassword, sharePassword]) => {
      const { safetyNumber } = await story.tenant.inspectJoinRequest(asked);
      const answer = { adminUser: story.admin, adminPassword, sharePassword, serverUrl: url, name: "tablet" };
      const uri = await story.tenant.approveDevice(asked, answer);
      for (const link of story.tenant.links.value) await link.sync();
      return [uri, safetyNumber] as const;
    },
    [request, serverUrl, people.adminPassword, newcomer.sharePassword] as const,
  );
  const number = await linking.evaluate(
    async ([answer, password, sharePassword, database]) => {
      const user = story.kept["user"] as Identity;
      const { tenant } = await story.coffer.joinTenant(answer, { user, password, sharePassword });
      story.tenant = tenant;
      story.db = await tenant.openDB(database);
      story.query = story.db.query({ sort: [] });
      return tenant.safetyNumber();
    },
    [response, newcomer.password, newcomer.sharePassword, dbName] as const,
  );
  expect(number).toBe(shown);
}

const devicesOn = (page: Page) =>
  page.evaluate(() => story.tenant.devices.value?.map(({ name, revoked }) => [name, revoked]));

test("a second device is its user, and one that is revoked is nobody", async ({
  openDevice,
  server,
  site,
}) => {
  const [owner, tablet] = [(await openDevice()).page, (await openDevice()).page];
  await openSite(owner, site);
  await foundTenant(owner);
  await write(owner, ["by the first device"]);
  await connect(owner, server.url);
  await openSite(tablet, site);
  await linkDevice(owner, tablet, server.url);
  await expect.poll(() => readTitles(tablet)).toEqual(["by the first device"]);
  await write(tablet, ["by the tablet"]);
  await expect.poll(() => readTitles(owner)).toEqual(["by the first device", "by the tablet"]);
  for (const page of [owner, tablet]) {
    expect(await devicesOn(page)).toEqual([
      [undefined, false],
      ["tablet", false],
    ]);
    expect(await page.evaluate(() => story.tenant.directory.users.value?.map(({ self }) => self))).toEqual([
      true,
    ]);
  }

  await owner.evaluate(async (adminPassword) => {
    const device = story.tenant.devices.value?.find(({ name }) => name === "tablet");
    await story.tenant.revokeDevice(device?.key ?? "", { adminUser: story.admin, adminPassword });
    for (const link of story.tenant.links.value) await link.sync();
  }, people.adminPassword);
  await write(owner, ["later"]);
  await expect
    .poll(() => tablet.evaluate(() => story.tenant.links.value.map(({ status }) => status.value.phase)))
    .toEqual(["denied"]);
  expect(await readTitles(tablet)).toEqual(["by the first device", "by the tablet"]);
  expect(await readTitles(owner)).toEqual(["by the first device", "by the tablet", "later"]);
});

test("a document for some, keys sealed anew, and a report that Node verifies with the tenant's id alone", async ({
  openDevice,
  server,
  site,
}) => {
  const [owner, guest] = [(await openDevice()).page, (await openDevice()).page];
  await openSite(owner, site);
  const tenantId = await foundTenant(owner);
  await connect(owner, server.url);
  await openSite(guest, site);
  await joinTenant(owner, guest, server.url);
  const letter = await owner.evaluate(
    async ([userName, adminPassword]) => {
      const admin = { adminUser: story.admin, adminPassword };
      const user = story.tenant.directory.users.value?.find((one) => one.userName === userName);
      const doc = await story.db.createDocumentFor(
        { users: [user?.key ?? ""] },
        { title: "for the guest" },
        admin,
      );
      await story.db.createDocumentFor({}, { title: "for nobody else" }, admin);
      return doc.id;
    },
    [newcomer.userName, people.adminPassword] as const,
  );
  await write(owner, ["for all"]);
  await expect.poll(() => readTitles(guest)).toEqual(["for all", "for the guest"]);
  await owner.evaluate(
    async ([id, userName, adminPassword]) => {
      const admin = { adminUser: story.admin, adminPassword };
      const user = story.tenant.directory.users.value?.find((one) => one.userName === userName);
      await story.db.changeRecipients(id, { remove: [user?.key ?? ""], ...admin });
      const doc = await story.db.getDocument(id);
      await story.db.changeDoc(doc, (draft) => {
        draft.title = "not for the guest";
      });
      await story.tenant.keys.rotate("default", admin);
    },
    [letter, newcomer.userName, people.adminPassword] as const,
  );
  const reseal = (page: Page) => page.evaluate(async () => story.tenant.keys.reseal("default"));
  expect(await reseal(owner)).toEqual({ doneCount: 1, leftOut: [] });
  expect(await reseal(owner)).toEqual({ doneCount: 0, leftOut: [] });
  await write(owner, ["and more"]);
  await expect.poll(() => readTitles(guest)).toEqual(["and more", "for all", "for the guest"]);
  expect(await guest.evaluate(() => story.tenant.quarantine.value.length)).toBe(0);

  const [steps, base64] = await guest.evaluate(async () => {
    const told: string[] = [];
    for await (const { chain, deeds, verified } of story.tenant.audit())
      told.push(`${chain} ${String(verified)} ${deeds[0]?.what ?? ""}`);
    const report = new Uint8Array(await (await story.tenant.exportAudit({ names: true })).arrayBuffer());
    return [told, btoa(String.fromCodePoint(...report))] as const;
  });
  expect(steps.length).toBeGreaterThan(6);
  expect(steps.filter((step) => !step.startsWith("whole true"))).toEqual([]);
  const { verifyAuditReport } = (await import(
    pathToFileURL(fromRoot("dist", "audit.js")).href
  )) as typeof auditModule;
  const bytes = Buffer.from(base64, "base64");
  const verdict = await verifyAuditReport(bytes, { tenantId });
  expect(verdict).toMatchObject({ kind: "verified", tenantId, gaps: [] });
  expect(verdict.kind === "verified" && verdict.members.map(({ name }) => name)).toEqual([
    people.userName,
    newcomer.userName,
  ]);
  bytes[200] = (bytes[200] ?? 0) ^ 1;
  expect((await verifyAuditReport(bytes, { tenantId })).kind).toBe("refused");
});
