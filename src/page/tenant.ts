/** A tenant on the page: its signals, its databases and its links. */
import { computed, signal, type ReadonlySignal, type Signal } from "@preact/signals-core";
import type { TenantSnapshot } from "../../worker/api.ts";
import { decodeValue, encodeInitialValue, shareStructure } from "../draft/index.ts";
import type { CofferError } from "../std/index.ts";
import { createDatabase, DatabaseCore } from "./database.ts";
import { lazily, loadMore } from "./lazy.ts";
import { createLink } from "./link.ts";
import { createParts, type Parts } from "./parts.ts";
import { createPool, type Lease } from "./pool.ts";
import { restoreOne, type RestoreCall, type Session } from "./session.ts";
import type { Database, OpenDatabaseOptions, ServerLink, Tenant } from "./types.ts";

/** Each set of options is a shape of its own; handles opened with the very same one share their database. */
const optionNumbers = new WeakMap<object, number>();

/** The state of one open tenant, shared by its handles. */
export class TenantCore {
  readonly id: string;
  readonly session: Session;
  readonly #snapshot: Signal<TenantSnapshot>;
  readonly #links = new Map<string, ServerLink>();
  readonly #databases = createPool<string, DatabaseCore>();

  constructor(session: Session, snapshot: TenantSnapshot) {
    this.session = session;
    this.id = snapshot.id;
    this.#snapshot = signal(shareStructure(undefined, snapshot));
  }

  get snapshot(): ReadonlySignal<TenantSnapshot> {
    return this.#snapshot;
  }

  /** Those that there are now. A text of them all, since that changes only when they do; addresses hold no spaces. */
  get links(): ReadonlySignal<readonly ServerLink[]> {
    const urls = computed(() => this.#snapshot.value.links.map(({ url }) => url).join(" "));
    return computed(() => (urls.value === "" ? [] : urls.value.split(" ").map((url) => this.link(url))));
  }

  /** Take in what the worker says; equal parts keep their identity, so that only what changed is heard. */
  hear(snapshot: TenantSnapshot): void {
    this.#snapshot.value = shareStructure(this.#snapshot.peek(), snapshot);
  }

  /** The link to a server, always the same one. */
  link(url: string): ServerLink {
    const link = this.#links.get(url) ?? createLink(this, url);
    this.#links.set(url, link);
    return link;
  }

  async openDB<T extends object>(name: string, options?: OpenDatabaseOptions<T>): Promise<Database<T>> {
    const lease = await this.#databases.acquire(this.#databaseKey(name, options), async () => {
      const shape = options && (await loadMore()).createShape(options, { decodeValue, encodeInitialValue });
      const core = new DatabaseCore(this.session, { tenantId: this.id, name, shape });
      await core.open();
      return core;
    });
    return createDatabase<T>(lease);
  }

  /** Open what was open, after the tenant itself. */
  async restore(call: RestoreCall): Promise<void> {
    for (const database of this.#databases.live) await restoreOne(database, call);
  }

  /** Now that it is unlocked, open what a worker that was restarted under lock could not. */
  async reopen(): Promise<void> {
    const call: RestoreCall = async (run) => this.session.call(run);
    for (const database of this.#databases.live) if (database.awaitsKeys) await restoreOne(database, call);
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

  #databaseKey(name: string, options: object | undefined): string {
    let number = 0;
    if (options !== undefined) {
      number = optionNumbers.get(options) ?? this.session.nextNumber();
      optionNumbers.set(options, number);
    }
    return `${number} ${name}`;
  }

  #end(): void {
    const last = this.#snapshot.peek();
    this.hear({ ...last, status: { ...last.status, phase: "closed" } });
  }
}

/** Make a function that returns a stream at once, whose pieces are made by `read` when they are wanted. */
function streamed<Options>(
  read: (
    running: { readonly options: Options },
    controller?: ReadableStreamDefaultController<Uint8Array>,
  ) => Promise<void>,
): (options: Options) => ReadableStream<Uint8Array> {
  return (options) => {
    const running = { options };
    return new ReadableStream<Uint8Array>(
      { pull: async (controller) => read(running, controller), cancel: async () => read(running) },
      { highWaterMark: 0 },
    );
  };
}

/** Make a handle of a tenant out of a share of it. */
export function createTenant({ shared: core, use, release }: Lease<TenantCore>): Tenant {
  const parts = <K extends keyof TenantSnapshot>(...names: readonly K[]): Parts<TenantSnapshot, K> =>
    createParts<TenantSnapshot, K>(names, (name) => core.snapshot.value[name]);
  const call: Session["call"] = async (run) => use().session.call(run);
  const { readBackup, readBundle, ...others } = lazily(
    use,
    "readBackup readBundle summarize importBundle measureBundle changePassword inspectJoinRequest approveJoinRequest approveDevice audit connectToServer publishToServer exportAudit connectPeer offerPeer answerPeer meetPeers setWebPush addKeySlot unlock lockWhen revokeDevice safetyNumber limitFiles removeKeySlot getKeySlots",
  );
  const { keys: list, keyGrants: grants } = parts("keys", "keyGrants");
  return {
    lock: async () => call((api) => api.lock(core.id)),
    ...others,
    ...parts("name", "self", "adminUser", "status", "alarms", "quarantine", "devices"),
    id: core.id,
    links: core.links,
    directory: {
      ...lazily(
        use,
        "regrantUser changeDBSettings getRole setRoles getGroups adopt setGroup mergeLines getDBSettings dryRun revokeUser changeTenantSettings getTenantSettings",
      ),
      ...parts("users", "groups", "roles", "settings", "databaseSettings"),
    },
    keys: { list, grants, ...lazily(use, "reseal exportKey createDocEncryptionKey rotate importKey grant") },
    openDB: async <T extends object>(name: string, options?: OpenDatabaseOptions<T>) =>
      use().openDB<T>(name, options),
    exportBackup: streamed(readBackup),
    exportBundle: streamed(readBundle),
    dispose: release,
    [Symbol.dispose]: release,
  };
}
