/**
 * The world of the fault stories: the built library on a page of its own site, a tenant on it, and the same tenant on a
 * second device.
 */
import { copyFile, cp, mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { BrowserContext, Page } from "@playwright/test";
import { fromRoot } from "../../build/paths.mjs";
import type { Coffer, Database, Identity, OpenCofferOptions, Query, Tenant } from "../../src/page/index.ts";
import { createTempFolder, removeFolder, test as base } from "../fixtures.ts";
import { serveFolder } from "../packages/consumers.ts";

export { expect } from "@playwright/test";

/** What the documents of these stories hold. */
export interface Note {
  title: string;
  count?: number;
  body?: string;
  lines?: string[];
}

/** What a page of these stories has; `coffer`, `tenant`, … are there once a story has opened them. */
export interface Story {
  readonly openCoffer: (options?: OpenCofferOptions) => Promise<Coffer>;
  readonly outcomeOf: (promise: Promise<unknown>) => Promise<string>;
  readonly until: <T>(
    signal: { readonly value: T },
    isMet: (value: T) => boolean,
    withinMs?: number,
  ) => Promise<T>;
  readonly follow: <T>(signal: { readonly value: T }, pick: (value: T) => unknown) => unknown[];
  coffer: Coffer;
  tenant: Tenant;
  admin: Identity;
  db: Database<Note>;
  query: Query<Note>;
  /** what one step keeps for the next one of the same page */
  kept: Record<string, unknown>;
}

declare global {
  var story: Story;
}

/** The people of every story. */
export const people = {
  tenantId: "Kanarienvogel Import",
  adminName: "cn=overseer/o=kanarienvogel",
  adminPassword: "seventeen purple walruses on stilts",
  userName: "cn=ursula/o=kanarienvogel",
  userPassword: "nineteen copper kettles boil quietly",
} as const;

/** Who joins, and the password that is told by telephone. */
export const newcomer = {
  userName: "cn=benedict/o=kanarienvogel",
  password: "thirteen wooden herons by the river",
  sharePassword: "eleven brass lanterns under snow",
} as const;

/** The name of the one database of these stories. */
export const dbName = "contacts";

/** Where the page of the stories is served. */
export interface Site {
  readonly url: string;
  readonly origin: string;
}

/** {@link base} with the site of these stories, one for all of a run. */
export const test = base.extend<object, { site: Site }>({
  site: [
    // Playwright reads the fixtures a function needs from its first parameter, so even the empty one is destructured.
    // oxlint-disable-next-line no-empty-pattern
    async ({}, use) => {
      const folder = await createTempFolder("faults-site");
      await cp(fromRoot("e2e", "faults", "page"), folder, { recursive: true });
      await mkdir(join(folder, "dist"));
      for (const name of ["index.js", "more.js", "worker.js", "automerge.wasm"])
        await copyFile(fromRoot("dist", name), join(folder, "dist", name));
      await copyFile(fromRoot("dist", "sw.js"), join(folder, "sw.js"));
      const signals = fromRoot("node_modules", "@preact", "signals-core", "dist", "signals-core.mjs");
      await copyFile(signals, join(folder, "signals-core.js"));
      const served = await serveFolder(folder);
      await use({ url: served.url, origin: new URL(served.url).origin });
      await served.close();
      await removeFolder(folder);
    },
    { scope: "worker" },
  ],
});

/** Open the site on a page, and CofferDB on it. */
export async function openSite(page: Page, site: Site, options: OpenCofferOptions = {}): Promise<Page> {
  await page.goto(site.url);
  await page.waitForFunction(() => "story" in globalThis);
  await page.evaluate(async (given) => {
    story.kept = {};
    story.coffer = await story.openCoffer(given);
  }, options);
  return page;
}

/** Open the site in a new tab of a browser. */
export async function openTab(
  context: BrowserContext,
  site: Site,
  options?: OpenCofferOptions,
): Promise<Page> {
  return openSite(await context.newPage(), site, options);
}

/** Found the tenant of {@link people} on a page, and open its database with a live query of everything. */
export async function foundTenant(page: Page): Promise<string> {
  return page.evaluate(
    async ([options, name]) => {
      const { tenant, adminUser } = await story.coffer.createTenant(options);
      story.tenant = tenant;
      story.admin = adminUser;
      story.db = await tenant.openDB(name);
      story.query = story.db.query({ sort: [] });
      return tenant.id;
    },
    [people, dbName] as const,
  );
}

/** Open the tenant with its user's password on a page that has none open. */
export async function enterTenant(page: Page, password: string = people.userPassword): Promise<void> {
  await page.evaluate(
    async ([name, secret, database]) => {
      story.tenant = await story.coffer.openTenant(name, { password: secret });
      story.db = await story.tenant.openDB(database);
      story.query = story.db.query({ sort: [] });
    },
    [people.tenantId, password, dbName] as const,
  );
}

/** Publish the tenant to a server and stay connected to it; resolves once the link is live. */
export async function connect(page: Page, url: string): Promise<void> {
  await page.evaluate(
    async ([server, adminPassword]) => {
      await story.tenant.publishToServer(server, { adminUser: story.admin, adminPassword });
      const link = await story.tenant.connectToServer(server);
      await link.sync();
      await story.until(link.status, ({ phase }) => phase === "live");
    },
    [url, people.adminPassword] as const,
  );
}

/** Let the newcomer of another page join the founder's tenant, with a server or without any. */
export async function joinTenant(founder: Page, joining: Page, serverUrl?: string): Promise<void> {
  const request = await joining.evaluate(async ({ userName, password }) => {
    const user = await story.coffer.createUserId(userName, password);
    story.kept["user"] = user;
    return story.coffer.createJoinRequest(user);
  }, newcomer);
  const response = await founder.evaluate(
    async ([asked, url, adminPassword, sharePassword]) => {
      const answer = { adminUser: story.admin, adminPassword, sharePassword };
      const server = url === undefined ? {} : { serverUrl: url };
      const uri = await story.tenant.approveJoinRequest(asked, { ...answer, ...server });
      for (const link of story.tenant.links.value) await link.sync();
      return uri;
    },
    [request, serverUrl, people.adminPassword, newcomer.sharePassword] as const,
  );
  await joining.evaluate(
    async ([answer, { password, sharePassword }, database]) => {
      const user = story.kept["user"] as Identity;
      const { tenant } = await story.coffer.joinTenant(answer, { user, password, sharePassword });
      story.tenant = tenant;
      story.db = await tenant.openDB(database);
      story.query = story.db.query({ sort: [] });
    },
    [response, newcomer, dbName] as const,
  );
}

/** Write documents of these titles; resolves to their ids once they are acknowledged. */
export async function write(page: Page, titles: readonly string[]): Promise<readonly string[]> {
  return page.evaluate(async (all) => story.db.createDocuments(all.map((title) => ({ title }))), titles);
}

/** The titles that a page's query shows, sorted. */
export async function readTitles(page: Page): Promise<readonly string[]> {
  return page.evaluate(() => story.query.rows.value.map(({ data }) => data.title).sort());
}

/** `count` titles that begin with a word. */
export function titles(word: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${word} ${String(index).padStart(4, "0")}`);
}

/** Open the tenant of this device in a way, and its documents. @returns "resolved" or the code */
export async function openBy(page: Page, id: string, way: object): Promise<string> {
  return page.evaluate(
    async ([tenantId, database, given]) => {
      const opening = async () => {
        story.tenant = await story.coffer.openTenant(tenantId, given as { password: string });
        story.db = await story.tenant.openDB(database);
        story.query = story.db.query({ sort: [] });
      };
      return story.outcomeOf(opening());
    },
    [id, dbName, way] as const,
  );
}
