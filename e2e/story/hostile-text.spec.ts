/** A hundred texts that want to be run, in every field, name and place of the demo: none is anything but text. */
import { Buffer } from "node:buffer";
import type { Page } from "@playwright/test";
import { expect, test } from "../fixtures.ts";
import { foreignElements, hostileTexts } from "./hostile-text.ts";
import { field, secrets, visit } from "./people.ts";

test.use({ actionTimeout: 15_000 });

const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;

/** A table in which every text stands in every field; one column is named by one. */
function hostileTable(): Buffer {
  const names = [
    "title",
    "director",
    "genre",
    "rated",
    "distributor",
    "notes",
    "tags",
    hostileTexts[9] ?? "",
  ];
  const rows = hostileTexts.map((text) => names.map(() => text));
  return Buffer.from([names, ...rows].map((row) => row.map(quoted).join(",")).join("\n"));
}

async function goTo(page: Page, place: string): Promise<void> {
  await page.getByRole("navigation").getByRole("link", { name: place, exact: true }).click();
}

test("these texts do run, and leave their elements, on a page that takes them for markup", async ({
  page,
}) => {
  const ran = new Set<unknown>();
  await page.exposeFunction("reportBroken", (which: unknown) => ran.add(which));
  let foundCount = 0;
  for (const text of hostileTexts) {
    await page.evaluate((markup) => {
      document.body.innerHTML = `<div>${markup}</div>`;
    }, text);
    if ((await page.locator(foreignElements).count()) > 0) foundCount += 1;
  }
  await expect.poll(() => ran.size).toBeGreaterThan(20);
  expect(foundCount).toBeGreaterThanOrEqual(50);
});

test("a hundred texts that want to be run are text wherever they stand, and the policy is never broken", async ({
  server,
  openDevice,
}) => {
  test.setTimeout(180_000);
  expect(new Set(hostileTexts).size).toBe(100);
  const { page } = await openDevice();
  page.setDefaultTimeout(15_000);
  const broken: string[] = [];
  page.on("dialog", (dialog) => {
    broken.push(`dialog ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("pageerror", (error) => broken.push(`error ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") broken.push(`console ${message.text()}`);
  });
  await page.exposeFunction("reportBroken", (what: unknown) => broken.push(`ran ${String(what)}`));
  await page.addInitScript(() => {
    const report = (globalThis as unknown as { reportBroken(what: string): void }).reportBroken;
    addEventListener("securitypolicyviolation", (event) =>
      report(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`),
    );
  });
  /** Nothing on this screen came out of a text. */
  const expectText = async (screen: string): Promise<void> => {
    const found = await page.locator(foreignElements).evaluateAll((all) => all.map((one) => one.outerHTML));
    expect(found, screen).toEqual([]);
    expect(broken, screen).toEqual([]);
    expect(await page.evaluate(() => location.hash.startsWith("#/") || location.hash === "")).toBe(true);
  };

  await test.step("names of a space and its owner", async () => {
    await visit(page, server.url);
    await page.getByRole("button", { name: /Start a space/ }).click();
    await field(page, "Name of the space").fill(hostileTexts[9] ?? "");
    await field(page, "Your name").fill(hostileTexts[15] ?? "");
    await field(page, "Your password").fill(secrets.ownerPassword);
    await field(page, "Admin password").fill(secrets.adminPassword);
    await page.getByRole("button", { name: "Start the space" }).click();
    await expect(page.getByTestId("empty")).toBeVisible({ timeout: 20_000 });
    await expect(page.getByTestId("space-name")).toHaveText(hostileTexts[9] ?? "");
    await expectText("empty");
  });

  await test.step("all fields of a hundred documents, in the list", async () => {
    const file = {
      name: "<img src=x onerror=reportBroken(1)>.csv",
      mimeType: "text/csv",
      buffer: hostileTable(),
    };
    await page.getByTestId("csv-empty").setInputFiles(file);
    await expect(page.getByTestId("count")).toHaveText(/100/, { timeout: 30_000 });
    await expect(page.getByTestId("film-row").first()).toBeVisible();
    const scroller = page.getByTestId("film-row").first();
    await scroller.hover();
    for (let step = 0; step < 12; step += 1) {
      await page.mouse.wheel(0, 600);
      await page.waitForTimeout(30);
      await expectText(`list, ${step}`);
    }
  });

  await test.step("marks of what is searched for", async () => {
    for (const text of ["script", "onerror", "javascript", "reportBroken", "constructor"]) {
      await page.getByRole("searchbox").fill(text);
      await expect(page.getByTestId("film-row").locator("mark").first()).toBeVisible();
      await expectText(`search for ${text}`);
    }
    await page.getByRole("searchbox").fill("");
  });

  await test.step("pages of documents, with their history", async () => {
    for (const index of [0, 9, 15, 24, 29, 61, 70, 99]) {
      const text = hostileTexts[index] ?? "";
      await page.getByRole("searchbox").fill(`reportBroken ${index}`);
      await page.getByTestId("film-row").first().click();
      await expect(field(page, "Title")).not.toHaveValue("");
      if (index === 9) {
        const notes = field(page, "Notes");
        await notes.fill(`${text} and more`);
        await expect(page.getByTestId("doc-status")).toHaveAttribute("data-status", "ready");
        await page.getByRole("button", { name: "History", exact: true }).click();
        await expect(page.getByTestId("history-step").first()).toBeVisible();
        await page.getByRole("slider").press("Home");
        await expect(page.getByTestId("history-then")).toBeVisible();
        await expectText("history");
        await page.keyboard.press("Escape");
      }
      await expectText(`document ${index}`);
    }
    await page.getByRole("searchbox").fill("");
  });

  await test.step("categories, columns and names of a view, and its chart", async () => {
    await goTo(page, "Views");
    await page.getByRole("button", { name: "Columns" }).click();
    await page.getByRole("combobox", { name: "Group by" }).selectOption("genre");
    await page.keyboard.press("Escape");
    await expect(page.getByTestId("view-category").first()).toBeVisible();
    await expectText("view");
    await page.getByRole("group", { name: "Expand to" }).getByRole("button", { name: "Films" }).click();
    await expect(page.getByTestId("view-film").first()).toBeVisible();
    await page.getByTestId("view-film").first().hover();
    for (let step = 0; step < 10; step += 1) {
      await page.mouse.wheel(0, 900);
      await page.waitForTimeout(30);
      await expectText(`view, ${step}`);
    }
    await page.getByTestId("save-view").click();
    await field(page, "Name").fill(hostileTexts[15] ?? "");
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await expect(page.getByTestId("saved-views")).toBeHidden();
    await page.getByTestId("save-view").click();
    await expectText("view, saved");
    await page.keyboard.press("Escape");
  });

  await test.step("names of keys and groups", async () => {
    await goTo(page, "Keys");
    await field(page, "Name of the key").fill(hostileTexts[10] ?? "");
    await page.getByRole("button", { name: "Make it" }).click();
    await expect(page.getByTestId("key")).toHaveCount(2);
    await expectText("keys");
    await goTo(page, "People");
    await page.getByRole("button", { name: "New group" }).click();
    await field(page, "Name of the group").fill(hostileTexts[16] ?? "");
    await field(page, "Admin password").fill(secrets.adminPassword);
    await page.getByRole("button", { name: "Make the group" }).click();
    await expect(page.getByTestId("group")).toHaveCount(2);
    await expectText("people");
    for (const place of ["Sync", "Safety"]) {
      await goTo(page, place);
      await expectText(place);
    }
  });
});
