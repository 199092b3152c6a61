/** Who is here, on the page. */
import type { WorkerEvent } from "../../worker/api.ts";
import { shareStructure } from "../draft/index.ts";
import type { CofferError, Release } from "../std/index.ts";
import type { WorkerCalls } from "./connect.ts";
import type { DatabaseCore } from "./database.ts";
import type { Peer, Presence } from "./presence-types.ts";
import { inBackground, type RestoreCall, type Session } from "./session.ts";

type Heard = Extract<WorkerEvent, { readonly kind: "broadcast" }>;
type Listener = Parameters<Presence["onBroadcast"]>[1];

/** Listen in a database, as one presence; it belongs to one handle. */
export function presence(core: DatabaseCore): Presence {
  const own = new PresenceCore(core);
  const dispose = core.watch(own);
  return {
    peers: own.peers,
    set: async (state) => own.set(state),
    broadcast: async (name, value) => own.broadcast(name, value),
    onBroadcast: (name, listener) => own.onBroadcast(name, listener),
    dispose,
    [Symbol.dispose]: dispose,
  };
}

/** The state behind one presence. */
class PresenceCore {
  readonly peers;
  readonly #session: Session;
  readonly #database: number;
  readonly #subscription: number;
  readonly #unlisten: Release;
  readonly #listeners = new Set<{ readonly name: string; readonly hear: Listener }>();
  #state: unknown;
  #opening: { readonly api: WorkerCalls; readonly done: Promise<void> } | undefined;

  constructor({ session, signals, subscription }: DatabaseCore) {
    this.peers = signals.signal<readonly Peer[]>([]);
    this.#session = session;
    this.#database = subscription;
    this.#subscription = session.nextNumber();
    this.#unlisten = session.listen(this.#subscription, (event) => {
      if (event.kind === "presence") this.peers.value = shareStructure(this.peers.peek(), event.peers);
      else if (event.kind === "broadcast") this.#tell(event);
    });
  }

  open(): void {
    inBackground(this.#call(async () => undefined));
  }

  /** Be here again in a new worker, and after unlocking. */
  async restore(call: RestoreCall): Promise<void> {
    await call(async (api) => {
      await this.#openOnce(api);
      if (this.#state !== undefined) await api.setPresence(this.#subscription, this.#state);
    });
  }

  /** Nobody is known to be here until the worker says so again. */
  fail(_error: CofferError): void {
    this.#opening = undefined;
    this.peers.value = [];
  }

  async set(state: unknown): Promise<void> {
    this.#state = state;
    await this.#call((api) => api.setPresence(this.#subscription, state));
  }

  async broadcast(name: string, value: unknown): Promise<void> {
    await this.#call((api) => api.broadcast(this.#subscription, name, value));
  }

  onBroadcast(name: string, hear: Listener): Release {
    const listener = { name, hear };
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  dispose(): void {
    this.#unlisten();
    this.#listeners.clear();
    inBackground(this.#session.call((api) => api.closePresence(this.#subscription)));
  }

  #call(run: (api: WorkerCalls) => Promise<void>): Promise<void> {
    return this.#session.call(async (api) => {
      await this.#openOnce(api);
      await run(api);
    });
  }

  #openOnce(api: WorkerCalls): Promise<void> {
    if (this.#opening?.api === api) return this.#opening.done;
    const done = api.openPresence(this.#database, this.#subscription);
    const opening = { api, done };
    this.#opening = opening;
    // What did not open, for a lock came first, is opened with the next call.
    done.catch(() => {
      if (this.#opening === opening) this.#opening = undefined;
    });
    return done;
  }

  /** One listener's failure is the page's to hear of, and no other's concern. */
  #tell({ name, value, from }: Heard): void {
    for (const listener of this.#listeners)
      if (listener.name === name)
        queueMicrotask(() => {
          if (this.#listeners.has(listener)) listener.hear(value, from);
        });
  }
}
