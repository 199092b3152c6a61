/**
 * Takes a backup file in: its commits into the log as they come, its keys and names once the file has proved whole.
 *
 * ```
 * bytes ──► chunks ──► records ──► tenant, vaults, slots: held in memory
 *                          ├────► commits: verified ──► not known ──► log, origin "backup"        (a broken import is begun again)
 *                          └────► chunks of attachments: held against their commits ──► chunk store
 * end of the file, and all of it was right ──► slots of the tenant's store ──► vaults and row of the device
 * ```
 * Guarantees
 * - R1 nothing that is here is changed or taken away: vaults, names and servers stay, keys are added when the tenant is unlocked next
 * - R2 a commit enters the log after its structure, hashes and signature were checked; whether it counts is judged as ever
 * - R3 a file that is damaged, cut or of another password leaves nothing that is listed
 * - R4 it holds the hashes of the log, a chunk, and a batch of commits or a part of an attachment, whatever the size of the file
 * - R5 bytes of an attachment are kept where a commit of the log names them, and stay until a server gave a receipt for them
 *
 * A store that holds no keys gets the file's slots as they are; where this device knows the tenant, its data was lost, and the next
 * unlocking tells of it. Where the tenant is in use, only what is missing is added; what was
 * purged here stays so, and what was purged elsewhere is not purged here.
 */
import {
  bytesToHex,
  CofferError,
  equalBytes,
  idToBytes,
  toCofferError,
  type AuthorKey,
  type CommitHash,
} from "../std/index.ts";
import { verifyCommit } from "../entry/index.ts";
import { parseGenesis, readVault } from "../keys/index.ts";
import type { NewRecord, SlotWrite, Store } from "../store/index.ts";
import { ChunkStore, shareChunkNews, tenantStoreName } from "../sync/index.ts";
import type { BackupReport } from "../../worker/api.ts";
import { chainHash, emptyChain, type BackupHeader } from "./backup-codec.ts";
import { BackupReader, corruptBackup } from "./backup-reader.ts";
import { BackupRecordReader, type BackupRecord } from "./backup-records.ts";
import type { TenantWorld } from "./core.ts";
import type { Device } from "./device.ts";
import { importedSlotNames, readImported } from "./imported-keys.ts";
import { RestoredFiles } from "./restored-files.ts";
import { Serial } from "./serial.ts";
import { slotNames } from "./slots.ts";

/** The origin of commits that came from a backup. */
const backupOrigin = "backup";

const batchLimits = { commits: 256, sizeBytes: 1024 * 1024 } as const;
const order = { tenant: 0, vault: 1, slot: 2, commit: 3, end: 4, part: 5, chunk: 5, chunks: 6 } as const;

type TenantRecord = Extract<BackupRecord, { kind: "tenant" }>;

/** One backup file being taken in. After a failure it only fails. */
export class Restore {
  readonly #world: TenantWorld;
  readonly #device: Device;
  readonly #file: BackupReader;
  readonly #records = new BackupRecordReader();
  readonly #calls = new Serial();
  readonly #vaults = new Map<AuthorKey, Uint8Array<ArrayBuffer>>();
  readonly #slots = new Map<string, Uint8Array<ArrayBuffer>>();
  #tenant: TenantRecord | undefined;
  #log: RestoredLog | undefined;
  #files: RestoredFiles | undefined;
  #stage: keyof typeof order = "tenant";
  #failure: CofferError | undefined;

  constructor(world: TenantWorld, device: Device, password: string) {
    this.#world = world;
    this.#device = device;
    this.#file = new BackupReader(world.crypto, password);
  }

  /**
   * Take the next bytes.
   *
   * @throws `key/wrong-password`, `key/parameters`, `entry/corrupt`, `entry/forged`, `protocol/version`; `input/used` when this device
   *   holds the tenant for another user; `store/…`
   */
  write(bytes: Uint8Array): Promise<{ readonly commitCount: number }> {
    return this.#run(async () => {
      for await (const content of this.#file.push(bytes)) {
        for (const record of this.#records.push(content)) {
          if (record === "malformed") throw corruptBackup("record");
          await this.#take(record);
        }
      }
      return { commitCount: this.#log?.commitCount ?? 0 };
    });
  }

  /** The file is whole: put keys and names in their places. @throws `entry/corrupt` when something of it is missing */
  finish(): Promise<BackupReport> {
    return this.#run(async () => {
      this.#file.finish();
      const { header } = this.#file;
      const tenant = this.#tenant;
      const log = this.#log;
      if (this.#records.restBytes > 0) throw corruptBackup("record");
      if (
        this.#stage !== this.#lastStage ||
        header === undefined ||
        tenant === undefined ||
        log === undefined
      )
        throw corruptBackup("truncated");
      const { adminKey, createdAtMs, genesis, userKey } = tenant;
      const { tenantId } = header;
      const isKnown = (await this.#device.listTenants()).some((known) => known.tenantId === tenantId);
      await writeSlots(log.store, this.#slots, {
        fileName: bytesToHex(header.fileNonce.subarray(0, 8)),
        isKnown,
      });
      const lastOpenedAtMs = this.#world.env.nowMs();
      const row = { tenantId, userKey, adminKey, createdAtMs, lastOpenedAtMs, genesis };
      const state = { hadCommits: (await log.store.lastPosition()) > 0, isLost: false };
      await this.#device.writeRestored({ ...row, ...state }, this.#vaults);
      this.close();
      const fileBytes = this.#files?.sizeBytes ?? 0;
      return { tenantId, commitCount: log.commitCount, newCount: log.newCount, fileBytes };
    });
  }

  /** Let go of the store. What was stored stays. */
  close(): void {
    this.#failure ??= new CofferError("aborted");
    this.#log?.store.close();
    this.#files?.close();
  }

  #run<T>(step: () => Promise<T>): Promise<T> {
    return this.#calls.run(async () => {
      if (this.#failure !== undefined) throw this.#failure;
      try {
        return await step();
      } catch (error) {
        this.#failure ??= toCofferError(error);
        this.close();
        throw error;
      }
    });
  }

  async #take(record: BackupRecord): Promise<void> {
    const { header } = this.#file;
    const isNext = order[record.kind] >= order[this.#stage] && this.#stage !== this.#lastStage;
    if (!isNext || header === undefined || (record.kind === "tenant") === (this.#tenant !== undefined))
      throw corruptBackup("order");
    this.#stage = record.kind;
    switch (record.kind) {
      case "tenant":
        this.#tenant = await this.#judgeTenant(record, header);
        return;
      case "vault":
        return this.#takeVault(record);
      case "slot":
        if (this.#slots.has(record.name)) throw corruptBackup("slot twice");
        this.#slots.set(record.name, record.value);
        return;
      case "commit":
        if (!header.hasLog) throw corruptBackup("commit");
        this.#log ??= await this.#openLog(header);
        return this.#log.add(record.bytes);
      case "end":
        if (this.#files !== undefined) throw corruptBackup("order");
        this.#log ??= await this.#openLog(header);
        await this.#log.end(record);
        if (header.hasChunks) this.#files = this.#openFiles(this.#log, header);
        return;
      default:
        return this.#takeFile(record);
    }
  }

  #openFiles(log: RestoredLog, { tenantId }: BackupHeader): RestoredFiles {
    const { crypto, env, scope, storage } = this.#world;
    const chunks = new ChunkStore(storage, scope, tenantId);
    const untell = shareChunkNews(env, chunks);
    const close = (): void => {
      untell();
      chunks.close();
    };
    const readCommit = (commitHash: CommitHash): Promise<Uint8Array | undefined> => log.read(commitHash);
    return new RestoredFiles({ crypto, chunks, nowMs: () => env.nowMs(), readCommit, close });
  }

  get #lastStage(): "end" | "chunks" {
    return this.#file.header?.hasChunks === true ? "chunks" : "end";
  }

  async #takeFile(record: Extract<BackupRecord, { kind: "part" | "chunk" | "chunks" }>): Promise<void> {
    // Commits come first, all of them.
    if (this.#files === undefined) throw corruptBackup("order");
    if (record.kind === "part") return this.#files.part(record);
    if (record.kind === "chunk") return this.#files.chunk(record);
    this.#files.end(record);
  }

  async #judgeTenant(record: TenantRecord, { tenantId }: BackupHeader): Promise<TenantRecord> {
    const genesis = parseGenesis(this.#world.crypto, record.genesis);
    if (genesis?.tenantId !== tenantId) throw corruptBackup("genesis");
    if (record.adminKey !== undefined && record.adminKey !== genesis.adminSigningKey)
      throw corruptBackup("admin");
    const rows = await this.#device.listTenants();
    const isOthers = rows.some((row) => row.tenantId === tenantId && row.userKey !== record.userKey);
    if (isOthers)
      throw new CofferError("input/used", {
        what: "tenant",
        message: "This device holds the tenant for another user. Remove it here first.",
      });
    return record;
  }

  #takeVault({ key, vault }: Extract<BackupRecord, { kind: "vault" }>): void {
    const isOwn = key === this.#tenant?.userKey || key === this.#tenant?.adminKey;
    if (!isOwn || this.#vaults.has(key) || readVault(vault).signingKey !== key) throw corruptBackup("vault");
    this.#vaults.set(key, vault);
  }

  /** Everything before the log is here now. */
  async #openLog(header: BackupHeader): Promise<RestoredLog> {
    const vaults = [this.#tenant?.userKey, this.#tenant?.adminKey].filter((key) => key !== undefined);
    const slots = [slotNames.bag, slotNames.names];
    if (!vaults.every((key) => this.#vaults.has(key)) || !slots.every((name) => this.#slots.has(name)))
      throw corruptBackup("incomplete");
    const store = await this.#world.storage.openStore(tenantStoreName(this.#world.scope, header.tenantId));
    const log = new RestoredLog(this.#world, store, header);
    // From here on the store is closed with it, whatever happens.
    this.#log = log;
    await log.readKnown();
    return log;
  }
}

/** The log of the tenant's store, as commits of the file are added to it. */
class RestoredLog {
  readonly store: Store;
  readonly #world: TenantWorld;
  readonly #header: BackupHeader;
  /** with their positions; 0 while they wait to be written */
  readonly #known = new Map<CommitHash, number>();
  #batch: NewRecord[] = [];
  #batchBytes = 0;
  #chain = emptyChain;
  commitCount = 0;
  newCount = 0;

  constructor(world: TenantWorld, store: Store, header: BackupHeader) {
    this.#world = world;
    this.store = store;
    this.#header = header;
  }

  async readKnown(): Promise<void> {
    for (let after = 0; ;) {
      const records = await this.store.readLog({ after, maxCount: 512, maxBytes: 4 * batchLimits.sizeBytes });
      for (const { commitHash, position } of records) this.#known.set(commitHash, position);
      const last = records.at(-1);
      if (last === undefined) return;
      after = last.position;
    }
  }

  async add(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    const { crypto } = this.#world;
    const verdict = await verifyCommit(crypto, bytes);
    if (verdict.kind === "forged")
      throw new CofferError("entry/forged", { what: "backup", reason: verdict.reason });
    const { commitHash, header } = verdict.commit;
    if (header.tenantId !== this.#header.tenantId) throw corruptBackup("other tenant");
    this.commitCount++;
    this.#chain = chainHash(crypto, this.#chain, idToBytes(commitHash));
    if (this.#known.has(commitHash)) return;
    this.#known.set(commitHash, 0);
    this.newCount++;
    this.#batch.push({ commitHash, bytes, origin: backupOrigin });
    this.#batchBytes += bytes.length;
    if (this.#batch.length >= batchLimits.commits || this.#batchBytes >= batchLimits.sizeBytes)
      await this.#flush();
  }

  async end(record: Extract<BackupRecord, { kind: "end" }>): Promise<void> {
    await this.#flush();
    if (record.commitCount !== this.commitCount || !equalBytes(record.commitsHash, this.#chain))
      throw corruptBackup("commits");
  }

  async #flush(): Promise<void> {
    const records = this.#batch;
    this.#batch = [];
    this.#batchBytes = 0;
    if (records.length === 0) return;
    const result = await this.store.write({ records, durability: "strict" });
    if (result.kind === "conflict") return;
    for (const [at, { commitHash }] of records.entries())
      this.#known.set(commitHash, result.positions[at] ?? 0);
  }

  /** A commit that is in the log. */
  async read(commitHash: CommitHash): Promise<Uint8Array | undefined> {
    const position = this.#known.get(commitHash) ?? 0;
    const [record] = position === 0 ? [] : await this.store.readRecords([position]);
    return record?.bytes;
  }
}

/** Put a file's slots into the tenant's store: all of them where it holds no keys, otherwise what is missing. */
async function writeSlots(
  store: Store,
  slots: ReadonlyMap<string, Uint8Array<ArrayBuffer>>,
  { fileName, isKnown }: { readonly fileName: string; readonly isKnown: boolean },
): Promise<void> {
  const hasKeys =
    (await store.readSlot(slotNames.bag)) !== undefined || (await readImported(store)).length > 0;
  const names = importedSlotNames(fileName);
  const placeOf = (name: string): string =>
    name === slotNames.bag ? names.bag : name === slotNames.names ? names.names : name;
  const writes: SlotWrite[] = [];
  for (const [name, value] of slots) {
    const place = placeOf(name);
    const isMissing = async (): Promise<boolean> =>
      name !== slotNames.purged && (await store.readSlot(place)) === undefined;
    if (place !== name || !hasKeys || (await isMissing())) writes.push({ name: place, value });
  }
  if (!hasKeys && isKnown) writes.push({ name: slotNames.refilled, value: new Uint8Array(0) });
  await store.write({ slots: writes, durability: "strict" });
}
