/** Two browsers that find each other: by two texts with no server at all, and over a server's blind mailbox, which then goes away. */
import type { Page } from "@playwright/test";
import type { PeerAnswer, PeerConnection, PeerOffer } from "../../src/page/index.ts";
import { startServer } from "../fixtures.ts";
import { connect, expect, foundTenant, joinTenant, openSite, readTitles, test, write } from "./world.ts";

/** Addresses of this machine as they are: nobody here resolves the names that browsers hide them behind. */
const args = ["--disable-features=WebRtcHideLocalIpsWithMdns"];

const offer = (page: Page): Promise<string> =>
  page.evaluate(async () => {
    const made = await story.tenant.offerPeer();
    story.kept["offer"] = made;
    return made.text;
  });
const answer = (page: Page, text: string): Promise<string> =>
  page.evaluate(async (given) => {
    const made = await story.tenant.answerPeer(given);
    story.kept["answer"] = made;
    return made.text;
  }, text);
const accept = (page: Page, text: string): Promise<string | undefined> =>
  page.evaluate(async (given) => {
    const peer = await (story.kept["offer"] as PeerOffer).accept(given);
    story.kept["peer"] = peer;
    await peer.sync();
    return peer.peer?.user;
  }, text);

test("two texts that people carry link two browsers with no server at all, both ways, and show who it is", async ({
  openDevice,
  site,
}) => {
  const [first, far] = [(await openDevice({ args })).page, (await openDevice({ args })).page];
  await openSite(first, site);
  await foundTenant(first);
  await openSite(far, site);
  await joinTenant(first, far);
  await write(first, ["by the founder"]);

  const offered = await offer(first);
  // As much as one code for a camera holds.
  expect(offered.length).toBeLessThan(1800);
  const user = await accept(first, await answer(far, offered));
  expect(user).toBe(await far.evaluate(() => story.tenant.self.value?.key));
  await expect.poll(() => readTitles(far)).toEqual(["by the founder"]);
  await write(far, ["by the newcomer"]);
  await expect.poll(() => readTitles(first)).toEqual(["by the founder", "by the newcomer"]);
  expect(await first.evaluate(() => story.tenant.links.value.length)).toBe(0);

  // Gone, and told so; another offer links them again.
  await far.evaluate(async () => (await (story.kept["answer"] as PeerAnswer).connected).disconnect());
  await expect
    .poll(() => first.evaluate(() => (story.kept["peer"] as PeerConnection).status.phase))
    .toBe("closed");
  await write(far, ["while apart"]);
  await accept(first, await answer(far, await offer(first)));
  await expect.poll(async () => (await readTitles(first)).includes("while apart")).toBe(true);
});

test("two browsers find each other over a server, and go on without it", async ({ openDevice, site }) => {
  const server = await startServer({ args: ["--origin", site.origin] });
  try {
    const [first, far] = [(await openDevice({ args })).page, (await openDevice({ args })).page];
    await openSite(first, site);
    await foundTenant(first);
    await connect(first, server.url);
    await openSite(far, site);
    await joinTenant(first, far, server.url);
    for (const page of [first, far])
      await page.evaluate(async () => {
        const found: PeerConnection[] = [];
        story.kept["found"] = found;
        await story.tenant.meetPeers({ onPeer: (peer) => found.push(peer) });
      });
    for (const page of [first, far])
      await expect
        .poll(
          () =>
            page.evaluate(() => (story.kept["found"] as PeerConnection[]).map(({ status }) => status.phase)),
          {
            timeout: 30_000,
          },
        )
        .toEqual(["live"]);
    await server.stop("SIGKILL");
    await write(first, ["by the founder"]);
    await write(far, ["by the newcomer"]);
    for (const page of [first, far])
      await expect.poll(() => readTitles(page)).toEqual(["by the founder", "by the newcomer"]);
  } finally {
    await server.stop("SIGKILL");
  }
});
