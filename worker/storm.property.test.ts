/**
 * Two tabs of one device, page and worker as they are, while everything happens: edits of both, more documents than handles are kept
 * for, branches, deletions, undo, locking, workers that die. Whenever it is quiet, both pages show what a new worker reads from the
 * log, and no edit that was acknowledged is missing.
 */
import { expose, transferHandlers, type Endpoint } from "comlink";
import fc from "fast-check";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { isDeepStrictEqual } from "node:util";
import { afterEach, expect, it } from "vitest";
import { createChangeCodec, loadAutomerge } from "../src/doc/index.ts";
import { openCofferWith } from "../src/page/coffer.ts";
import type { WorkerSource } from "../src/page/connect.ts";
import type { Coffer, Database, Doc, Tenant } from "../src/page/index.ts";
import { installErrorTransfer, isCofferError, type Env } from "../src/std/index.ts";
import { createMemoryStorage, type Storage } from "../src/store/index.ts";
import {
  closeDevices,
  createTabsEnv,
  crypto,
  newSubscription,
  people,
  startDevice,
} from "./device-fixtures.ts";
import { createService } from "./service.ts";

const runs = Number(process.env["COFFER_RUNS"] ?? 6);
const wasm = createRequire(import.meta.url).resolve("@automerge/automerge/automerge.wasm");
/** more than a worker keeps handles of */
const documentCount = 70;
/** those that are watched and edited */
const watchedCount = 5;

afterEach(closeDevices);

/** How calls may end that a lock, a death or another's call crosses. */
const expectedCodes = ["aborted", "access/locked", "doc/deleted", "doc/missing", "worker/restarted"];

/** A call to its end, which may be one of the expected ones. */
async function settled(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!isCofferError(error) || !expectedCodes.includes(error.code)) throw error;
  }
}

interface Note {
  title: string;
  text: string;
  rows: { id: number; name: string }[];
  marks: Record<string, number>;
}

/** What belongs to one worker, and stops with it. */
interface Mortal {
  isDead: boolean;
}

const never = new Promise<never>(() => undefined);

/** The world of a worker: after its death nothing of it reaches the disk or the other tabs. */
function mortalWorld(env: Env, storage: Storage, mortal: Mortal): { env: Env; storage: Storage } {
  const untilDeath = <T extends object>(target: T): T =>
    new Proxy(target, {
      get(of, key) {
        const value: unknown = Reflect.get(of, key);
        if (typeof value !== "function") return value;
        return (...args: unknown[]) =>
          mortal.isDead ? never : (Reflect.apply(value, of, args.map(wrapListener)) as unknown);
      },
    });
  const wrapListener = (arg: unknown): unknown =>
    typeof arg === "function"
      ? (...args: unknown[]) => (mortal.isDead ? undefined : (Reflect.apply(arg, undefined, args) as unknown))
      : arg;
  return {
    env: {
      ...env,
      setTimer: (afterMs, run) => env.setTimer(afterMs, () => !mortal.isDead && run()),
      openChannel(name) {
        const channel = env.openChannel(name);
        return {
          ...untilDeath(channel),
          post: (message) => void (mortal.isDead || channel.post(message)),
          onMessage: (listener) => channel.onMessage((message) => !mortal.isDead && listener(message)),
          close: () => channel.close(),
        };
      },
    },
    storage: { ...storage, openStore: async (name) => untilDeath(await storage.openStore(name)) },
  };
}

interface Tab {
  readonly coffer: Coffer;
  readonly tenant: Tenant;
  readonly db: Database<Note>;
  readonly docs: Doc<Note>[];
  readonly branches: Map<number, Doc<Note>>;
  deaths: number;
  kill(): void;
}

function createSource(env: Env, storage: Storage): { source: WorkerSource; kill: () => void } {
  installErrorTransfer(transferHandlers as never);
  let kill = (): void => undefined;
  const source: WorkerSource = {
    again: true,
    spawn() {
      const { port1, port2 } = new MessageChannel();
      const mortal = { isDead: false };
      let tell = (): void => undefined;
      const service = createService((options) => ({
        ...mortalWorld(env, storage, mortal),
        crypto,
        codec: createChangeCodec((bytes) => crypto.sha256(bytes)),
        scope: options.name,
        openTransport: () => {
          throw new Error("no servers here");
        },
        loadEngine: () => loadAutomerge(() => readFile(wasm)),
        prepareEngine: () => undefined,
      }));
      expose(
        {
          ...service,
          start: (options: Parameters<typeof service.start>[0]) =>
            service.start(options, (events) => void (mortal.isDead || port2.postMessage({ events }))),
        },
        port2 as unknown as Endpoint,
      );
      kill = () => {
        mortal.isDead = true;
        port2.close();
        tell();
      };
      return {
        endpoint: port1 as unknown as Endpoint,
        onError: (listener) => (tell = listener),
        end() {
          mortal.isDead = true;
          port1.close();
          port2.close();
        },
      };
    },
  };
  return { source, kill: () => kill() };
}

const password = people.userPassword;

async function openTab(env: Env, storage: Storage, tenantId: string, ids: readonly string[]): Promise<Tab> {
  const { source, kill } = createSource(env, storage);
  const coffer = await openCofferWith({ env, source });
  const tenant = await coffer.openTenant(tenantId, { password });
  const db = await tenant.openDB<Note>("notes");
  const docs = await Promise.all(ids.slice(0, watchedCount).map((id) => db.getDocument(id)));
  return { coffer, tenant, db, docs, branches: new Map(), deaths: 0, kill };
}

type Step = { readonly kind: string; readonly tab: number; readonly doc: number; readonly at: number };

const kinds = [
  ...Array.from({ length: 8 }, () => "edit"),
  "undo",
  "redo",
  "branch",
  "branchEdit",
  "branchEdit",
  "merge",
  "discard",
  "delete",
  "undelete",
  "evict",
  "lock",
  "unlock",
  "unlock",
  "kill",
  "pause",
  "pause",
  "quiet",
];
const steps = fc.array(
  fc.record({
    kind: fc.constantFrom(...kinds),
    tab: fc.nat(1),
    doc: fc.nat(watchedCount - 1),
    at: fc.nat(1000),
  }),
  { minLength: 20, maxLength: 60 },
);

/** One run: what is open, and what was promised. */
class Storm {
  readonly #env = createTabsEnv();
  readonly #storage = createMemoryStorage(this.#env);
  #tenantId = "";
  #ids: readonly string[] = [];
  tabs: Tab[] = [];
  #under: Promise<unknown>[] = [];
  /** marks that were acknowledged, by document */
  readonly #acknowledged: Set<string>[] = Array.from({ length: watchedCount }, () => new Set());
  #markCount = 0;

  get acknowledgedCount(): number {
    return this.#acknowledged.reduce((sum, { size }) => sum + size, 0);
  }

  async begin(): Promise<void> {
    const { api } = await startDevice(this.#storage, this.#env);
    this.#tenantId = (await api.createTenant(people)).id;
    const database = newSubscription();
    await api.openDatabase(this.#tenantId, "notes", database);
    const values = Array.from({ length: documentCount }, (_, at) => ({
      title: `n${at}`,
      text: "Ada 👍",
      rows: [{ id: 0, name: "first" }],
      marks: {},
    }));
    this.#ids = await api.createDocuments(database, values);
    await api.closeTenant(this.#tenantId);
    for (let tab = 0; tab < 2; tab++)
      this.tabs.push(await openTab(this.#env, this.#storage, this.#tenantId, this.#ids));
  }

  async end(): Promise<void> {
    for (const { coffer } of this.tabs) await coffer.close();
  }

  async run({ kind, tab: number, doc: index, at }: Step): Promise<void> {
    const tab = this.tabs[number];
    const doc = tab?.docs[index];
    const id = this.#ids[index] ?? "";
    if (tab === undefined || doc === undefined) throw new Error("no such tab");
    const branch = tab.branches.get(index);
    const { db, tenant } = tab;
    if (kind === "edit") this.#edit(tab, doc, at, index);
    else if (kind === "branchEdit" && branch !== undefined) this.#edit(tab, branch, at);
    // what is undone is missing for good reason: these documents' marks are not counted
    else if (kind === "undo" && index === 0) this.#start(db.undo(doc));
    else if (kind === "redo" && index === 0) this.#start(db.redo(doc));
    else if (kind === "branch" && branch === undefined)
      await settled(db.branch(doc, "side").then((made) => tab.branches.set(index, made)));
    else if (kind === "merge") this.#start(db.mergeBranch(id, "side"));
    else if (kind === "discard") this.#start(db.discardBranch(id, "side"));
    else if (kind === "delete" && index === 1) this.#start(db.deleteDocument(id));
    else if (kind === "undelete") this.#start(db.undeleteDocument(id));
    else if (kind === "evict") this.#start(this.#evict(db));
    else if (kind === "lock") this.#start(tenant.lock());
    else if (kind === "unlock") await this.#unlock();
    else if (kind === "kill" && tab.deaths < 3) {
      tab.deaths += 1;
      tab.kill();
    } else if (kind === "pause") await new Promise((resolve) => setTimeout(resolve, at % 30));
    else if (kind === "quiet") await this.quiet();
  }

  #edit(tab: Tab, doc: Doc<Note>, at: number, index?: number): void {
    const mark = `m${this.#markCount++}`;
    const change = tab.db.changeDoc(doc, (draft) => {
      draft.marks[mark] = at;
      if (at % 5 === 0) draft.title = `t${at}`;
      else if (at % 5 === 1) draft.text = `${draft.text.slice(0, 20)}👍`;
      else if (at % 5 === 2) draft.rows.push({ id: at, name: `row ${at}` });
      else if (at % 5 === 3 && draft.rows.length > 1) draft.rows.splice(at % draft.rows.length, 1);
      else for (const row of draft.rows) row.name = `${row.name.slice(0, 12)}${at}`;
    });
    this.#start(
      change.then(() => {
        if (index !== undefined) this.#acknowledged[index]?.add(mark);
      }),
    );
  }

  async #evict(db: Database<Note>): Promise<void> {
    for (const id of this.#ids.slice(watchedCount)) {
      const doc = await db.getDocument(id);
      doc.dispose();
    }
  }

  #start(work: Promise<unknown>): void {
    this.#under.push(settled(work));
  }

  async #unlock(): Promise<void> {
    for (const { tenant } of this.tabs) await settled(tenant.unlock({ password }));
  }

  /** Let everything settle, and hold what is shown against what a new worker reads. */
  async quiet(): Promise<void> {
    for (const under of this.#under.splice(0)) await under;
    await expect
      .poll(
        async () => {
          await this.#unlock();
          return this.tabs.map(({ tenant }) => tenant.status.peek().phase);
        },
        { timeout: 20_000 },
      )
      .toEqual(["open", "open"]);
    for (const under of this.#under.splice(0)) await under;
    const { api } = await startDevice(this.#storage, this.#env);
    await api.openTenant(this.#tenantId, { userName: undefined, password, keepSession: false });
    const database = newSubscription();
    await api.openDatabase(this.#tenantId, "notes", database);
    for (let index = 0; index < watchedCount; index++) {
      const id = this.#ids[index] ?? "";
      for (const name of [undefined, "side"]) {
        const shown = () =>
          this.tabs.flatMap(({ docs, branches }) => {
            const doc = name === undefined ? docs[index] : branches.get(index);
            if (doc === undefined) return [];
            return [{ value: doc.data.peek(), heads: doc.heads.peek(), status: doc.status.peek() }];
          });
        const compared = async () => {
          // a worker that has just opened may have the end of the log to judge yet
          const { value, heads, status } = await api.openDocument(database, id, newSubscription(), name);
          const now = shown();
          return { now, stored: now.map(() => ({ value, heads, status })) };
        };
        await expect
          .poll(async () => isSame(await compared()), { timeout: 20_000 })
          .toBe(true)
          .catch(async () => {
            const { now, stored } = await compared();
            expect(now, `${name ?? "main"} ${index}`).toEqual(stored);
          });
      }
      const { value, status } = await api.openDocument(database, id, newSubscription());
      if (status !== "ready" || index === 0) continue;
      const marks = Object.keys((value as unknown as Note).marks);
      expect(marks, `acknowledged ${index}`).toEqual(
        expect.arrayContaining([...(this.#acknowledged[index] ?? [])]),
      );
    }
    await api.closeTenant(this.#tenantId);
  }
}

function isSame({ now, stored }: { now: unknown; stored: unknown }): boolean {
  return isDeepStrictEqual(structuredClone(now), structuredClone(stored));
}

it("shows what is stored, whatever happens", async () => {
  let acknowledgedCount = 0;
  await fc.assert(
    fc.asyncProperty(steps, async (all) => {
      const storm = new Storm();
      await storm.begin();
      try {
        for (const step of all) await storm.run(step);
        await storm.quiet();
        acknowledgedCount += storm.acknowledgedCount;
      } finally {
        await storm.end();
      }
    }),
    { numRuns: runs, endOnFailure: true },
  );
  expect(acknowledgedCount).toBeGreaterThan(3 * runs);
});
