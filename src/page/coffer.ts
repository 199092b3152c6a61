/** The door: opens a CofferDB on this page, and puts its parts together. */
import { batch, computed, signal, type Signal } from "@preact/signals-core";
import type { SessionBox, TenantSnapshot, WorkerEvent } from "../../worker/api.ts";
import { CofferError, createPageEnv, type PageEnv, type Release } from "../std/index.ts";
import { workerSource, type WorkerSource } from "./connect.ts";
import { installServiceWorker, requestSync } from "./install.ts";
import { createPool, type Pool } from "./pool.ts";
import {
  inBackground,
  restoreOne,
  runCallers,
  type RestoreCall,
  type Session,
  type SubscriptionEvent,
} from "./session.ts";
import { Supervisor, type WorkerCall } from "./supervisor.ts";
import { createTenant, TenantCore } from "./tenant.ts";
import type { Coffer, CofferStatus, OpenCofferOptions, Tenant } from "./types.ts";

/**
 * Open CofferDB on this page: spawn its worker and, if asked, register the service worker.
 *
 * @throws worker/failed when the worker cannot be started (its script is missing, or the page's policy
 *   forbids it)
 */
export async function openCoffer(options: OpenCofferOptions = {}): Promise<Coffer> {
  const source = runCallers(() => workerSource(options.worker), "worker/failed");
  return openCofferWith({ env: createPageEnv(), source }, options);
}

/** Open CofferDB with a world of the caller's choice. */
export async function openCofferWith(
  world: { env: PageEnv; source: WorkerSource },
  options: OpenCofferOptions = {},
): Promise<Coffer> {
  const core = new CofferCore(world, options);
  if (options.serviceWorker !== undefined) core.install(options.serviceWorker);
  await core.supervisor.ready();
  return createCoffer(core);
}

type StorageStatus = CofferStatus["storage"];

/** The state behind one `openCoffer`. */
class CofferCore implements Session {
  readonly supervisor: Supervisor;
  readonly tenants: Pool<string, TenantCore> = createPool<string, TenantCore>();
  readonly #storage: Signal<StorageStatus> = signal({ usageBytes: 0, quotaBytes: 0, persisted: undefined });
  readonly #serviceWorker = signal<CofferStatus["serviceWorker"]>("none");
  /** the keys of unlocked tenants, for a restarted worker only; nothing of the API leads here */
  readonly #boxes = new Map<string, SessionBox>();
  readonly #listeners = new Map<number, (event: SubscriptionEvent) => void>();
  /** tenants with something left to send */
  readonly #unsent = new Set<string>();
  #lastNumber = 0;

  constructor({ env, source }: { env: PageEnv; source: WorkerSource }, options: OpenCofferOptions) {
    this.supervisor = new Supervisor({
      env,
      source,
      worker: { name: options.name ?? "coffer", wasmUrl: absoluteUrl(options.wasmUrl) },
      onEvents: (events) => batch(() => events.forEach((event) => this.#hear(event))),
      restore: async (call) => this.#restore(call),
      onFailed: (error) => this.#fail(error),
    });
    this.#askStorage("persisted");
  }

  get status(): Coffer["status"] {
    return computed(() => ({
      worker: this.supervisor.state.value,
      storage: this.#storage.value,
      serviceWorker: this.#serviceWorker.value,
    }));
  }

  readonly isReady = (): boolean => this.supervisor.isReady;

  async ready(): Promise<void> {
    return this.supervisor.ready();
  }

  async call<T>(run: WorkerCall<T>): Promise<T> {
    return this.supervisor.call(run);
  }

  nextNumber(): number {
    this.#lastNumber += 1;
    return this.#lastNumber;
  }

  listen(subscription: number, listener: (event: SubscriptionEvent) => void): Release {
    this.#listeners.set(subscription, listener);
    return () => this.#listeners.delete(subscription);
  }

  /**
   * Open a tenant in the worker; one of the same id that is still being closed would take it along, so that
   * is awaited.
   */
  async open(run: WorkerCall<TenantSnapshot>): Promise<TenantSnapshot> {
    await this.tenants.quiet();
    return this.call(run);
  }

  /**
   * Make a handle of a tenant that the worker has just opened. There is something to keep now, so the browser
   * is asked to.
   */
  async adopt(snapshot: TenantSnapshot): Promise<Tenant> {
    const lease = await this.tenants.acquire(snapshot.id, async () => new TenantCore(this, snapshot));
    lease.shared.hear(snapshot);
    this.#askStorage("persist");
    return createTenant(lease);
  }

  install(url: string | URL): void {
    this.#serviceWorker.value = "registering";
    installServiceWorker(url).then(
      () => {
        this.#serviceWorker.value = "active";
        if (this.#unsent.size > 0) inBackground(requestSync());
      },
      () => {
        this.#serviceWorker.value = "failed";
      },
    );
  }

  /** Close all tenants after the drafts that are under way, then the worker. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.tenants.live].map(async (tenant) => tenant.close()));
    this.supervisor.close();
    this.#boxes.clear();
  }

  /** Some browsers never answer, and one asks the user: nobody waits for it. */
  #askStorage(question: "persist" | "persisted"): void {
    const storage = (globalThis.navigator as Partial<Navigator> | undefined)?.storage as
      | Partial<StorageManager>
      | undefined;
    const answer = storage?.[question]?.();
    answer?.then(
      (persisted) => {
        this.#storage.value = { ...this.#storage.peek(), persisted };
      },
      () => undefined,
    );
  }

  #hear(event: WorkerEvent): void {
    if (event.kind === "tenant") this.#hearTenant(event);
    else if (event.kind === "storage") {
      const { usageBytes, quotaBytes } = event;
      this.#storage.value = { ...this.#storage.peek(), usageBytes, quotaBytes };
    } else this.#listeners.get(event.subscription)?.(event);
  }

  #hearTenant({ tenantId, snapshot, session }: Extract<WorkerEvent, { kind: "tenant" }>): void {
    if (session === null) this.#boxes.delete(tenantId);
    else if (session !== undefined) this.#boxes.set(tenantId, session);
    for (const tenant of this.tenants.live) if (tenant.id === tenantId) tenant.hear(snapshot);
    this.#followOutbox(snapshot);
  }

  /** Background sync is asked for each time the outbox of a tenant fills. */
  #followOutbox({ id, status }: TenantSnapshot): void {
    const isLeft = status.pendingPushCount > 0;
    if (isLeft && !this.#unsent.has(id) && this.#serviceWorker.peek() === "active")
      inBackground(requestSync());
    if (isLeft) this.#unsent.add(id);
    else this.#unsent.delete(id);
  }

  async #restore(call: RestoreCall): Promise<void> {
    for (const tenant of this.tenants.live) {
      await restoreOne(
        async () => {
          tenant.hear(await call((api) => api.resumeTenant(tenant.id, this.#boxes.get(tenant.id))));
          await tenant.restore(call);
        },
        (error) => tenant.fail(error),
      );
    }
  }

  #fail(error: CofferError): void {
    for (const tenant of this.tenants.live) tenant.fail(error);
  }
}

/** An address as the page reads it: the worker's own place would give a relative one another meaning. */
function absoluteUrl(url: string | URL | undefined): string | undefined {
  return url === undefined ? undefined : new URL(url, location.href).href;
}

function createCoffer(core: CofferCore): Coffer {
  const call = core.call.bind(core);
  return {
    status: core.status,
    tenants: async () => call((api) => api.tenants()),
    async createTenant({ tenantId, ...options }) {
      const snapshot = await core.open((api) => api.createTenant({ tenantName: tenantId, ...options }));
      const { self, adminUser } = snapshot;
      if (self === undefined || adminUser === undefined) throw new CofferError("worker/failed");
      return { tenant: await core.adopt(snapshot), adminUser, appUser: self };
    },
    async openTenant(nameOrId, { userName, password }) {
      return core.adopt(await core.open((api) => api.openTenant(nameOrId, { userName, password })));
    },
    createUserId: async (userName, password) => call((api) => api.createUserId(userName, password)),
    createJoinRequest: async (user) => call((api) => api.createJoinRequest(user.key)),
    async joinTenant(response, { user, password, sharePassword }) {
      const snapshot = await core.open((api) =>
        api.joinTenant(response, { key: user.key, password, sharePassword }),
      );
      return { tenant: await core.adopt(snapshot) };
    },
    pendingIdentities: async () => call((api) => api.pendingIdentities()),
    removeTenant: async (id) => call((api) => api.removeTenant(id)),
    createSharePassword: async () => call((api) => api.createSharePassword()),
    checkPassword: async (password) => call((api) => api.checkPassword(password)),
    close: async () => core.close(),
    [Symbol.dispose]: () => inBackground(core.close()),
  };
}
