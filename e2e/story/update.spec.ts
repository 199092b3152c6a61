/** A newer version of the application is offered, and taken when the user says so. */
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fromRoot } from "../../build/paths.mjs";
import { createTempFolder, expect, startServer, test } from "../fixtures.ts";
import { visit } from "./people.ts";

test("a newer version waits until the user takes it", async ({ openDevice }) => {
  const demoFolder = await createTempFolder("demo");
  await cp(fromRoot("demo", "dist"), demoFolder, { recursive: true });
  const first = await startServer({ demoFolder });
  const { page } = await openDevice();
  await visit(page, first.url);
  await page.reload();
  const path = join(demoFolder, "sw.js");
  await writeFile(path, `${await readFile(path, "utf8")}\n// The next version.\n`);
  // The server reads an application once, when it starts.
  await first.stop();
  const second = await startServer({ demoFolder, port: first.port, dataFolder: first.dataFolder });
  await page.evaluate(async () => (await navigator.serviceWorker.ready).update());
  const notice = page.getByTestId("update-ready");
  await expect(notice).toBeVisible({ timeout: 20_000 });
  const reloaded = page.waitForEvent("load");
  await notice.getByRole("button", { name: "Update now" }).click();
  await reloaded;
  await expect(page.getByRole("button", { name: /Start a space/ })).toBeVisible();
  expect(await page.evaluate(async () => (await navigator.serviceWorker.ready).waiting)).toBeNull();
  await second.stop();
  await rm(demoFolder, { recursive: true, force: true });
});
