/** What a member may not write any more, and writes all the same: put aside on the admin's device, shown with its reason, let count after all. */
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
  startWithFilm,
  typeInto,
  unlock,
  visit,
} from "./people.ts";

test.use({ actionTimeout: 15_000 });

/** By the place's name, behind which a count may stand. */
async function goTo(page: Page, place: RegExp): Promise<void> {
  await page.getByRole("navigation").getByRole("link", { name: place }).click();
}

async function sign(line: Locator, button: string): Promise<void> {
  await line.getByRole("textbox", { name: "Admin password" }).fill(secrets.adminPassword);
  await line.getByRole("button", { name: button, exact: true }).click();
}

const widths = [390, 1440];

test("what a member writes as if their role had not been taken away is put aside, and the admin sees why", async ({
  server,
  openDevice,
}, testInfo) => {
  test.setTimeout(180_000);
  const owner = await openDevice();
  const guest = await openDevice();
  await startWithFilm(owner.page, server.url, "Seven Samurai");
  await typeInto(owner.page, "Notes", "As it was.");
  await expect(owner.page.getByTestId("doc-status")).toHaveAttribute("data-status", "ready");
  await publish(owner.page);
  await goTo(owner.page, /^Safety/);
  await expect(owner.page.getByText(/Nothing in quarantine/)).toBeVisible();
  await visit(guest.page, server.url);
  await join(guest.page, await approve(owner.page, await askToJoin(guest.page)));
  await openFilm(guest.page, "Seven Samurai");

  // Away from the network, the guest names the directory in which the film was theirs to edit.
  await guest.context.setOffline(true);
  await goTo(owner.page, /^People/);
  const line = owner.page.getByTestId("member").filter({ hasText: secrets.guest });
  await line.getByRole("button", { name: "Role…" }).click();
  await line.getByRole("combobox", { name: "Role in the library" }).selectOption("author");
  await sign(line, "Give this role");
  await expect(line.locator(".role")).toHaveText("author");
  await settled(owner.page);
  await typeInto(guest.page, "Notes", " Defaced.");
  await expect(guest.page.getByTestId("doc-status")).toHaveAttribute("data-status", "ready");
  await guest.context.setOffline(false);

  await goTo(owner.page, /^Safety/);
  const aside = owner.page.getByTestId("quarantine").getByRole("listitem").first();
  await expect(aside).toContainText("Written by someone whose role does not allow it", { timeout: 30_000 });
  const viewport = owner.page.viewportSize();
  for (const width of widths) {
    await owner.page.setViewportSize({ width, height: 900 });
    await owner.page.getByRole("heading", { name: "Quarantine" }).scrollIntoViewIfNeeded();
    await expect(aside).toBeInViewport();
    // Nothing of a hash or a reason makes the page wider than the screen.
    expect(await owner.page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    await owner.page.screenshot({ path: testInfo.outputPath(`quarantine-${width}.png`) });
  }
  if (viewport !== null) await owner.page.setViewportSize(viewport);
  await openFilm(owner.page, "Seven Samurai");
  await expect(field(owner.page, "Notes")).toHaveValue("As it was.");
  await owner.page.reload();
  await unlock(owner.page, secrets.ownerPassword);
  await goTo(owner.page, /^Safety/);
  await expect(aside).toContainText("whose role does not allow it");

  // Every replica says the same of it, the writer's own too.
  await goTo(guest.page, /^Safety/);
  await expect(guest.page.getByTestId("quarantine")).toContainText("whose role does not allow it", {
    timeout: 30_000,
  });
  await expect(guest.page.getByRole("button", { name: "Let it count…" })).toHaveCount(0);

  // The admin lets it count; what was written behind it waited for it, and is refused for itself then.
  const hash = await aside.locator(".code").innerText();
  await aside.getByRole("button", { name: "Let it count…" }).click();
  await sign(aside, "Let it count");
  await expect(owner.page.getByTestId("quarantine").getByText(hash)).toHaveCount(0, { timeout: 20_000 });
  await openFilm(owner.page, "Seven Samurai");
  await expect(field(owner.page, "Notes")).toHaveValue(/^As it was\.\s/, { timeout: 20_000 });
});
