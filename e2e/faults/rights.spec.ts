/** What members may do, and keys that they hand to each other: seen in two browsers, over a server. */
import type { Page } from "@playwright/test";
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

/** Give everyone or the newcomer a role in the database, or take it away. */
async function setRole(page: Page, role: "reader" | "author" | "editor" | undefined): Promise<void> {
  await page.evaluate(
    async ([given, db, userName, adminPassword]) => {
      const user = story.tenant.directory.users.value?.find((one) => one.userName === userName);
      if (user === undefined) throw new Error("no such member");
      const admin = { adminUser: story.admin, adminPassword };
      await story.tenant.directory.setRoles([{ database: db, user: user.key, role: given }], admin);
    },
    [role, dbName, newcomer.userName, people.adminPassword] as const,
  );
}

const roleHere = (page: Page) => page.evaluate(async (name) => story.tenant.directory.getRole(name), dbName);

/** Edit the document of a title. @returns "resolved" or the code */
const edit = (page: Page, title: string, to: string) =>
  page.evaluate(
    async ([from, into]) => {
      const row = story.query.rows.value.find(({ data }) => data.title === from);
      if (row === undefined) throw new Error("no such document");
      const doc = await story.db.getDocument(row.id);
      const changing = story.db.changeDoc(doc, (draft) => {
        draft.title = into;
      });
      return story.outcomeOf(changing);
    },
    [title, to] as const,
  );

test("a role decides at once what a member may write, and changes as the admin says", async ({
  openDevice,
  server,
  site,
}) => {
  const [owner, guest] = [(await openDevice()).page, (await openDevice()).page];
  await openSite(owner, site);
  await foundTenant(owner);
  await write(owner, ["the owner's"]);
  await connect(owner, server.url);
  await openSite(guest, site);
  await joinTenant(owner, guest, server.url);
  await expect.poll(() => readTitles(guest)).toEqual(["the owner's"]);

  await setRole(owner, "reader");
  await expect.poll(() => roleHere(guest)).toBe("reader");
  expect(await edit(guest, "the owner's", "defaced")).toBe("access/denied");
  const creating = guest.evaluate(async () => story.outcomeOf(story.db.createDocuments([{ title: "no" }])));
  expect(await creating).toBe("access/denied");
  expect(await readTitles(guest)).toEqual(["the owner's"]);

  await setRole(owner, "author");
  await expect.poll(() => roleHere(guest)).toBe("author");
  await write(guest, ["the guest's"]);
  expect(await edit(guest, "the owner's", "defaced")).toBe("access/denied");
  expect(await edit(guest, "the guest's", "the guest's, changed")).toBe("resolved");
  await expect.poll(() => readTitles(owner)).toEqual(["the guest's, changed", "the owner's"]);

  await setRole(owner, "editor");
  await expect.poll(() => roleHere(guest)).toBe("editor");
  expect(await edit(guest, "the owner's", "edited by the guest")).toBe("resolved");
  await expect.poll(() => readTitles(owner)).toEqual(["edited by the guest", "the guest's, changed"]);

  // What a stricter policy would have refused is told before anybody decides.
  const refused = await owner.evaluate(
    async ([db, userName]) => {
      const user = story.tenant.directory.users.value?.find((one) => one.userName === userName);
      const { refused: changes } = await story.tenant.directory.dryRun([
        { database: db, user: user?.key ?? "", role: "author" },
      ]);
      return changes.map(({ what, author }) => `${what} ${String(author === user?.key)}`);
    },
    [dbName, newcomer.userName] as const,
  );
  expect(refused).toEqual(["change true"]);
  expect(await owner.evaluate(() => story.tenant.quarantine.value.length)).toBe(0);
});

test("a key that a member hands on under a password opens what is under it", async ({
  openDevice,
  server,
  site,
}) => {
  const [owner, guest] = [(await openDevice()).page, (await openDevice()).page];
  await openSite(owner, site);
  await foundTenant(owner);
  await connect(owner, server.url);
  await openSite(guest, site);
  await joinTenant(owner, guest, server.url);
  const shared = "five amber bicycles at dawn";
  const text = await owner.evaluate(async (password) => {
    await story.tenant.keys.createDocEncryptionKey("salaries");
    await story.db.createEncryptedDocument("salaries", { title: "sealed apart" });
    await story.db.createDocuments([{ title: "for everyone" }]);
    return story.tenant.keys.exportKey("salaries", { password });
  }, shared);
  await expect.poll(() => readTitles(guest)).toEqual(["for everyone"]);
  const take = (password: string) =>
    guest.evaluate(
      async ([uri, secret]) => story.outcomeOf(story.tenant.keys.importKey(uri, { password: secret })),
      [text, password] as const,
    );
  expect(await take(`${shared}!`)).toBe("key/wrong-password");
  expect(await readTitles(guest)).toEqual(["for everyone"]);
  expect(await take(shared)).toBe("resolved");
  await expect.poll(() => readTitles(guest)).toEqual(["for everyone", "sealed apart"]);
  expect(await guest.evaluate(() => story.tenant.keys.list.value)).toEqual(["salaries"]);
});
