/**
 * A device: a disk, an origin, and the workers (tabs) that run the whole product below the page in it.
 */
import type { Crypto } from "../crypto/index.ts";
import type { DocEngine } from "../doc/index.ts";
import type { WorkerApi, WorkerEvent } from "../../worker/api.ts";
import { createService } from "../../worker/service.ts";
import { createNodeCrypto, type SecretListener } from "./node-crypto.ts";
import type { Scheduler } from "./scheduler.ts";
import { SimDisk } from "./sim-disk.ts";
import { SimOrigin, type SimWorkerEnv } from "./sim-env.ts";
import type { SimNetwork } from "./sim-network.ts";

/** What every device of a simulation uses. */
export interface DeviceParts {
  readonly scheduler: Scheduler;
  readonly network: SimNetwork;
  readonly engine: DocEngine;
  readonly onSecret: SecretListener;
  /** a mutant of the primitives, for tests of the tests */
  readonly mutateCrypto?: ((crypto: Crypto) => Crypto) | undefined;
}

/** The scope of the one CofferDB of each device. */
export const scope = "coffer";

/** One worker of a device, with what it told its page. */
export class SimTab {
  readonly env: SimWorkerEnv;
  readonly api: WorkerApi;
  readonly events: WorkerEvent[] = [];
  /** subscription numbers of the databases it has open, by name */
  readonly databases = new Map<string, number>();
  #nextNumber = 1;

  constructor(env: SimWorkerEnv, api: WorkerApi) {
    this.env = env;
    this.api = api;
  }

  /** A subscription or draft number that was not used yet. */
  nextNumber(): number {
    return this.#nextNumber++;
  }
}

/** One device. It survives its workers. */
export class SimDevice {
  readonly name: string;
  readonly disk: SimDisk;
  readonly origin: SimOrigin;
  readonly tabs: SimTab[] = [];
  readonly #parts: DeviceParts;

  constructor(name: string, parts: DeviceParts) {
    this.name = name;
    this.#parts = parts;
    this.disk = new SimDisk(name, parts.scheduler);
    this.origin = new SimOrigin(name, parts.scheduler);
  }

  /** Start a worker, as a page that opens does. */
  async openTab(): Promise<SimTab> {
    const { network, engine, onSecret, mutateCrypto = (crypto) => crypto } = this.#parts;
    const env = this.origin.openWorker();
    const api = createService((options) => ({
      env,
      crypto: mutateCrypto(createNodeCrypto(env, onSecret)),
      storage: this.disk.open(env),
      scope: options.name,
      codec: engine,
      loadEngine: () => Promise.resolve(engine),
      prepareEngine: () => undefined,
      openTransport: () => network.open(env),
    }));
    const tab = new SimTab(env, api);
    this.tabs.push(tab);
    await api.start(
      { name: scope, wasmUrl: undefined, lifeLock: `life ${env.name}` },
      (batch) => void tab.events.push(...batch),
    );
    return tab;
  }

  /** A worker dies where it stands: what it was about to do never happens, what it had asked for is never answered. */
  kill(tab: SimTab): void {
    this.#parts.scheduler.note(`${tab.env.name} dies`);
    tab.env.kill();
    this.tabs.splice(this.tabs.indexOf(tab), 1);
  }

  /** All workers die. */
  killAll(): void {
    for (const tab of this.tabs.slice()) this.kill(tab);
  }
}
