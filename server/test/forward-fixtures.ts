/** Servers that forward to each other over the network, and what their devices see. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect, vi } from "vitest";
import { parseCommit, type Commit } from "../../src/entry/index.ts";
import { bytesToId, type AuthorKey, type CommitHash } from "../../src/std/index.ts";
import { runAdminCommand } from "../src/cli-admin.ts";
import { readCommand, type AdminCommand } from "../src/cli-options.ts";
import { startServer, type LogFields, type RunningServer, type ServerOptions } from "../src/index.ts";
import {
  createUser,
  crypto,
  itemsOf,
  publicationRequest,
  TestClient,
  TestTenant,
  type TestUser,
} from "./fixtures.ts";

const root = mkdtempSync(join(tmpdir(), "coffer-forward-"));
const running = new Set<RunningServer>();
/** Processes that end with their test. */
export const children = new Set<ChildProcess>();
let folders = 0;
// Below those that the system gives out by itself, to whoever asks for any.
let nextPort = 10_000 + Math.floor(Math.random() * 20_000);

/** A path where nothing is yet. */
export const newFolder = (): string => join(root, String(folders++));

/** A port that nobody is given by the system. */
export const newPort = (): number => nextPort++;

/** How long something may take to come to rest. */
export const untilIdleMs = { timeout: 60_000, interval: 25 };

afterEach(async () => {
  for (const child of children) child.kill("SIGKILL");
  children.clear();
  await Promise.all([...running].map(stop));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A place for a server whose key and address are known before it runs. */
export interface Site {
  readonly folder: string;
  readonly port: number;
  readonly url: string;
  readonly key: AuthorKey;
  readonly serverKey: Uint8Array;
  readonly log: { readonly event: string; readonly fields: LogFields }[];
}

/** Make a place for a server. */
export async function createSite(): Promise<Site> {
  const folder = newFolder();
  mkdirSync(folder, { mode: 0o700 });
  const seed = crypto.randomBytes(32);
  writeFileSync(join(folder, "server-key"), seed, { mode: 0o600 });
  const serverKey = (await crypto.importSigningPair(seed))?.publicKey ?? expect.fail();
  const port = newPort();
  return {
    folder,
    port,
    url: `http://127.0.0.1:${port}`,
    key: bytesToId("AuthorKey", serverKey),
    serverKey,
    log: [],
  };
}

/** Start a server at its place. */
export async function start(site: Site, more: Partial<ServerOptions> = {}): Promise<RunningServer> {
  const note = (event: string, fields: LogFields = {}): void => void site.log.push({ event, fields });
  const server = await startServer({
    dataFolder: site.folder,
    port: site.port,
    logger: { info: note, warn: note },
    ...more,
  });
  running.add(server);
  return server;
}

/** Stop a server. */
export async function stop(server: RunningServer): Promise<void> {
  running.delete(server);
  await server.close();
}

/** After a restart a kept connection of Node's may turn out to be dead: it is asked again then. */
export async function patient(request: Request): Promise<Response> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await fetch(request.clone());
    } catch (cause) {
      if (attempt === 5) throw cause;
    }
  }
}

/** A device that is signed in at a server. */
export async function join2(site: Site, tenant: TestTenant, user: TestUser): Promise<TestClient> {
  const client = new TestClient(patient, tenant.tenantId, user, { url: site.url });
  await client.signIn(site.serverKey);
  return client;
}

/** Publish a tenant as its admin does, to one server. */
export async function publishAt(site: Site, tenant: TestTenant): Promise<void> {
  const body = await tenant.publication({ origin: site.url });
  expect([200, 201]).toContain((await patient(publicationRequest(body, site.url))).status);
}

/** What a reader of a log gets, in its order. */
export async function readLog(
  client: TestClient,
  { dbId }: Pick<TestTenant, "dbId">,
): Promise<readonly Commit[]> {
  const commits: Commit[] = [];
  for (let more = true; more;) {
    const last = commits.length;
    const frames = await client.pull([{ dbId, epoch: await epochOf(client, dbId), seq: last }], {
      allDatabases: false,
      full: true,
      maxBytes: 1e7,
    });
    for (const item of itemsOf(frames, dbId)) {
      const verdict = "commit" in item ? parseCommit(crypto, item.commit) : undefined;
      if (verdict?.kind === "verified") commits.push(verdict.commit);
    }
    more = frames.some((frame) => frame.type === "end" && frame.more) && commits.length > last;
  }
  return commits;
}

/** The epoch of a log there. */
export async function epochOf(client: TestClient, dbId: TestTenant["dbId"]): Promise<number> {
  const frames = await client.pull([], { maxBytes: 1e7 });
  for (const frame of frames) if (frame.type === "head" && frame.dbId === dbId) return frame.epoch;
  return 0;
}

/** Names of commits. */
export const hashesOf = (commits: readonly Pick<Commit, "commitHash">[]): readonly CommitHash[] =>
  commits.map(({ commitHash }) => commitHash);

/** Wait until a device sees exactly these commits. */
export async function seen(
  client: TestClient,
  tenant: TestTenant,
  commits: readonly Commit[],
): Promise<void> {
  await vi.waitFor(async () => {
    expect(hashesOf(await readLog(client, tenant)).toSorted()).toEqual(hashesOf(commits).toSorted());
  }, untilIdleMs);
}

/** Two servers, of which A forwards to B, and a tenant that its admin published at both. */
export async function createPair(more: { a?: Partial<ServerOptions>; b?: Partial<ServerOptions> } = {}) {
  const [a, b] = [await createSite(), await createSite()];
  const [anna, bert] = [await createUser(), await createUser()];
  const tenant = await TestTenant.withUsers(anna, bert);
  const forA = { forwardTo: [b.url], ...more.a };
  const forB = { acceptFrom: [a.key], ...more.b };
  const place = {
    a,
    b,
    anna,
    bert,
    tenant,
    startA: () => start(a, forA),
    startB: () => start(b, forB),
  };
  return place;
}

/** A pair that runs, and a device at each. */
export async function open(more: Parameters<typeof createPair>[0] = {}) {
  const pair = await createPair(more);
  const [serverA, serverB] = [await pair.startA(), await pair.startB()];
  for (const site of [pair.a, pair.b]) await publishAt(site, pair.tenant);
  const atA = await join2(pair.a, pair.tenant, pair.anna);
  const atB = await join2(pair.b, pair.tenant, pair.bert);
  return { ...pair, serverA, serverB, atA, atB };
}

/** Commits of one user. */
export const writeMany = (tenant: TestTenant, user: TestUser, count: number): Promise<Commit[]> =>
  Promise.all(Array.from({ length: count }, () => tenant.write(user)));

/** Bring commits, all of which are taken. */
export async function pushAll(
  client: TestClient,
  tenant: TestTenant,
  commits: readonly Commit[],
): Promise<void> {
  for (const { status } of await client.push(tenant.dbId, ...commits)) expect(status).toBe("accepted");
}

/** A number of a server that shows them. */
export async function metricOf(server: RunningServer, name: string): Promise<number> {
  const text = await (await fetch(`${server.adminUrl}/metrics`)).text();
  const line = text.split("\n").find((one) => one.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? 0);
}

/** Run a command on the data of a server that does not run. */
export async function run(...args: string[]): Promise<void> {
  await runAdminCommand(readCommand(args) as AdminCommand, () => undefined);
}

/** A server in a process of its own. */
export async function spawnServer(
  command: string,
  site: Site,
  ...args: readonly string[]
): Promise<ChildProcess> {
  const all = [command, "--data", site.folder, "--port", String(site.port), ...args];
  const child = spawn(process.execPath, all, { stdio: ["ignore", "pipe", "inherit"] });
  children.add(child);
  await new Promise<void>((resolve, reject) => {
    child.stdout.on("data", (data: Buffer) => data.includes("server.listening") && resolve());
    child.once("exit", () => reject(new Error("the server did not start")));
  });
  return child;
}
