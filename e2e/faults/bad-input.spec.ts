/** What people type wrong, and what they are sent: refused with a code, nothing changed, and the right thing then works. */
import type { Page } from "@playwright/test";
import {
  expect,
  enterTenant,
  foundTenant,
  newcomer,
  openSite,
  people,
  readTitles,
  test,
  write,
} from "./world.ts";

const wrong = "this is not the password at all";

async function openFounder(page: Page, site: { url: string; origin: string }): Promise<void> {
  await openSite(page, site);
  await foundTenant(page);
  await write(page, ["first"]);
}

test("a wrong password opens, unlocks and signs nothing, and the right one does afterwards", async ({
  openDevice,
  server,
  site,
}) => {
  const { page } = await openDevice();
  await openFounder(page, site);

  const locked = await page.evaluate(async (password) => {
    await story.tenant.lock();
    return {
      unlock: await story.outcomeOf(story.tenant.unlock({ password })),
      phase: story.tenant.status.value.phase,
      rows: story.query.rows.value.length,
      name: story.tenant.name.value,
      write: await story.outcomeOf(story.db.createDocument({ title: "never" })),
    };
  }, wrong);
  expect(locked).toEqual({
    unlock: "key/wrong-password",
    phase: "locked",
    rows: 0,
    name: undefined,
    write: "access/locked",
  });
  await page.evaluate((password) => story.tenant.unlock({ password }), people.userPassword);
  await expect.poll(() => readTitles(page)).toEqual(["first"]);

  const admin = await page.evaluate(
    async ([url, adminPassword, rightPassword, sharePassword, joining]) => {
      const { adminUser, usersBefore } = {
        adminUser: story.admin,
        usersBefore: story.tenant.directory.users.value?.length,
      };
      const other = await story.coffer.createUserId("cn=other/o=kanarienvogel", joining);
      const request = await story.coffer.createJoinRequest(other);
      const self = story.tenant.self.value?.key ?? "";
      const users = story.tenant.directory;
      return {
        publish: await story.outcomeOf(story.tenant.publishToServer(url, { adminUser, adminPassword })),
        approve: await story.outcomeOf(
          story.tenant.approveJoinRequest(request, { adminUser, adminPassword, sharePassword }),
        ),
        revoke: await story.outcomeOf(users.revokeUser(self, { adminUser, adminPassword })),
        usersMore: (users.users.value?.length ?? 0) - (usersBefore ?? 0),
        isRevoked: users.users.value?.some((member) => member.revoked),
        rightly: await story.outcomeOf(
          story.tenant.publishToServer(url, { adminUser, adminPassword: rightPassword }),
        ),
      };
    },
    [server.url, wrong, people.adminPassword, newcomer.sharePassword, newcomer.password] as const,
  );
  expect(admin).toEqual({
    publish: "key/wrong-password",
    approve: "key/wrong-password",
    revoke: "key/wrong-password",
    usersMore: 0,
    isRevoked: false,
    rightly: "resolved",
  });

  await openSite(page, site);
  const reopened = await page.evaluate(
    async ([name, password]) => ({
      open: await story.outcomeOf(story.coffer.openTenant(name, { password })),
      locked: (await story.coffer.tenants()).map((tenant) => tenant.locked),
    }),
    [people.tenantId, wrong] as const,
  );
  expect(reopened).toEqual({ open: "key/wrong-password", locked: [true] });
  await enterTenant(page);
  await expect.poll(() => readTitles(page)).toEqual(["first"]);
});

test("join addresses that are malformed, foreign, expired, used or huge are refused by their codes", async ({
  openDevice,
  site,
}) => {
  const [founder, joining] = [(await openDevice()).page, (await openDevice()).page];
  await openFounder(founder, site);
  await openSite(joining, site);

  const requests = await joining.evaluate(async ({ userName, password }) => {
    const user = await story.coffer.createUserId(userName, password);
    const other = await story.coffer.createUserId(userName, password);
    story.kept["user"] = user;
    story.kept["other"] = other;
    const [own, foreign] = [
      await story.coffer.createJoinRequest(user),
      await story.coffer.createJoinRequest(other),
    ];
    return { own, foreign };
  }, newcomer);

  const answers = await founder.evaluate(
    async ([{ own, foreign }, adminPassword, sharePassword]) => {
      const options = { adminUser: story.admin, adminPassword, sharePassword };
      const flip = (uri: string, at: number): string => {
        const next = uri[at] === "A" ? "B" : "A";
        return uri.slice(0, at) + next + uri.slice(at + 1);
      };
      const approve = async (request: string): Promise<string> =>
        story.outcomeOf(story.tenant.approveJoinRequest(request, options));
      const refused = {
        empty: await approve(""),
        text: await approve("please let me in"),
        prefix: await approve("mdb://join-request/"),
        cut: await approve(own.slice(0, -8)),
        changed: await approve(flip(own, own.length - 40)),
        huge: await approve("mdb://join-request/" + "A".repeat(10 * 1024 * 1024)),
        hugeInspected: await story.outcomeOf(
          story.tenant.inspectJoinRequest("mdb://join-request/" + "A".repeat(10 * 1024 * 1024)),
        ),
        users: story.tenant.directory.users.value?.length,
      };
      const good = await story.tenant.approveJoinRequest(own, options);
      return {
        refused,
        good,
        cut: good.slice(0, -8),
        changed: flip(good, good.length - 40),
        foreign: await story.tenant.approveJoinRequest(foreign, options),
        expired: await story.tenant.approveJoinRequest(own, { ...options, expiresInMs: -1 }),
        request: own,
      };
    },
    [requests, people.adminPassword, newcomer.sharePassword] as const,
  );
  expect(answers.refused).toEqual({
    empty: "input/invalid",
    text: "input/invalid",
    prefix: "input/invalid",
    cut: expect.stringMatching(/^(input\/invalid|entry\/forged)$/),
    changed: "entry/forged",
    huge: "input/too-large",
    hugeInspected: "input/too-large",
    users: 1,
  });

  const outcomes = await joining.evaluate(
    async ([{ refused: _, ...uris }, { password, sharePassword }, wrongPassword]) => {
      const user = story.kept["user"] as { userName: string; key: string };
      const join = async (uri: string, change: object = {}): Promise<string> =>
        story.outcomeOf(story.coffer.joinTenant(uri, { user, password, sharePassword, ...change }));
      const before = {
        empty: await join(""),
        request: await join(uris.request),
        cut: await join(uris.cut),
        changed: await join(uris.changed),
        foreign: await join(uris.foreign),
        expired: await join(uris.expired),
        huge: await join("mdb://join-response/" + "A".repeat(10 * 1024 * 1024)),
        sharePassword: await join(uris.good, { sharePassword: wrongPassword }),
        password: await join(uris.good, { password: wrongPassword }),
        tenants: (await story.coffer.tenants()).length,
        pending: (await story.coffer.pendingIdentities()).length,
      };
      return {
        before,
        good: await join(uris.good),
        again: await join(uris.good),
        tenants: (await story.coffer.tenants()).length,
        pending: (await story.coffer.pendingIdentities()).length,
      };
    },
    [answers, newcomer, wrong] as const,
  );
  expect(outcomes).toEqual({
    before: {
      empty: "input/invalid",
      request: "input/invalid",
      cut: expect.stringMatching(/^(input\/invalid|entry\/forged)$/),
      changed: "entry/forged",
      foreign: "input/invalid",
      expired: "input/expired",
      huge: "input/too-large",
      sharePassword: "key/wrong-password",
      password: "key/wrong-password",
      tenants: 0,
      pending: 2,
    },
    good: "resolved",
    again: "input/used",
    tenants: 1,
    pending: 1,
  });
});
