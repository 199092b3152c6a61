/** Two browsers that have only a data channel between them: no server ever hears of the tenant. */
import type { Page } from "@playwright/test";
import type { PeerConnection, PeerStatus } from "../../src/page/index.ts";
import { expect, foundTenant, joinTenant, openSite, readTitles, test, titles, write } from "./world.ts";

/** Addresses of this machine as they are: nobody here resolves the names that browsers hide them behind. */
const args = ["--disable-features=WebRtcHideLocalIpsWithMdns"];

interface Peering {
  readonly connection: RTCPeerConnection;
  peer: Promise<PeerConnection> | undefined;
  readonly phases: PeerStatus["phase"][];
}

/** What a page says to bring about a connection, with all of its addresses: one text to carry over. */
async function describe(page: Page, theirs?: string): Promise<string> {
  return page.evaluate(async (offer) => {
    const connection = new RTCPeerConnection();
    const peering: Peering = { connection, peer: undefined, phases: [] };
    story.kept["peering"] = peering;
    const link = (channel: RTCDataChannel): void => {
      peering.peer = story.tenant.connectPeer(channel, {
        onStatus: ({ phase }) => peering.phases.push(phase),
      });
    };
    const gathered = new Promise<void>((resolve) => {
      connection.addEventListener("icegatheringstatechange", () => {
        if (connection.iceGatheringState === "complete") resolve();
      });
    });
    if (offer === undefined) link(connection.createDataChannel("coffer"));
    else {
      // What the other end says before this one listens is not to be missed.
      connection.addEventListener("datachannel", ({ channel }) => setTimeout(() => link(channel), 300));
      await connection.setRemoteDescription(JSON.parse(offer) as RTCSessionDescriptionInit);
    }
    await connection.setLocalDescription();
    await gathered;
    return JSON.stringify(connection.localDescription);
  }, theirs);
}

async function accept(page: Page, answer: string): Promise<void> {
  await page.evaluate(async (text) => {
    const { connection } = story.kept["peering"] as Peering;
    await connection.setRemoteDescription(JSON.parse(text) as RTCSessionDescriptionInit);
  }, answer);
}

const sync = (page: Page): Promise<void> =>
  page.evaluate(async () => (await (story.kept["peering"] as Peering).peer)?.sync());
const phasesOf = (page: Page): Promise<readonly PeerStatus["phase"][]> =>
  page.evaluate(() => (story.kept["peering"] as Peering).phases);

test("an offer and an answer, carried over as texts, make two browsers alike, both ways and live", async ({
  openDevice,
  site,
}) => {
  const [first, far] = [(await openDevice({ args })).page, (await openDevice({ args })).page];
  await openSite(first, site);
  await foundTenant(first);
  await openSite(far, site);
  await joinTenant(first, far);
  // Several megabytes: more than a channel's buffer holds at once.
  await first.evaluate(async () => {
    const bytes = crypto.getRandomValues(new Uint8Array(9000));
    const body = btoa(String.fromCharCode(...bytes));
    await story.db.createDocuments(Array.from({ length: 400 }, () => ({ title: "large", body })));
  });
  await write(first, titles("first", 20));

  const offer = await describe(first);
  await accept(first, await describe(far, offer));
  await expect
    .poll(() => far.evaluate(() => (story.kept["peering"] as Peering).peer !== undefined))
    .toBe(true);
  await sync(first);
  await expect.poll(async () => (await readTitles(far)).length).toBe(420);

  await write(far, ["by the newcomer"]);
  await expect.poll(async () => (await readTitles(first)).includes("by the newcomer")).toBe(true);
  expect(await phasesOf(first)).toContain("live");

  // The other browser is gone: this one is told, and goes on without it.
  await far.evaluate(() => (story.kept["peering"] as Peering).connection.close());
  await expect.poll(async () => (await phasesOf(first)).at(-1)).toBe("closed");
  await write(first, ["alone"]);
});
