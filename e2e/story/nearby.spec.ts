/** Two devices of a space that a person connects by two texts; the server they met at is gone by then. */
import { readFileSync } from "node:fs";
import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { expect, test } from "../fixtures.ts";
import { approve, askToJoin, field, join, openFilm, publish, startWithFilm, visit } from "./people.ts";

/** Addresses of this machine as they are: nobody here resolves the names that browsers hide them behind. */
const args = ["--disable-features=WebRtcHideLocalIpsWithMdns"];

async function expectAccessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html.slice(0, 120)}`)).toEqual([]);
}

test("a person connects a phone nearby by two texts, and a film with its files goes over with the server gone", async ({
  server,
  openDevice,
}) => {
  test.setTimeout(150_000);
  const desk = (await openDevice({ args })).page;
  const phone = (await openDevice({ args })).page;
  await phone.setViewportSize({ width: 390, height: 844 });
  for (const page of [desk, phone]) page.setDefaultTimeout(15_000);
  await startWithFilm(desk, server.url, "Seven Samurai");
  await publish(desk);
  await visit(phone, server.url);
  await join(phone, await approve(desk, await askToJoin(phone)));
  await expect(phone.getByTestId("film-row")).toHaveCount(1);
  for (const page of [desk, phone]) await page.evaluate(() => (location.hash = "#/sync"));
  await server.stop("SIGKILL");

  await desk.getByRole("button", { name: "Begin on this device" }).click();
  await expect(desk.getByTestId("peer-offer")).toHaveValue(/^mdb:\/\/peer-offer\//);
  await expectAccessible(desk);
  await phone.getByRole("button", { name: "Answer another device" }).click();
  await field(phone, "Text of the other device").fill("something else");
  await phone.getByRole("button", { name: "Answer", exact: true }).click();
  await expect(phone.getByTestId("error")).toHaveAttribute("data-code", "input/invalid");
  await field(phone, "Text of the other device").fill(await desk.getByTestId("peer-offer").inputValue());
  await phone.getByRole("button", { name: "Answer", exact: true }).click();
  await expect(phone.getByTestId("peer-answer")).toHaveValue(/^mdb:\/\/peer-answer\//);
  await expectAccessible(phone);
  await field(desk, "Answer of the other device").fill(await phone.getByTestId("peer-answer").inputValue());
  await desk.getByRole("button", { name: "Connect", exact: true }).click();
  for (const page of [desk, phone])
    await expect(page.getByTestId("nearby")).toContainText("up to date", { timeout: 20_000 });

  await desk.getByRole("navigation").getByRole("link", { name: "Library" }).click();
  await desk.getByRole("button", { name: "New document" }).first().click();
  await expect(field(desk, "Title")).toHaveValue("");
  await field(desk, "Title").fill("Ran");
  await phone.getByRole("navigation").getByRole("link", { name: "Library" }).click();
  await expect(phone.getByTestId("film-row").filter({ hasText: "Ran" })).toBeVisible();
  const still = Buffer.alloc(700_000, "a castle burns ");
  await desk
    .getByTestId("choose-files")
    .setInputFiles({ name: "castle.bin", mimeType: "application/octet-stream", buffer: still });
  await expect(desk.getByTestId("file")).toHaveCount(1);
  await openFilm(phone, "Ran");
  await expect(phone.getByTestId("file")).toHaveAttribute("data-place", "local");
  const keeping = phone.waitForEvent("download");
  await phone.getByRole("button", { name: "Save castle.bin" }).click();
  expect(readFileSync(await (await keeping).path()).equals(still)).toBe(true);
  await desk.evaluate(() => (location.hash = "#/sync"));
  await desk.getByTestId("nearby").getByRole("button", { name: "Disconnect" }).click();
  await expect(desk.getByTestId("nearby")).not.toContainText("Connected");
  await expectAccessible(desk);
});
