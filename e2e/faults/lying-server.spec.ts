/**
 * Servers that are down, wrong, endless, slow or someone else: the link says so, nothing is lost, and it recovers by itself
 * once an honest server is back at the address.
 */
import { createServer } from "node:http";
import type { Page } from "@playwright/test";
import { startServer } from "../fixtures.ts";
import { openGate, type Gate, type Lie } from "./gate.ts";
import * as lies from "./lies.ts";
import { connect, expect, foundTenant, joinTenant, openSite, readTitles, test, write } from "./world.ts";

/** A time in which the link has tried again after a lie about the protocol: it does so within a minute. */
const retryMs = 75_000;

/** Wait until a page's link shows a code and a phase. */
async function expectLink(
  page: Page,
  url: string,
  shown: { error: string; phase: string },
  withinMs = 20_000,
) {
  await page.evaluate(
    async ([server, { error, phase }, ms]) => {
      const link = story.tenant.links.value.find((one) => one.url === server);
      if (link === undefined) throw new Error("no link");
      // Between two tries the link connects, and shows why the last one failed meanwhile.
      await story.until(link.status, (now) => now.error === error, ms);
      await story.until(link.status, (now) => now.error === error && now.phase === phase, ms);
    },
    [url, shown, withinMs] as const,
  );
}

/** Wait until a page's link has sent and proven everything again. */
async function expectRecovered(page: Page, url: string, withinMs = 20_000): Promise<void> {
  await page.evaluate(
    async ([server, ms]) => {
      const link = story.tenant.links.value.find((one) => one.url === server);
      if (link === undefined) throw new Error("no link");
      const isWell = ({ phase, error, pendingPush, pendingPull }: typeof link.status.value): boolean =>
        phase === "live" && error === undefined && pendingPush === 0 && pendingPull === 0;
      await story.until(link.status, isWell, ms);
    },
    [url, withinMs] as const,
  );
}

/** A way to be wrong, and what the link shows of it. */
interface Wrong {
  readonly name: string;
  readonly begin: (gate: Gate) => Promise<void> | void;
  readonly end: (gate: Gate) => void;
  readonly shows: { readonly error: string; readonly phase: string };
}

const lying = (lie: Lie): Pick<Wrong, "begin" | "end"> => ({
  begin: (gate) => gate.lie(lie),
  end: (gate) => gate.beHonest(),
});

test.describe("a server that fails", () => {
  test("is waited for, and everything written meanwhile arrives", async ({ openDevice, site }) => {
    const [founder, second] = [(await openDevice()).page, (await openDevice()).page];
    const gate = await openGate();
    const elsewhere: string[] = [];
    const other = createServer((request, response) => {
      elsewhere.push(`${request.method} ${request.url} ${request.headers.authorization ?? ""}`);
      response.writeHead(200, { "access-control-allow-origin": "*", "access-control-allow-headers": "*" });
      response.end();
    });
    await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
    const address = other.address();
    const otherUrl = `http://localhost:${typeof address === "object" ? address?.port : ""}`;
    try {
      await openSite(founder, site);
      await foundTenant(founder);
      await connect(founder, gate.url);
      // Counted from the first question that is refused: one that came just before is answered, and the next may follow at once.
      let firstRefused: number | undefined;
      const asksToWait: Lie = (asked) => {
        if (asked.isSync && asked.request.method === "POST") firstRefused ??= gate.syncTimes.length - 1;
        return lies.refusing(429, 2)(asked);
      };
      const failures: readonly (readonly [string, Lie, string])[] = [
        ["hangs up", lies.hangUp, "net/failed"],
        ["answers 500", lies.refusing(500), "net/failed"],
        ["breaks off at once", lies.truncated(0, "broken"), "net/failed"],
        ["breaks off in a frame's head", lies.truncated(1, "broken"), "net/failed"],
        ["breaks off in the middle", lies.truncated(0.5, "broken"), "net/failed"],
        ["breaks off before the last byte", lies.truncated(1e9, "broken"), "net/failed"],
        ["ends an answer in the middle", lies.truncated(0.6, "ended"), "net/failed"],
        ["ends an answer before its end", lies.truncated(0, "ended"), "net/failed"],
        ["redirects to another origin", lies.redirecting(otherUrl), "net/failed"],
        ["asks to slow down", asksToWait, "net/rate-limited"],
        ["is busy for a while", lies.refusing(503, 2), "net/failed"],
      ];
      for (const [name, lie, code] of failures) {
        await test.step(name, async () => {
          gate.lie(lie);
          await write(founder, [name]);
          await expectLink(founder, gate.url, { error: code, phase: "offline" });
          gate.beHonest();
          await expectRecovered(founder, gate.url);
          if (lie !== asksToWait) return;
          const [first = 0, next = 0] = gate.syncTimes.slice(firstRefused);
          expect(next - first, "Retry-After is honoured").toBeGreaterThanOrEqual(1900);
        });
      }
      expect(elsewhere, "a redirect was followed").toEqual([]);
      await openSite(second, site);
      await joinTenant(founder, second, gate.url);
      await expect.poll(() => readTitles(second)).toEqual(failures.map(([name]) => name).sort());
    } finally {
      other.close();
      other.closeAllConnections();
      await gate.close();
    }
  });

  test("may be gone and come back as a process", async ({ openDevice, server, site }) => {
    const { page } = await openDevice();
    await openSite(page, site);
    await foundTenant(page);
    await connect(page, server.url);
    await server.stop("SIGKILL");
    await write(page, ["written while it is down"]);
    await expectLink(page, server.url, { error: "net/failed", phase: "offline" });
    const back = await startServer({ dataFolder: server.dataFolder, port: server.port });
    try {
      await expectRecovered(page, server.url, 70_000);
    } finally {
      await back.stop();
    }
  });
});

test("a server that is wrong is told by its code, and believed again when it is right", async ({
  openDevice,
  site,
}) => {
  test.setTimeout(240_000);
  const { page } = await openDevice();
  await openSite(page, site);
  await foundTenant(page);
  const malformed = { error: "protocol/malformed", phase: "offline" };
  const wrongs: readonly Wrong[] = [
    // Read as frames it is a few unknown ones and no end, as from any broken connection.
    { name: "a page", ...lying(lies.html), shows: { error: "net/failed", phase: "offline" } },
    { name: "other JSON", ...lying(lies.wrongJson), shows: malformed },
    { name: "garbage", ...lying(lies.garbage), shows: malformed },
    { name: "endless JSON", ...lying(lies.endlessJson), shows: malformed },
    { name: "endless frames", ...lying(lies.endlessFrames), shows: malformed },
    { name: "silence", ...lying(lies.silence), shows: { error: "net/timeout", phase: "offline" } },
    {
      name: "a server with another key",
      begin: (gate) => gate.replaceServer(),
      end: (gate) => gate.restoreServer(),
      shows: { error: "access/denied", phase: "denied" },
    },
  ];
  const gates: Gate[] = [];
  try {
    for (const _ of wrongs) {
      const gate = await openGate();
      gates.push(gate);
      await connect(page, gate.url);
    }
    await Promise.all(
      wrongs.map(async ({ name, begin, end, shows }, index) => {
        const gate = gates[index];
        if (gate === undefined) throw new Error("no gate");
        await begin(gate);
        await write(page, [name]);
        await expectLink(page, gate.url, shows, 45_000).catch((cause: unknown) => {
          throw new Error(name, { cause });
        });
        end(gate);
        await expectRecovered(page, gate.url, retryMs).catch((cause: unknown) => {
          throw new Error(`after ${name}`, { cause });
        });
      }),
    );
    expect(await readTitles(page)).toEqual(wrongs.map(({ name }) => name).sort());
    expect(await page.evaluate(() => story.tenant.quarantine.value.length)).toBe(0);
  } finally {
    for (const gate of gates) await gate.close();
  }
});
