/** What two devices of a space write apart, carried from one to the other as files, with the server gone. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import AxeBuilder from "@axe-core/playwright";
import type { Download, Page } from "@playwright/test";
import { createTempFolder, expect, removeFolder, test } from "../fixtures.ts";
import {
  approve,
  askToJoin,
  field,
  join as joinSpace,
  openFilm,
  publish,
  startWithFilm,
  visit,
} from "./people.ts";

const shots = process.env["COFFER_SHOTS"];

async function shoot(page: Page, name: string): Promise<void> {
  if (shots === undefined) return;
  await page.getByTestId("by-file").scrollIntoViewIfNeeded();
  await page.screenshot({ path: join(shots, `${name}.png`) });
}

async function saving(page: Page, folder: string, name: string): Promise<string> {
  const downloading = page.waitForEvent("download");
  await page.getByTestId("by-file").getByRole("button", { name }).click();
  const download: Download = await downloading;
  const path = join(folder, download.suggestedFilename());
  await download.saveAs(path);
  return path;
}

async function expectAccessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).include('[data-testid="by-file"]').analyze();
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html.slice(0, 120)}`)).toEqual([]);
}

test("a person carries what is new to another device as a file, and only what it lacks", async ({
  server,
  openDevice,
}) => {
  test.setTimeout(150_000);
  const folder = await createTempFolder("by-file");
  try {
    const [deskDevice, phoneDevice] = [await openDevice(), await openDevice()];
    const [desk, phone] = [deskDevice.page, phoneDevice.page];
    for (const { context, page } of [deskDevice, phoneDevice]) {
      page.setDefaultTimeout(15_000);
      // Nobody is there to choose a place for the file, so that it is a download.
      await context.addInitScript(() => Reflect.deleteProperty(globalThis, "showSaveFilePicker"));
    }
    await phone.setViewportSize({ width: 390, height: 844 });
    await startWithFilm(desk, server.url, "Seven Samurai");
    await publish(desk);
    await visit(phone, server.url);
    await joinSpace(phone, await approve(desk, await askToJoin(phone)));
    await expect(phone.getByTestId("film-row")).toHaveCount(1);
    await server.stop("SIGKILL");
    await desk.getByRole("navigation").getByRole("link", { name: "Library" }).click();
    await desk.getByRole("button", { name: "New document" }).first().click();
    await field(desk, "Title").fill("Ran");
    const still = Buffer.alloc(700_000, "a castle burns ");
    await desk
      .getByTestId("choose-files")
      .setInputFiles({ name: "castle.bin", mimeType: "application/octet-stream", buffer: still });
    await expect(desk.getByTestId("file")).toHaveCount(1);
    for (const page of [desk, phone]) await page.evaluate(() => (location.hash = "#/sync"));

    const has = await saving(phone, folder, "Save what this device has");
    await desk.getByLabel("What the other device has").setInputFiles(has);
    const withFiles = desk.getByRole("checkbox", { name: /^With attached files, 7\d\d kB/ });
    await expect(withFiles).toBeChecked();
    await withFiles.uncheck();
    const alone = await saving(desk, folder, "Save what it lacks");
    expect(readFileSync(alone).length).toBeLessThan(100_000);
    await withFiles.check();
    const changes = await saving(desk, folder, "Save what it lacks");
    expect(changes).toMatch(/space-\d{4}-\d{2}-\d{2}\.changes$/);
    await expectAccessible(desk);
    const take = phone.getByLabel("Take in a file from another device");
    await take.setInputFiles(has);
    await expect(phone.getByTestId("by-file").getByTestId("error")).toHaveAttribute(
      "data-code",
      /^(protocol|entry)\//,
    );
    await take.setInputFiles(changes);
    await expect(phone.getByTestId("taken-in")).toContainText(
      /new changes? came, every signature verified, with 7\d\d kB of files/,
    );
    await expect(phone.getByTestId("by-file").getByTestId("error")).toHaveCount(0);
    await expectAccessible(phone);
    await shoot(phone, "by-file-phone");
    await shoot(desk, "by-file-desk");
    await take.setInputFiles(changes);
    await expect(phone.getByTestId("taken-in")).toContainText("was here already");
    await phone.getByRole("navigation").getByRole("link", { name: "Library" }).click();
    await expect(phone.getByTestId("film-row").filter({ hasText: "Ran" })).toBeVisible();
    await openFilm(phone, "Ran");
    await expect(phone.getByTestId("file")).toHaveAttribute("data-place", "local");
    const keeping = phone.waitForEvent("download");
    await phone.getByRole("button", { name: "Save castle.bin" }).click();
    expect(readFileSync(await (await keeping).path()).equals(still)).toBe(true);
  } finally {
    await removeFolder(folder);
  }
});
