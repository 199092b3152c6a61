/** The first edit that sets more than plain fields loads the engine of documents: on a network that is not always there. */
import { readFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { Page } from "@playwright/test";
import { fromRoot } from "../../build/paths.mjs";
import { expect, foundTenant, openSite, readTitles, test, write } from "./world.ts";

/** Serves `automerge.wasm` while it is up; no browser may keep it. */
class WasmHost {
  /** answers that were sent to their end */
  servedCount = 0;
  #server: Server | undefined;
  #port = 0;

  get url(): string {
    return `http://localhost:${this.#port}/automerge.wasm`;
  }

  async start(): Promise<void> {
    const bytes = await readFile(fromRoot("dist", "automerge.wasm"));
    const server = createServer((_request, response) => {
      response.setHeader("access-control-allow-origin", "*");
      response.setHeader("cache-control", "no-store");
      response.setHeader("content-type", "application/wasm");
      response.end(bytes, () => (this.servedCount += 1));
    });
    await new Promise<void>((resolve) => server.listen(this.#port, "localhost", resolve));
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("The system gave no port");
    this.#port = address.port;
    this.#server = server;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }
}

/** Put a list into the one document of a page, which takes the engine; resolves to the outcome, and what is shown then. */
async function edit(page: Page, line: string): Promise<readonly unknown[]> {
  return page.evaluate(async (text) => {
    const rows = await story.until(story.query.rows, (all) => all.length > 0);
    const doc = await story.db.getDocument(
      rows.find(({ data }) => data.title === "written before")?.id ?? "",
    );
    const changing = story.db.changeDoc(doc, (draft) => {
      draft.lines = [text];
    });
    const outcome = await story.outcomeOf(changing);
    return [outcome, doc.data.value?.lines?.[0]];
  }, line);
}

test("the first edit of all needs no network", async ({ openDevice, site }) => {
  const host = new WasmHost();
  await host.start();
  const { page } = await openDevice();
  await openSite(page, site, { wasmUrl: host.url });
  await foundTenant(page);
  await write(page, ["written before"]);
  await expect.poll(() => host.servedCount).toBe(1);
  await host.stop();
  expect(await edit(page, "without a network")).toEqual(["resolved", "without a network"]);
});

test("an edit that cannot be made for want of a network says so, and the next one is made", async ({
  openDevice,
  site,
}) => {
  const host = new WasmHost();
  await host.start();
  await host.stop();
  const { page } = await openDevice();
  await openSite(page, site, { wasmUrl: host.url });
  await foundTenant(page);
  await write(page, ["written before"]);
  expect(await edit(page, "lost")).toEqual(["net/offline", undefined]);
  // What needs no engine goes on.
  await write(page, ["written beside"]);
  await expect.poll(() => readTitles(page)).toEqual(["written before", "written beside"]);
  await host.start();
  expect(await edit(page, "made")).toEqual(["resolved", "made"]);
  await host.stop();
});
