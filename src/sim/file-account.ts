/**
 * What is counted in a story of files: interruptions by their kind, and for each device what it sent and fetched more often than once,
 * against what excuses it.
 *
 * | sent once more | excused by |
 * |---|---|
 * | a chunk that was sent | a request that failed, or whose worker died; a death, which may come between a receipt and its note; a receipt that a full disk did not keep, or that a loss of power took back |
 * | a chunk that was fetched | the same, and that the device let it go |
 *
 * What lies on a disk is followed write by write, so that it is known at once when a device lets a chunk of its own go that no server ever held.
 */
import type { Batch } from "../store/index.ts";
import { bytesToBase64url, parseId, type CommitHash, type TenantId } from "../std/index.ts";
import { ChunkStore, parseStoredPart, type StoredPart } from "../sync/index.ts";
import { scope, type SimDevice } from "./sim-device.ts";
import type { SimNetwork } from "./sim-network.ts";
import type { SimServer } from "./sim-server.ts";

/** What can come between. */
export type Interruption =
  | "death"
  | "power"
  | "offline"
  | "network"
  | "disk"
  | "server full"
  | "server restart"
  | "server loss";

interface DeviceAccount {
  readonly device: SimDevice;
  /** as they lie on the disk, as far as this account has seen them written */
  parts: Map<CommitHash, StoredPart>;
  /** hashes of chunks that went from this device by its own will */
  readonly letGo: Set<string>;
  excusedSent: number;
  excusedFetched: number;
}

/** The account of one story. */
export class FileAccount {
  readonly #interruptions = new Map<Interruption, number>();
  readonly #accounts = new Map<string, DeviceAccount>();
  readonly #network: SimNetwork;
  readonly #server: SimServer;
  readonly #tenantId: TenantId;
  readonly #onUnheld: (message: string) => void;

  constructor(
    { network, server }: { readonly network: SimNetwork; readonly server: SimServer },
    tenantId: TenantId,
    onUnheld: (message: string) => void,
  ) {
    this.#network = network;
    this.#server = server;
    this.#tenantId = tenantId;
    this.#onUnheld = onUnheld;
  }

  /** Follow what a device keeps from now on. */
  follow(device: SimDevice): void {
    const account: DeviceAccount = {
      device,
      parts: new Map(),
      letGo: new Set(),
      excusedSent: 0,
      excusedFetched: 0,
    };
    this.#accounts.set(device.name, account);
    device.disk.onStored = (batch) => this.#see(account, batch);
  }

  note(kind: Interruption): void {
    this.#interruptions.set(kind, (this.#interruptions.get(kind) ?? 0) + 1);
  }

  /** How many there were, those of the network included, which come between a chunk and its way alone. */
  sums(): ReadonlyMap<Interruption, number> {
    const network = this.#network.chunkNotes.filter(({ fault }) => fault !== undefined).length;
    return new Map([...this.#interruptions, ["network", network]]);
  }

  /** A worker of a device died: one chunk may be sent again, and one fetched. */
  excuseDeath(device: SimDevice): void {
    const account = this.#of(device);
    account.excusedSent += 1;
    account.excusedFetched += 1;
  }

  /** A write of chunks, or of what is known of them, was refused. */
  excuseDisk(device: SimDevice): void {
    this.excuseDeath(device);
  }

  /** Power was lost: look at what is left. */
  async excusePower(device: SimDevice): Promise<void> {
    const account = this.#of(device);
    const left = new Map((await this.parts(device)).map((part) => [part.commitHash, part]));
    for (const [commitHash, before] of account.parts) {
      const after = left.get(commitHash);
      for (const [index, { isHere }] of before.chunks.entries()) {
        const has = (part: StoredPart | undefined): boolean => (receivedOf(part) & (1 << index)) !== 0;
        if (has(before) && !has(after)) account.excusedSent += 1;
        if (isHere && after?.chunks[index]?.isHere !== true) account.excusedFetched += 1;
      }
    }
    account.parts = left;
  }

  /** What a device's chunk store says, looked at from outside. */
  async parts({ disk }: SimDevice): Promise<readonly StoredPart[]> {
    return this.#look(disk, (store) => store.parts());
  }

  /** Ciphertexts on a device's disk, looked at from outside. */
  async chunks(
    { disk }: SimDevice,
    hashes: readonly Uint8Array[],
  ): Promise<readonly (Uint8Array | undefined)[]> {
    return this.#look(disk, (store) => store.chunksOf(hashes));
  }

  /** Whether a device let one of these chunks go, as it may: then a server's loss can be the end of them. */
  hasLetGo(device: SimDevice, hashes: readonly Uint8Array[]): boolean {
    const { letGo } = this.#of(device);
    return hashes.some((hash) => letGo.has(bytesToBase64url(hash)));
  }

  /** What a device sent or fetched more often than anything excuses. */
  excess(device: SimDevice): readonly string[] {
    const { excusedFetched, excusedSent } = this.#of(device);
    return [this.#repeats(device, "PUT", excusedSent), this.#repeats(device, "GET", excusedFetched)].flatMap(
      (text) => text ?? [],
    );
  }

  #repeats({ name: device }: SimDevice, method: "GET" | "PUT", excused: number): string | undefined {
    const own = this.#network.chunkNotes.filter(
      (note) => note.device === device && note.method === method && note.hasTravelled,
    );
    const repeats = own.length - new Set(own.map(({ name }) => name)).size;
    // What was cut and looked whole was thrown away.
    const failed = own.filter(({ fault, outcome }) => outcome !== "ok" || fault === "short").length;
    return repeats <= failed + excused
      ? undefined
      : `${device}: ${repeats} times ${method} once more; ${failed} had failed, ${excused} are excused`;
  }

  #of({ name }: SimDevice): DeviceAccount {
    const account = this.#accounts.get(name);
    if (account === undefined) throw new Error("every device is followed");
    return account;
  }

  async #look<T>(disk: SimDevice["disk"], look: (store: ChunkStore) => Promise<T>): Promise<T> {
    const storage = { openStore: (name: string) => disk.inspect(name), listStores: () => disk.storeNames() };
    const store = new ChunkStore(storage, scope, this.#tenantId);
    try {
      return await look(store);
    } finally {
      store.close();
    }
  }

  #see(account: DeviceAccount, { slots = [] }: Batch): void {
    for (const { name, value } of slots) {
      const commitHash = name.startsWith("p/") ? parseId("CommitHash", name.slice(2)) : undefined;
      const part =
        commitHash !== undefined && value instanceof Uint8Array
          ? parseStoredPart(commitHash, value)
          : undefined;
      if (part !== undefined) account.parts.set(part.commitHash, part);
    }
    for (const { name, value } of slots)
      if (name.startsWith("c/") && value === undefined) this.#seeGone(account, name.slice(2));
  }

  #seeGone(account: DeviceAccount, hash: string): void {
    const { device, letGo, parts } = account;
    letGo.add(hash);
    account.excusedFetched += 1;
    const isOwn = [...parts.values()].some(
      (part) => part.isOwn && part.chunks.some((chunk) => bytesToBase64url(chunk.hash) === hash),
    );
    if (isOwn && !this.#server.everHeld.has(hash))
      this.#onUnheld(`${device.name} let ${hash} go, which no server ever held`);
  }
}

/** The chunks of a part that its server gave a receipt for, a bit each. */
export function receivedOf(part: StoredPart | undefined): number {
  return [...(part?.received.values() ?? [])].reduce((sum, bits) => sum | bits, 0);
}

/** Whether a write is one of chunks or of what is known of them. */
export function isAboutChunks({ slots = [] }: Batch): boolean {
  return slots.some(({ name }) => /^[cp]\/[\w-]{43}$/.test(name));
}
