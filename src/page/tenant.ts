/** A tenant on the page: its signals, its databases and its links. */
import { batch, computed, signal, type ReadonlySignal, type Signal } from "@preact/signals-core";
import type { AdminProof, TenantSnapshot } from "../../worker/api.ts";
import { shareStructure } from "../draft/index.ts";
import type { CofferError } from "../std/index.ts";
import { createDatabase, DatabaseCore } from "./database.ts";
import { canonicalUrl, createLink, type LinkCore } from "./link.ts";
import { createPool, type Lease } from "./pool.ts";
import { restoreOne, type RestoreCall, type Session } from "./session.ts";
import type { WorkerCall } from "./supervisor.ts";
import type { Database, Identity, ServerLink, Tenant } from "./types.ts";

/** an answer to a join request is good for a week, unless the admin says otherwise */
const defaultInvitationMs = 7 * 24 * 60 * 60 * 1000;

/** The state of one open tenant, shared by its handles. */
export class TenantCore {
  readonly id: string;
  readonly session: Session;
  readonly #snapshot: Signal<TenantSnapshot>;
  readonly #links = new Map<string, LinkCore>();
  readonly #linkList = signal<readonly ServerLink[]>([]);
  readonly #databases = createPool<string, DatabaseCore>();

  constructor(session: Session, snapshot: TenantSnapshot) {
    this.session = session;
    this.id = snapshot.id;
    this.#snapshot = signal(snapshot);
    this.hear(snapshot);
  }

  get snapshot(): ReadonlySignal<TenantSnapshot> {
    return this.#snapshot;
  }

  get links(): ReadonlySignal<readonly ServerLink[]> {
    return this.#linkList;
  }

  /** Take in what the worker says; equal parts keep their identity, so that only what changed is heard. */
  hear(snapshot: TenantSnapshot): void {
    batch(() => {
      this.#snapshot.value = shareStructure(this.#snapshot.peek(), snapshot);
      for (const { url, status } of snapshot.links) this.link(url).hear(status);
      const urls = new Set(snapshot.links.map(({ url }) => url));
      for (const url of this.#links.keys()) if (!urls.has(url)) this.#links.delete(url);
      const list = [...this.#links.values()].map(({ link }) => link);
      const before = this.#linkList.peek();
      if (list.length !== before.length || list.some((link, index) => link !== before[index]))
        this.#linkList.value = list;
    });
  }

  /** The link to a server, the same one as long as it exists. */
  link(url: string): LinkCore {
    const known = this.#links.get(url);
    if (known !== undefined) return known;
    const made = createLink(this.session, this.id, url);
    this.#links.set(url, made);
    return made;
  }

  async openDB<T extends object>(name: string): Promise<Database<T>> {
    const lease = await this.#databases.acquire(name, async () => {
      const core = new DatabaseCore(this.session, this.id, name);
      await core.open();
      return core;
    });
    return createDatabase<T>(lease);
  }

  /** Open what was open, after the tenant itself. */
  async restore(call: RestoreCall, isMeant = (_: DatabaseCore): boolean => true): Promise<void> {
    for (const database of this.#databases.live) {
      if (!isMeant(database)) continue;
      await restoreOne(
        async () => database.restore(call),
        (error) => database.fail(error),
      );
    }
  }

  /** Unlock, and open what a worker that was restarted under lock could not. */
  async unlock(password: string): Promise<void> {
    await this.session.call((api) => api.unlock(this.id, password));
    await this.restore(
      async (run) => this.session.call(run),
      (database) => database.awaitsKeys,
    );
  }

  fail(error: CofferError): void {
    for (const database of this.#databases.live) database.fail(error);
    this.#end();
  }

  /** Close all of it, after the drafts that are under way. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#databases.live].map(async (database) => database.close()));
    this.#end();
    await this.session.call((api) => api.closeTenant(this.id));
  }

  #end(): void {
    const last = this.#snapshot.peek();
    this.hear({ ...last, status: { ...last.status, phase: "closed" } });
  }
}

/** Make a handle of a tenant out of a share of it. */
export function createTenant({ shared: core, use, release }: Lease<TenantCore>): Tenant {
  const call = async <T>(run: WorkerCall<T>): Promise<T> => use().session.call(run);
  const part = <K extends keyof TenantSnapshot>(key: K): ReadonlySignal<TenantSnapshot[K]> =>
    computed(() => core.snapshot.value[key]);
  return {
    id: core.id,
    name: part("name"),
    self: part("self"),
    adminUser: part("adminUser"),
    status: part("status"),
    alarms: part("alarms"),
    quarantine: part("quarantine"),
    links: core.links,
    directory: {
      users: part("users"),
      revokeUser: async (key, options) => call((api) => api.revokeUser(core.id, key, adminProof(options))),
    },
    openDB: async <T extends object>(name: string) => use().openDB<T>(name),
    approveJoinRequest: async (request, options) => {
      const { sharePassword, serverUrl, expiresInMs = defaultInvitationMs } = options;
      const url = serverUrl === undefined ? undefined : canonicalUrl(serverUrl);
      const answer = { ...adminProof(options), sharePassword, serverUrl: url, expiresInMs };
      return call((api) => api.approveJoinRequest(core.id, request, answer));
    },
    inspectJoinRequest: async (request) => call((api) => api.inspectJoinRequest(core.id, request)),
    safetyNumber: async (memberKey) => call((api) => api.safetyNumber(core.id, memberKey)),
    publishToServer: async (url, options) => {
      const server = canonicalUrl(url);
      return call((api) => api.publish(core.id, server, adminProof(options)));
    },
    connectToServer: async (url) => {
      const server = canonicalUrl(url);
      await call((api) => api.connect(core.id, server));
      return core.link(server).link;
    },
    lock: async () => call((api) => api.lock(core.id)),
    unlock: async ({ password }) => use().unlock(password),
    dispose: release,
    [Symbol.dispose]: release,
  };
}

function adminProof({
  adminUser,
  adminPassword,
}: {
  adminUser: Identity;
  adminPassword: string;
}): AdminProof {
  return { adminKey: adminUser.key, adminPassword };
}
