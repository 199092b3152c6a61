/** Two servers in a chain: what one device puts into a file at the first one, another reads at the second, with the first one gone. */
import { startServer, type RunningServer } from "../fixtures.ts";
import { expect, foundTenant, joinTenant, openSite, people, test } from "./world.ts";

async function keyOf({ url }: RunningServer): Promise<string> {
  const { serverKey } = (await (await fetch(`${url}/sync/capabilities`)).json()) as { serverKey: string };
  return serverKey;
}

/** How many chunks a server has handed on. */
async function forwardedChunks(server: RunningServer): Promise<number> {
  const [, adminUrl = ""] = /"adminUrl":"([^"]+)"/.exec(server.output()) ?? [];
  const text = await (await fetch(`${adminUrl}/metrics`)).text();
  return Number(/^coffer_forwarded_chunks_total\{outcome="stored"\} (\d+)$/m.exec(text)?.[1] ?? 0);
}

test("a file goes from a device over two servers to another device, which reads it once the first server is gone", async ({
  openDevice,
  server: first,
  site,
}) => {
  const second = await startServer({ args: [`--accept-from=${await keyOf(first)}`] });
  await first.stop();
  const forwarding = await startServer({
    dataFolder: first.dataFolder,
    port: first.port,
    args: ["--forward-to", second.url, "--admin-port", "0"],
  });
  try {
    const [founder, reader] = [(await openDevice()).page, (await openDevice()).page];
    await openSite(founder, site);
    await foundTenant(founder);
    // Published at both, and linked to the first one alone.
    await founder.evaluate(
      async ([near, far, adminPassword]) => {
        for (const url of [near, far])
          await story.tenant.publishToServer(url, { adminUser: story.admin, adminPassword });
        const link = await story.tenant.connectToServer(near);
        await story.until(link.status, ({ phase }) => phase === "live");
      },
      [forwarding.url, second.url, people.adminPassword] as const,
    );
    await openSite(reader, site);
    await joinTenant(founder, reader, second.url);
    const added = await founder.evaluate(async () => {
      const parts = Array.from({ length: 24 }, () => crypto.getRandomValues(new Uint8Array(65_536)));
      const file = new File(parts, "shoot.mp4", { type: "video/mp4" });
      const doc = await story.db.createDocument({ title: "with a film", count: 0 });
      const { id } = await story.db.addAttachment(doc, file);
      const hash = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
      return { docId: doc.id, id, hash: [...new Uint8Array(hash)], links: story.tenant.links.value.length };
    });
    expect(added.links).toBe(1);
    const patiently = { timeout: 60_000 };
    // One and a half megabytes, in chunks of a quarter.
    await expect.poll(() => forwardedChunks(forwarding), patiently).toBe(6);
    const titles = () => reader.evaluate(() => story.query.rows.value.map(({ data }) => data.title));
    await expect.poll(titles, patiently).toEqual(["with a film"]);
    await forwarding.stop("SIGKILL");
    await founder.close();
    const read = await reader.evaluate(
      async ([docId, id]) => {
        const blob = await story.db.getAttachment(await story.db.getDocument(docId), id);
        const hash = await crypto.subtle.digest("SHA-256", await blob.arrayBuffer());
        return { hash: [...new Uint8Array(hash)], servers: story.tenant.links.value.length };
      },
      [added.docId, added.id] as const,
    );
    expect(read).toEqual({ hash: added.hash, servers: 1 });
  } finally {
    await forwarding.stop("SIGKILL");
    await second.stop();
  }
});
