/** Who may do what, told by two people in two browsers: roles, groups, and films under keys of their own. */
import type { Locator, Page } from "@playwright/test";
import { expect, test } from "../fixtures.ts";
import {
  approve,
  askToJoin,
  field,
  join,
  openFilm,
  publish,
  secrets,
  settled,
  startSpace,
  typeInto,
  visit,
} from "./people.ts";

test.use({ actionTimeout: 15_000 });

async function goTo(page: Page, place: string): Promise<void> {
  await page.getByRole("navigation").getByRole("link", { name: place, exact: true }).click();
}

async function newFilm(page: Page, title: string): Promise<void> {
  await goTo(page, "Library");
  await page.getByRole("button", { name: "New document" }).first().click();
  await name(page, title);
}

async function name(page: Page, title: string): Promise<void> {
  await expect(field(page, "Title")).toHaveValue("");
  await field(page, "Title").fill(title);
  await expect(page.getByTestId("doc-status")).toHaveAttribute("data-status", "ready");
}

/** Sign a form with the admin's password. */
async function sign(line: Locator, button: string): Promise<void> {
  await line.getByRole("textbox", { name: "Admin password" }).fill(secrets.adminPassword);
  await line.getByRole("button", { name: button, exact: true }).click();
}

test("an admin says who may do what, and some films are for those who hold their key", async ({
  server,
  openDevice,
}) => {
  test.setTimeout(180_000);
  const owner = await openDevice();
  const guest = await openDevice();
  for (const { page } of [owner, guest]) page.setDefaultTimeout(15_000);

  await test.step("two people share a space", async () => {
    await visit(owner.page, server.url);
    await startSpace(owner.page);
    await newFilm(owner.page, "Seven Samurai");
    await publish(owner.page);
    await visit(guest.page, server.url);
    await join(guest.page, await approve(owner.page, await askToJoin(guest.page)));
    await expect(guest.page.getByTestId("film-row")).toHaveCount(1);
    await openFilm(guest.page, "Seven Samurai");
    await typeInto(guest.page, "Notes", "Three hours well spent.");
    await expect(guest.page.getByTestId("doc-status")).toHaveAttribute("data-status", "ready");
    await settled(guest.page);
    await openFilm(owner.page, "Seven Samurai");
    await expect(field(owner.page, "Notes")).toHaveValue("Three hours well spent.");
  });

  await test.step("a role is tried on what was written, and given", async () => {
    await goTo(owner.page, "People");
    const line = owner.page.getByTestId("member").filter({ hasText: secrets.guest });
    await line.getByRole("button", { name: "Role…" }).click();
    await line.getByRole("combobox", { name: "Role in the library" }).selectOption("reader");
    await expect(line.getByTestId("dry-run")).toContainText(
      /Of \d+ changes so far, \S+ would have been refused/,
    );
    await sign(line, "Give this role");
    await expect(line.locator(".role")).toHaveText("reader");
  });

  await test.step("the guest reads, is told so, and cannot write", async () => {
    await expect(guest.page.getByTestId("reader-note")).toBeVisible();
    await expect(field(guest.page, "Notes")).toHaveValue("Three hours well spent.");
    await expect(field(guest.page, "Notes")).toHaveAttribute("readonly");
    await expect(guest.page.getByRole("button", { name: "Delete" })).toHaveCount(0);
    await goTo(guest.page, "Library");
    await guest.page.getByRole("button", { name: "New document" }).first().click();
    await expect(guest.page.getByTestId("error")).toHaveAttribute("data-code", "access/denied");
    await goTo(guest.page, "People");
    await expect(guest.page.getByRole("button", { name: "Role…" })).toHaveCount(0);
  });

  await test.step("a group gives more, and its members may write again", async () => {
    await owner.page.getByRole("button", { name: "New group" }).click();
    await field(owner.page, "Name of the group").fill("Critics");
    await owner.page.getByRole("checkbox", { name: secrets.guest }).check();
    await sign(owner.page.getByRole("region", { name: "Everyone and groups" }), "Make the group");
    const group = owner.page.getByTestId("group").filter({ hasText: "critics" });
    await expect(group).toContainText(secrets.guest);
    const line = owner.page.getByTestId("member").filter({ hasText: secrets.guest });
    await line.getByRole("button", { name: "Role…" }).click();
    await line.getByRole("combobox", { name: "Role in the library" }).selectOption("As everyone");
    await sign(line, "Give this role");
    await group.getByRole("button", { name: "Role…" }).click();
    await group.getByRole("combobox", { name: "Role in the library" }).selectOption("editor");
    await sign(group, "Give this role");
    await expect(group.locator(".role")).toHaveText("editor");
    // What the admin sees at once has a way to go; until the role is known, nothing is said of it on a document's page.
    const theirGroup = guest.page.getByTestId("group").filter({ hasText: "critics" });
    await expect(theirGroup.locator(".role")).toHaveText("editor");
    await openFilm(guest.page, "Seven Samurai");
    await expect(guest.page.getByTestId("reader-note")).toBeHidden();
    await typeInto(guest.page, "Notes", " Again.");
    await expect(guest.page.getByTestId("doc-status")).toHaveAttribute("data-status", "ready");
    await openFilm(owner.page, "Seven Samurai");
    await expect(field(owner.page, "Notes")).toHaveValue(/ Again\.$/);
  });

  await test.step("a film under a key of its own is there for those who hold the key", async () => {
    await goTo(owner.page, "Keys");
    await field(owner.page, "Name of the key").fill("Jury");
    await owner.page.getByRole("button", { name: "Make it" }).click();
    const key = owner.page.getByTestId("key").filter({ hasText: "Jury" });
    await expect(key).toContainText(secrets.owner);
    await key.getByRole("button", { name: "New film under Jury" }).click();
    await name(owner.page, "The Verdict");
    await settled(owner.page);
    await settled(guest.page);
    await goTo(guest.page, "Library");
    await guest.page.getByRole("searchbox").fill("");
    await expect(guest.page.getByTestId("film-row")).toHaveCount(1);
  });

  await test.step("it is handed on with a text and a password", async () => {
    await goTo(owner.page, "Keys");
    const key = owner.page.getByTestId("key").filter({ hasText: "Jury" });
    await key.getByRole("button", { name: "Share…" }).click();
    await key.getByRole("button", { name: "Make a text to share" }).click();
    await expect(key.getByTestId("key-text")).toBeVisible({ timeout: 20_000 });
    const text = await key.getByTestId("key-text").inputValue();
    const password = await key.getByTestId("key-password").inputValue();
    await goTo(guest.page, "Keys");
    await field(guest.page, "Key").fill(text);
    await field(guest.page, "Password of the key").fill("not this one at all");
    await guest.page.getByRole("button", { name: "Take the key" }).click();
    await expect(guest.page.getByTestId("error")).toHaveAttribute("data-code", "key/wrong-password");
    await expect(field(guest.page, "Key")).toHaveValue(text);
    await field(guest.page, "Password of the key").fill(password);
    await guest.page.getByRole("button", { name: "Take the key" }).click();
    await expect(guest.page.getByTestId("key").filter({ hasText: "Jury" })).toBeVisible({ timeout: 20_000 });
    await openFilm(guest.page, "The Verdict");
  });

  await test.step("it is renewed for those who hold it", async () => {
    const key = owner.page.getByTestId("key").filter({ hasText: "Jury" });
    await key.getByRole("button", { name: "Renew…" }).click();
    await sign(key, "Renew the key");
    await expect(key).toContainText("renewed once");
  });

  await test.step("what is under its former form is sealed anew", async () => {
    const key = owner.page.getByTestId("key").filter({ hasText: "Jury" });
    await key.getByRole("button", { name: "Seal anew…" }).click();
    await key.getByRole("button", { name: "Seal anew", exact: true }).click();
    await expect(owner.page.getByText("One film is sealed anew.")).toBeVisible();
    await settled(owner.page);
  });

  await test.step("a film is made for one reader alone", async () => {
    await goTo(owner.page, "Keys");
    await owner.page.getByRole("checkbox", { name: secrets.guest }).check();
    const form = owner.page.locator("form").filter({ hasText: "A film for some people" });
    await sign(form, "Make the film");
    await name(owner.page, "Notorious");
    await openFilm(guest.page, "Notorious");
  });

  await test.step("who was revoked is let in again, and writes again", async () => {
    await goTo(owner.page, "People");
    const line = owner.page.getByTestId("member").filter({ hasText: secrets.guest });
    await line.getByRole("button", { name: "Revoke…" }).click();
    await sign(line, "Revoke");
    await expect(line.locator(".role")).toHaveText("revoked");
    await settled(owner.page);
    await line.getByRole("button", { name: "Let in again…" }).click();
    await sign(line, "Let in again");
    await expect(line.locator(".role")).toHaveCount(0);
    await settled(owner.page);
    await goTo(guest.page, "Sync");
    await guest.page.getByRole("button", { name: "Sync now" }).click();
    await settled(guest.page);
    await openFilm(guest.page, "Seven Samurai");
    await typeInto(guest.page, "Notes", " Back.");
    await expect(guest.page.getByTestId("doc-status")).toHaveAttribute("data-status", "ready");
    await openFilm(owner.page, "Seven Samurai");
    await expect(field(owner.page, "Notes")).toHaveValue(/ Back\.$/);
  });

  await test.step("what was deleted is erased everywhere", async () => {
    await owner.page.getByTestId("document").getByRole("button", { name: "Delete" }).click();
    await expect(owner.page.getByTestId("document")).toBeHidden();
    await expect(guest.page.getByTestId("doc-status")).toHaveAttribute("data-status", "deleted");
    await owner.page.goBack();
    const page = owner.page.getByTestId("document");
    await page.getByRole("button", { name: "Erase for good…" }).click();
    await sign(page, "Erase it everywhere");
    await expect(guest.page.getByTestId("doc-status")).toHaveAttribute("data-status", "purged");
    await expect(guest.page.getByTestId("document")).toContainText("erased for good");
  });

  await test.step("all of it can be looked up, and stands in a report", async () => {
    await goTo(owner.page, "Safety");
    const audit = owner.page.getByTestId("audit");
    await audit.getByRole("button", { name: "Look" }).click();
    await expect(audit.getByTestId("audit-verdict")).toContainText(/All \d+ commits are whole/);
    const steps = audit.getByTestId("audit-step");
    await expect(steps.first()).toContainText("the admin had a film erased everywhere");
    await expect(steps.filter({ hasText: `let ${secrets.guest} in` })).toHaveCount(2);
    await expect(steps.filter({ hasText: `revoked ${secrets.guest}` })).toHaveCount(1);
    await expect(steps.filter({ hasText: "sealed a film anew" })).toHaveCount(1);
    const download = owner.page.waitForEvent("download");
    await audit.getByRole("button", { name: "Save a report" }).click();
    expect((await download).suggestedFilename()).toMatch(/^audit-\d{4}-\d{2}-\d{2}\.cofferaudit$/);
  });

  await test.step("who goes for good has the space erased from their device", async () => {
    await goTo(owner.page, "People");
    const line = owner.page.getByTestId("member").filter({ hasText: secrets.guest });
    await line.getByRole("button", { name: "Revoke…" }).click();
    await line.getByRole("checkbox", { name: "Have their devices erase it" }).check();
    await sign(line, "Revoke");
    await expect(line.locator(".role")).toHaveText("revoked");
    await expect(guest.page.getByRole("button", { name: /Start a space/ })).toBeVisible({ timeout: 30_000 });
    await expect(guest.page.getByTestId("notice")).toContainText("had it erased from this device");
    await guest.page.reload();
    await expect(guest.page.getByRole("button", { name: /Start a space/ })).toBeVisible();
    await expect(guest.page.getByText(secrets.space)).toHaveCount(0);
  });
});
