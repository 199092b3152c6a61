/** What a person does with a document's past, and what keeps a space at hand: undo, history, staying signed in, a second tab, a backup. */
import { join } from "node:path";
import type { Page } from "@playwright/test";
import { createTempFolder, expect, removeFolder, test } from "../fixtures.ts";
import { field, lock, secrets, startSpace, typeInto, unlock, visit } from "./people.ts";

test.use({ actionTimeout: 15_000 });

/** Longer than the pause that parts one edit from the next. */
const pauseMs = 1_700;

const filePassword = "velvet harbor pumpkin 93";

/** Make a document with a title, and wait until it is kept. */
async function newDocument(page: Page, title: string): Promise<void> {
  await page.getByRole("button", { name: "New document" }).first().click();
  await expect(field(page, "Title")).toHaveValue("");
  await field(page, "Title").fill(title);
  await saved(page);
}

async function saved(page: Page): Promise<void> {
  await expect(page.getByTestId("doc-status")).toHaveAttribute("data-status", "ready");
}

/** Write a whole field as one edit, apart from those before and after it. */
async function write(page: Page, name: string, text: string): Promise<void> {
  await page.waitForTimeout(pauseMs);
  await field(page, name).fill(text);
  await field(page, name).press("Tab");
  await saved(page);
}

const button = (page: Page, name: string) => page.getByRole("button", { name, exact: true });

/** The space is there without anybody having been asked. */
async function expectOpen(page: Page): Promise<void> {
  await expect(page.getByTestId("space-name")).toHaveText(secrets.space);
  await expect(field(page, "Your password")).toHaveCount(0);
}

async function expectAsked(page: Page): Promise<void> {
  await expect(page.getByTestId("known-space")).toBeVisible();
  await expect(field(page, "Your password")).toBeVisible();
  await expect(page.getByTestId("space-name")).toHaveCount(0);
}

test("edits are taken back and made again, and a document's past is seen and brought back", async ({
  server,
  openDevice,
}) => {
  const { page, context } = await openDevice();
  page.setDefaultTimeout(15_000);
  await visit(page, server.url);
  await startSpace(page);
  await newDocument(page, "Ikiru");
  const address = page.url();

  await test.step("undo by button and by key, in a document that another tab edits too", async () => {
    await write(page, "Director", "Akira Kurosawa");
    const other = await context.newPage();
    await other.goto(address);
    await expect(field(other, "Title")).toHaveValue("Ikiru");
    await write(other, "Rated", "NR");
    await expect(field(page, "Rated")).toHaveValue("NR");
    await write(page, "Year", "1952");
    await write(page, "Distributor", "Toho");

    await button(page, "Undo").click();
    await expect(field(page, "Distributor")).toHaveValue("");
    await field(page, "Title").focus();
    await page.keyboard.press("Control+Z");
    await expect(field(page, "Year")).toHaveValue("");
    for (const tab of [page, other]) {
      await expect(field(tab, "Rated")).toHaveValue("NR");
      await expect(field(tab, "Director")).toHaveValue("Akira Kurosawa");
      await expect(field(tab, "Year")).toHaveValue("");
    }
    await page.keyboard.press("Control+Shift+Z");
    await expect(field(page, "Year")).toHaveValue("1952");
    await expect(button(page, "Redo")).toBeEnabled();
    await button(page, "Redo").click();
    await expect(field(page, "Distributor")).toHaveValue("Toho");
    await expect(button(page, "Redo")).toBeDisabled();
    await other.close();
  });

  await test.step("what is typed and not in the document yet is undone by its own field", async () => {
    await field(page, "Year").pressSequentially("0");
    await page.keyboard.press("Control+Z");
    await expect(field(page, "Year")).toHaveValue("1952");
    await expect(field(page, "Distributor")).toHaveValue("Toho");
    await field(page, "Year").press("Tab");
  });

  await test.step("the steps outlive a reload", async () => {
    await page.reload();
    await unlock(page, secrets.ownerPassword);
    await expect(field(page, "Distributor")).toHaveValue("Toho");
    await expect(button(page, "Undo")).toBeEnabled();
    await button(page, "Undo").click();
    await expect(field(page, "Distributor")).toHaveValue("");
    await expect(field(page, "Year")).toHaveValue("1952");
  });

  await test.step("the history tells who did what, shows what was, and brings it back", async () => {
    await page.waitForTimeout(pauseMs);
    await typeInto(page, "Notes", "A playground.");
    await saved(page);
    await button(page, "History").click();
    const steps = page.getByTestId("history-step");
    // Typing is one step, however many keys it took.
    await expect(steps.first()).toContainText(/You changed it/);
    await expect(steps.first()).toContainText("Notes: “A playground.”");
    await expect(steps.nth(1)).toContainText(/You undid an edit/);
    await expect(steps.last()).toContainText(/You created it/);
    await expect(steps.filter({ hasText: "Director: “Akira Kurosawa”" })).toHaveCount(1);

    const then = page.getByTestId("history-then");
    await expect(then).toContainText("A playground.");
    await expect(button(page, "Bring this version back")).toBeDisabled();
    await page.getByRole("slider").focus();
    await page.keyboard.press("Home");
    await expect(then).not.toContainText("1952");
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowRight");
    await expect(then).toContainText("Akira Kurosawa");
    await expect(then).not.toContainText("1952");
    await expect(field(page, "Year")).toHaveValue("1952");
    await page.waitForTimeout(pauseMs);
    await button(page, "Bring this version back").click();
    await expect(field(page, "Year")).toHaveValue("");
    await expect(field(page, "Notes")).toHaveValue("");
    await expect(field(page, "Rated")).toHaveValue("");
    await expect(field(page, "Director")).toHaveValue("Akira Kurosawa");
    await expect(steps.first()).toContainText("Year cleared");

    await page.keyboard.press("Escape");
    await expect(page.getByTestId("history")).toHaveCount(0);
    await expect(button(page, "History")).toBeFocused();
    await button(page, "Undo").click();
    await expect(field(page, "Year")).toHaveValue("1952");
    await expect(field(page, "Notes")).toHaveValue("A playground.");
  });

  await test.step("a deleted document comes back as it once was", async () => {
    await button(page, "Delete").click();
    await expect(page.getByTestId("document")).toHaveCount(0);
    await page.goto(address);
    await expect(page.getByTestId("doc-status")).toHaveAttribute("data-status", "deleted");
    await button(page, "History").click();
    await expect(page.getByTestId("history-step").first()).toContainText(/You deleted it/);
    await page.getByTestId("history-step").filter({ hasText: "Director" }).last().click();
    await button(page, "Bring this version back").click();
    await expect(field(page, "Director")).toHaveValue("Akira Kurosawa");
    await expect(field(page, "Year")).toHaveValue("");
    await expect(page.getByTestId("history").getByTestId("error")).toHaveCount(0);
  });
});

test("who stays signed in is not asked again, a second tab opens by itself, and locking ends both", async ({
  server,
  openDevice,
}) => {
  const { page, context } = await openDevice();
  page.setDefaultTimeout(15_000);
  await visit(page, server.url);
  await startSpace(page);

  await test.step("without it, a reload asks", async () => {
    await page.reload();
    await expectAsked(page);
  });

  await test.step("a second tab opens by itself, and locking one locks both", async () => {
    await unlock(page, secrets.ownerPassword);
    const second = await context.newPage();
    await second.goto(server.url);
    await expectOpen(second);
    await lock(second);
    await expect(page.getByTestId("locked")).toBeVisible();
    await expect(page.getByText(secrets.space)).toHaveCount(0);
    await second.reload();
    await expectAsked(second);
    await second.close();
  });

  await test.step("with it, a reload opens, until the space is locked", async () => {
    await page.reload();
    await expectAsked(page);
    await page.getByRole("checkbox", { name: /Keep me signed in/ }).check();
    await unlock(page, secrets.ownerPassword);
    await page.reload();
    await expectOpen(page);
    await newDocument(page, "Ran");
    await lock(page);
    await page.reload();
    await expectAsked(page);
    await expect(page.getByRole("checkbox", { name: /Keep me signed in/ })).not.toBeChecked();
    await unlock(page, secrets.ownerPassword);
    await expect(field(page, "Title")).toHaveValue("Ran");
  });
});

test("a backup file brings everything to a fresh device", async ({ server, openDevice }) => {
  const folder = await createTempFolder("backup");
  try {
    const { page, context } = await openDevice();
    page.setDefaultTimeout(15_000);
    // Nobody is there to choose a place for the file, so that it is a download.
    await context.addInitScript(() => Reflect.deleteProperty(globalThis, "showSaveFilePicker"));
    await visit(page, server.url);
    await startSpace(page);
    await newDocument(page, "Rashomon");
    await field(page, "Notes").fill("Four tellings.");
    await saved(page);
    await page.getByRole("link", { name: "Sync" }).click();
    await field(page, "Password of the file").fill(filePassword);
    const downloading = page.waitForEvent("download");
    await button(page, "Save a backup").click();
    const download = await downloading;
    expect(download.suggestedFilename()).toMatch(/^backup-\d{4}-\d{2}-\d{2}\.coffer$/);
    const path = join(folder, download.suggestedFilename());
    await download.saveAs(path);

    const { page: fresh } = await openDevice();
    fresh.setDefaultTimeout(15_000);
    await visit(fresh, server.url);
    await fresh.getByRole("button", { name: /Restore from a file/ }).click();
    await fresh.getByLabel("Backup file").setInputFiles(path);
    await field(fresh, "Password of the file").fill("not this one at all");
    await button(fresh, "Restore").click();
    await expect(fresh.getByTestId("error")).toHaveAttribute("data-code", "key/wrong-password");
    await expect(field(fresh, "Password of the file")).toHaveValue("not this one at all");
    expect(await fresh.getByLabel("Backup file").inputValue()).toContain(download.suggestedFilename());

    await field(fresh, "Password of the file").fill(filePassword);
    await button(fresh, "Restore").click();
    await expect(fresh.getByTestId("restored")).toContainText(/The file is whole/, { timeout: 20_000 });
    await button(fresh, "Unlock it").click();
    await unlock(fresh, secrets.ownerPassword);
    await fresh.getByTestId("film-row").filter({ hasText: "Rashomon" }).click();
    await expect(field(fresh, "Notes")).toHaveValue("Four tellings.");
  } finally {
    await removeFolder(folder);
  }
});
