/** The door: opens a CofferDB on this page, and puts its parts together. */
import { batch, computed, signal } from "@preact/signals-core";
import type { SessionBox, TenantSnapshot, WorkerEvent } from "../../worker/api.ts";
import { createPageEnv, toCofferError, type CofferError, type PageEnv, type Release } from "../std/index.ts";
import { workerSource, type WorkerSource } from "./connect.ts";
import { lazily, loadMore } from "./lazy.ts";
import { createPool, type Pool } from "./pool.ts";
import {
  inBackground,
  restoreOne,
  runCallers,
  type RestoreCall,
  type Session,
  type SubscriptionEvent,
} from "./session.ts";
import { StorageWatch } from "./storage.ts";
import { Supervisor, type WorkerCall } from "./supervisor.ts";
import { createTenant, TenantCore } from "./tenant.ts";
import { trustedScriptUrl } from "./trusted-url.ts";
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

/** The state behind one `openCoffer`. */
class CofferCore implements Session {
  readonly supervisor: Supervisor;
  readonly tenants: Pool<string, TenantCore> = createPool<string, TenantCore>();
  readonly storage: StorageWatch;
  readonly #serviceWorker = signal<CofferStatus["serviceWorker"]>("none");
  /** the keys of unlocked tenants, for a restarted worker only; nothing of the API leads here */
  readonly #boxes = new Map<string, SessionBox>();
  readonly #listeners = new Map<number, (event: SubscriptionEvent) => void>();
  /** asks for background sync; none without a service worker */
  #followOutbox: ((snapshot: TenantSnapshot) => void) | undefined;
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
    this.storage = new StorageWatch(() => this.measure());
  }

  get status(): Coffer["status"] {
    return computed(() => ({
      worker: this.supervisor.state.value,
      storage: this.storage.status.value,
      serviceWorker: this.#serviceWorker.value,
    }));
  }

  readonly isReady = (): boolean => this.supervisor.isReady;

  async ready(): Promise<void> {
    return this.supervisor.ready();
  }

  async call<T>(run: WorkerCall<T>, does?: "stores"): Promise<T> {
    try {
      const reply = await this.supervisor.call(run);
      if (does !== undefined) this.storage.stored();
      return reply;
    } catch (cause) {
      if (toCofferError(cause).code === "store/quota") this.storage.refuse();
      throw cause;
    }
  }

  /** Have the storage measured: an event tells. */
  measure(): void {
    inBackground(this.call((api) => api.measureStorage()));
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
   * Open a tenant in the worker, and make a handle of it. One of the same id that is still being closed would
   * take it along, so that is awaited.
   */
  async open(
    run: WorkerCall<TenantSnapshot>,
    does?: "stores",
  ): Promise<{ snapshot: TenantSnapshot; tenant: Tenant }> {
    await this.tenants.quiet();
    const snapshot = await this.call(run, does);
    const lease = await this.tenants.acquire(snapshot.id, async () => new TenantCore(this, snapshot));
    lease.shared.hear(snapshot);
    await lease.shared.reopen();
    return { snapshot, tenant: createTenant(lease) };
  }

  install(url: string | URL): void {
    this.#serviceWorker.value = "registering";
    const scriptUrl = trustedScriptUrl(new URL(url, location.href).href);
    loadMore().then(
      (more) => {
        this.#followOutbox = more.followOutbox(scriptUrl, this.#serviceWorker);
        for (const tenant of this.tenants.live) this.#followOutbox(tenant.snapshot.peek());
      },
      () => {
        this.#serviceWorker.value = "failed";
      },
    );
  }

  /** Close all tenants after the drafts that are under way, then the worker. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.tenants.live].map(async (tenant) => tenant.close()));
    this.storage.close();
    this.supervisor.close();
    this.#boxes.clear();
  }

  #hear(event: WorkerEvent): void {
    if (event.kind === "tenant") this.#hearTenant(event);
    else if (event.kind === "storage") this.storage.hear(event);
    else this.#listeners.get(event.subscription)?.(event);
  }

  #hearTenant({ tenantId, snapshot, session }: Extract<WorkerEvent, { kind: "tenant" }>): void {
    if (session === null) this.#boxes.delete(tenantId);
    else if (session !== undefined) this.#boxes.set(tenantId, session);
    for (const tenant of this.tenants.live) if (tenant.id === tenantId) tenant.hear(snapshot);
    this.#followOutbox?.(snapshot);
  }

  async #restore(call: RestoreCall): Promise<void> {
    for (const tenant of this.tenants.live) {
      const restore = async (): Promise<void> => {
        tenant.hear(await call((api) => api.resumeTenant(tenant.id, this.#boxes.get(tenant.id))));
        await tenant.restore(call);
      };
      await restoreOne({ restore, fail: (error) => tenant.fail(error) }, call);
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
  return {
    ...lazily(
      () => core,
      "pendingIdentities removeTenant createJoinRequest createSharePassword joinTenant createTenant createUserId importBackup checkPassword view keepStorage",
    ),
    status: core.status,
    tenants: async () => core.call((api) => api.tenants()),
    async openTenant(nameOrId, { passkey, ...given } = {}) {
      const asked = passkey && (await (await loadMore()).unlockMessage(core, { passkey }));
      return (await core.open((api) => api.openTenant(nameOrId, { ...given, ...asked }))).tenant;
    },
    close: async () => core.close(),
    [Symbol.dispose]: () => inBackground(core.close()),
  };
}
