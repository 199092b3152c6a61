/** Ways to open a tenant without its password: a passkey, a recovery code; and a tenant that locks itself. */
import type { Page } from "@playwright/test";
import { addAuthenticator } from "../fixtures.ts";
import {
  type Site,
  expect,
  foundTenant,
  openBy,
  openSite,
  people,
  readTitles,
  test,
  write,
} from "./world.ts";

/** Passkeys belong to names, and an address of numbers is none. */
const named = (site: Site): Site => ({ ...site, url: site.url.replace("127.0.0.1", "localhost") });

const proof = { password: people.userPassword };

const outcome = (page: Page, run: (way: object) => Promise<string>, way: object) => page.evaluate(run, way);

test("a passkey opens the tenant after a reload, and only the one that was added", async ({
  openDevice,
  site,
}) => {
  const { context, page } = await openDevice();
  await openSite(page, named(site));
  const id = await foundTenant(page);
  await write(page, ["behind a passkey"]);
  const { session, id: authenticator } = await addAuthenticator(context, page);
  await page.evaluate(async (given) => {
    story.kept["slot"] = await story.tenant.addKeySlot({ passkey: true }, given);
  }, proof);
  const { credentials } = await session.send("WebAuthn.getCredentials", { authenticatorId: authenticator });
  expect(credentials).toHaveLength(1);
  expect(await page.evaluate(async () => (await story.tenant.getKeySlots()).map(({ kind }) => kind))).toEqual(
    ["password", "passkey"],
  );

  await page.evaluate(async () => story.tenant.lock());
  await page.evaluate(async () => story.tenant.unlock({ passkey: true }));
  await expect.poll(() => readTitles(page)).toEqual(["behind a passkey"]);

  // The only tab goes, and its worker with it; the authenticator stays.
  await page.evaluate(async () => story.coffer.close());
  await openSite(page, named(site));
  expect(await openBy(page, id, {})).toBe("access/locked");
  expect(await openBy(page, id, { passkey: true })).toBe("resolved");
  await expect.poll(() => readTitles(page)).toEqual(["behind a passkey"]);
  await page.evaluate(async () => story.tenant.lock());

  // Who does not show that it is them, gets nothing.
  await session.send("WebAuthn.setUserVerified", { authenticatorId: authenticator, isUserVerified: false });
  const unlock = (way: object) => story.outcomeOf(story.tenant.unlock(way as { passkey: true }));
  expect(await outcome(page, unlock, { passkey: true })).toBe("aborted");
  expect(await page.evaluate(() => story.tenant.status.value.phase)).toBe("locked");
  await session.send("WebAuthn.setUserVerified", { authenticatorId: authenticator, isUserVerified: true });

  // One that was removed opens nothing any more.
  expect(await outcome(page, unlock, proof)).toBe("resolved");
  await page.evaluate(async (given) => {
    const slots = await story.tenant.getKeySlots();
    const { id: slot = "" } = slots.find(({ kind }) => kind === "passkey") ?? {};
    await story.tenant.removeKeySlot(slot, given);
    await story.tenant.lock();
  }, proof);
  expect(await outcome(page, unlock, { passkey: true })).toBe("key/missing");
});

test("an authenticator that keeps no secrets is told apart, and nothing is added", async ({
  openDevice,
  site,
}) => {
  const { context, page } = await openDevice();
  await openSite(page, named(site));
  await foundTenant(page);
  await addAuthenticator(context, page, false);
  const add = (given: object) =>
    story.outcomeOf(story.tenant.addKeySlot({ passkey: true }, given as { password: string }));
  expect(await outcome(page, add, proof)).toBe("key/missing");
  expect(await page.evaluate(async () => (await story.tenant.getKeySlots()).length)).toBe(1);
});

test("a recovery code opens it when the password is forgotten, and gives it a new one", async ({
  openDevice,
  site,
}) => {
  const { page } = await openDevice();
  await openSite(page, site);
  const id = await foundTenant(page);
  await write(page, ["recovered"]);
  const code = await page.evaluate(
    async (given) => (await story.tenant.addKeySlot({ recoveryCode: true }, given)).recoveryCode ?? "",
    proof,
  );
  expect(code).toMatch(/^([0-9A-Z]{4}-){7}[0-9A-Z]{4}$/);
  await page.evaluate(async () => story.coffer.close());
  await openSite(page, site);
  expect(await openBy(page, id, { recoveryCode: code.replace(/.$/, code.endsWith("0") ? "1" : "0") })).toBe(
    "input/invalid",
  );
  expect(await openBy(page, id, { recoveryCode: code.toLowerCase() })).toBe("resolved");
  await expect.poll(() => readTitles(page)).toEqual(["recovered"]);
  const newPassword = "forty tin soldiers in a row";
  await page.evaluate(
    async ([recoveryCode, password]) => story.tenant.changePassword(password, { recoveryCode }),
    [code, newPassword] as const,
  );
  await page.evaluate(async () => story.coffer.close());
  await openSite(page, site);
  expect(await openBy(page, id, proof)).toBe("key/wrong-password");
  expect(await openBy(page, id, { password: newPassword })).toBe("resolved");
  await expect.poll(() => readTitles(page)).toEqual(["recovered"]);
});

test("it locks itself when nobody is there, in every tab", async ({ openDevice, site }) => {
  const { page } = await openDevice();
  await page.clock.install();
  await openSite(page, site);
  await foundTenant(page);
  await write(page, ["for nobody"]);
  await page.evaluate(async () => story.tenant.lockWhen({ idleMs: 300_000 }));
  const phase = () => page.evaluate(() => story.tenant.status.value.phase);
  for (let round = 0; round < 4; round++) {
    await page.clock.runFor(150_000);
    await page.keyboard.press("Shift");
    expect(await phase()).not.toBe("locked");
  }
  await page.clock.runFor(300_000);
  await expect.poll(phase).toBe("locked");
  expect(await readTitles(page)).toEqual([]);
});
