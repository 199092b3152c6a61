/** What a person does so as not to be locked out: a passkey, a recovery code on paper, a new password. */
import type { Page } from "@playwright/test";
import { addAuthenticator, expect, test } from "../fixtures.ts";
import { field, importFilms, lock, secrets, startSpace, unlock, visit } from "./people.ts";

test.use({ actionTimeout: 15_000 });

const newPassword = "forty tin soldiers in a row";

const button = (page: Page, name: string) => page.getByRole("button", { name, exact: true });
const ways = (page: Page) => page.getByTestId("ways").getByRole("listitem");

async function openSafety(page: Page): Promise<void> {
  await page.getByRole("link", { name: "Safety" }).first().click();
  await expect(page.getByRole("heading", { name: "Ways to unlock" })).toBeVisible();
}

test("a space opens by a passkey and by a recovery code, and its password is changed", async ({
  server,
  openDevice,
}) => {
  const { context, page } = await openDevice();
  page.setDefaultTimeout(15_000);
  await addAuthenticator(context, page);
  // Passkeys belong to names, and an address of numbers is none.
  await visit(page, server.url.replace("127.0.0.1", "localhost"));
  await startSpace(page);
  await importFilms(page);
  let code = "";

  await test.step("ways are added with the password, and not without", async () => {
    await openSafety(page);
    await expect(ways(page)).toHaveCount(1);
    await expect(button(page, "Make a recovery code")).toBeDisabled();
    const proof = page.getByTestId("ways").getByLabel("Your password", { exact: true });
    await proof.fill("not this one at all");
    await button(page, "Make a recovery code").click();
    await expect(page.getByTestId("error")).toHaveAttribute("data-code", "key/wrong-password");
    await expect(ways(page)).toHaveCount(1);
    await proof.fill(secrets.ownerPassword);
    await button(page, "Add a passkey").click();
    await expect(ways(page)).toHaveCount(2);
    await button(page, "Make a recovery code").click();
    code = await page.getByTestId("recovery-code").inputValue();
    expect(code).toMatch(/^([0-9A-Z]{4}-){7}[0-9A-Z]{4}$/);
    await expect(ways(page)).toHaveCount(3);
    await button(page, "I have written it down").click();
    await expect(page.getByTestId("recovery-code")).toHaveCount(0);
  });

  await test.step("the passkey opens what is locked, here and after a reload", async () => {
    await lock(page);
    await button(page, "Use a passkey").click();
    await expect(page.getByTestId("space-name")).toHaveText(secrets.space);
    await lock(page);
    await page.reload();
    await button(page, "Use a passkey").click();
    await expect(page.getByTestId("space-name")).toHaveText(secrets.space);
  });

  await test.step("the recovery code does so too, however it is typed", async () => {
    await lock(page);
    await button(page, "Use a recovery code").click();
    await field(page, "Your recovery code").fill(code.slice(0, -1));
    await button(page, "Unlock").click();
    await expect(page.getByTestId("error")).toHaveAttribute("data-code", "input/invalid");
    await field(page, "Your recovery code").fill(code.toLowerCase().replaceAll("-", " "));
    await button(page, "Unlock").click();
    await expect(page.getByTestId("space-name")).toHaveText(secrets.space);
  });

  await test.step("a new password takes the place of the old one, and a removed way opens nothing", async () => {
    await openSafety(page);
    await page.getByLabel("Password now", { exact: true }).fill(secrets.ownerPassword);
    await page.getByLabel("New password", { exact: true }).fill(newPassword);
    await button(page, "Change it").click();
    await expect(page.getByLabel("New password", { exact: true })).toHaveValue("");
    await page.getByTestId("ways").getByLabel("Your password", { exact: true }).fill(newPassword);
    await button(page, "Remove this passkey").click();
    await expect(ways(page)).toHaveCount(2);
    await lock(page);
    await expect(button(page, "Use a passkey")).toHaveCount(0);
    await field(page, "Your password").fill(secrets.ownerPassword);
    await button(page, "Unlock").click();
    await expect(page.getByTestId("error")).toHaveAttribute("data-code", "key/wrong-password");
    await unlock(page, newPassword);
    await expect(page.getByTestId("space-name")).toHaveText(secrets.space);
  });
});

test("a space locks by itself when nobody has touched it", async ({ server, openDevice }) => {
  const { page } = await openDevice();
  page.setDefaultTimeout(15_000);
  await page.clock.install();
  await visit(page, server.url);
  await startSpace(page);
  await openSafety(page);
  await page.getByLabel("When nobody has touched it").selectOption("For 5 minutes");
  await page.clock.runFor("04:50");
  await expect(page.getByTestId("locked")).toHaveCount(0);
  await page.keyboard.press("Shift");
  await page.clock.runFor("04:50");
  await expect(page.getByTestId("locked")).toHaveCount(0);
  await page.clock.runFor("00:11");
  await expect(page.getByTestId("locked")).toBeVisible();
});
