/**
 * The links of a tenant to its servers: kept up while this worker lives, locked or not.
 *
 * The addresses rest in the tenant's store, so that a reload, a restart and the service worker find them. What a runner brings is in the
 * log, unjudged, until the tenant is unlocked and its tail has judged it.
 */
import { CofferError } from "../std/index.ts";
import {
  linkSlots,
  readDeviceSigner,
  readLinks,
  startRunner,
  writeLinks,
  type Runner,
  type SyncAlarm,
  type Transport,
} from "../sync/index.ts";
import type { AlarmEvent, TenantSnapshot, TenantStatus, WorkerEvent } from "../../worker/api.ts";
import { createPublication } from "./admin.ts";
import { ChunkLinks } from "./chunk-links.ts";
import type { AdminPassword } from "./directory-writes.ts";
import type { TenantCore } from "./core.ts";
import { FileVerdicts } from "./file-standing.ts";
import { KeptFiles } from "./kept-files.ts";
import { lackingCommits } from "./ledger.ts";
import { Presences } from "./presences.ts";
import { ensureDeviceSigner } from "./device-key.ts";
import type { Peers } from "./peers.ts";
import type { TenantSession } from "./session.ts";
import { Waking } from "./waking.ts";
import { Witness } from "./witness.ts";

/** What a link tells its tenant. */
export interface LinkHooks {
  onStatus(): void;
  onAlarm(kind: AlarmEvent["kind"], detail: string): void;
  /** A server says that the admin has this device forget the tenant: the commit, not verified. */
  onWipe(commit: Uint8Array): void;
  readonly emit: (event: WorkerEvent) => void;
}

/** when who was thrown out asks why */
const askAfterMs = 500;

/** Starts, resumes and ends the links of one tenant. */
export class Links {
  /** who is here: what is said for the moment travels on the links */
  readonly presences: Presences;
  /** links without a server */
  readonly peers: Peers;
  readonly #core: TenantCore;
  readonly #hooks: LinkHooks;
  readonly #links = new Map<string, Runner>();
  /** what of files goes the same ways */
  readonly chunks: ChunkLinks;
  /** and what of them is kept here */
  readonly files: KeptFiles;
  /** and what waits for verdicts on them */
  readonly verdicts = new FileVerdicts();
  readonly #waking: Waking;
  /** holds what others saw of servers against what is seen here */
  readonly witness: Witness;
  #closed = false;

  constructor(core: TenantCore, peers: Peers, hooks: LinkHooks) {
    this.peers = peers;
    this.#core = core;
    this.#hooks = hooks;
    this.chunks = new ChunkLinks(core, peers);
    peers.onBrought = () => this.chunks.wake();
    this.files = new KeptFiles(core, hooks);
    this.#waking = new Waking(core);
    this.witness = new Witness(core, hooks);
    this.presences = new Presences(core, {
      emit: hooks.emit,
      say: (whisper) => this.#links.forEach((runner) => runner.whisper(whisper)),
    });
  }

  /** Take up the links that are kept in the store. They need the device's certificate, which the first unlocking makes. */
  async resume(): Promise<void> {
    this.presences.resume();
    void this.witness.look();
    const urls = await readLinks(this.#core.store);
    void this.#waking.resume(urls);
    if (urls.length === 0) return;
    if (this.#core.unlocked !== undefined) await ensureDeviceSigner(this.#core);
    for (const url of urls) await this.#start(url);
  }

  /**
   * Connect to a server and stay connected. `attachments`: whether their bytes go this way too; left out, a new link has them, and one that is
   * there stays as it is.
   *
   * @throws `input/invalid` for an address that is none, `access/locked`
   */
  async connect(url: string, attachments?: boolean): Promise<void> {
    const { store, unlocked, world } = this.#core;
    const transport = world.openTransport(url);
    if (unlocked === undefined) throw new CofferError("access/locked");
    await ensureDeviceSigner(this.#core);
    const urls = await readLinks(store);
    // First, so that no other thread ever takes the link for one with attachments.
    if (attachments !== undefined) await this.#setDocumentsOnly(url, !attachments);
    if (!urls.includes(url)) await writeLinks(store, [...urls, url]);
    await this.#start(url, transport);
    if (attachments === false) this.chunks.remove(url);
    const signer = attachments === true ? await readDeviceSigner(store) : undefined;
    if (signer !== undefined && this.#links.has(url)) this.chunks.add(url, transport.http, signer);
    if (signer !== undefined) this.chunks.wake();
  }

  async #setDocumentsOnly(url: string, isSet: boolean): Promise<void> {
    const { store } = this.#core;
    const before = await readLinks(store, linkSlots.documentsOnly);
    if (before.includes(url) === isSet) return;
    const after = isSet ? [...before, url] : before.filter((kept) => kept !== url);
    await writeLinks(store, after, linkSlots.documentsOnly);
  }

  /** End a link for good. Its server is told to wake this device no more. */
  async disconnect(url: string): Promise<void> {
    await writeLinks(
      this.#core.store,
      (await readLinks(this.#core.store)).filter((kept) => kept !== url),
    );
    await this.#setDocumentsOnly(url, false);
    const runner = this.#links.get(url);
    this.#links.delete(url);
    this.chunks.remove(url);
    await runner?.stop();
    this.#hooks.onStatus();
    await this.#waking.end(url);
  }

  /** Run one full cycle now. @throws the code that stopped it, `input/unknown-id` when there is no such link */
  async sync(url: string): Promise<void> {
    await this.#requireLink(url).sync();
    await this.chunks.sync(url);
  }

  /** The key that a push subscription for a server is tied to. @throws as {@link Waking.key}, `input/unknown-id` for no link */
  async pushKey(url: string): Promise<string> {
    this.#requireLink(url);
    return this.#waking.key(url);
  }

  /** Tell a server where this device is woken, `null` for nowhere. @throws as {@link Waking.set}, `input/unknown-id` for no link */
  async setPushEndpoint(url: string, endpoint: string | null): Promise<void> {
    this.#requireLink(url);
    await this.#waking.set(url, endpoint);
  }

  /** Publish the tenant to a server, with the admin's signature. */
  async publish(url: string, session: TenantSession, proof: AdminPassword): Promise<void> {
    const { http } = this.#core.world.openTransport(url);
    await http.publish(await createPublication(session, http.origin, proof));
  }

  snapshot(): { readonly links: TenantSnapshot["links"]; readonly files: TenantStatus["files"] } {
    const links = [...this.#links].map(([url, runner]) => ({ url, status: runner.status }));
    return { links, files: this.files.sums };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.peers.closeAll();
    const runners = [...this.#links.values()];
    this.#links.clear();
    await Promise.all(runners.map((runner) => runner.stop()));
    this.files.close();
    this.witness.close();
    this.chunks.close();
  }

  #requireLink(url: string): Runner {
    const runner = this.#links.get(url);
    if (runner === undefined) throw new CofferError("input/unknown-id", { what: "link" });
    return runner;
  }

  async #start(url: string, opened?: Transport): Promise<void> {
    const signer = await readDeviceSigner(this.#core.store);
    if (signer === undefined || this.#closed || this.#links.has(url)) return;
    const { crypto, env } = this.#core.world;
    const transport = opened ?? this.#core.world.openTransport(url);
    let hasAsked = false;
    const documentsOnly = await readLinks(this.#core.store, linkSlots.documentsOnly);
    if (this.#closed || this.#links.has(url)) return;
    if (!documentsOnly.includes(url)) this.chunks.add(url, transport.http, signer);
    let isLive = false;
    const runner: Runner = startRunner({
      env,
      crypto,
      store: this.#core.store,
      transport,
      tenantId: this.#core.tenantId,
      signer,
      lacking: () => lackingCommits(this.#core.ledger),
      onStatus: (status) => {
        this.#hooks.onStatus();
        this.chunks.heard(url, status);
        const { error, phase } = status;
        if (phase === "live" && !isLive) this.presences.greet();
        isLive = phase === "live";
        // Who is thrown out of a live session asks once why: there may be a word of the admin's.
        if (error !== "access/revoked" || hasAsked) return;
        hasAsked = true;
        env.setTimer(askAfterMs, () => {
          if (!this.#closed) void runner.sync().catch(() => undefined);
        });
      },
      onProven: (databases, completeAtMs) => void this.witness.proven(url, databases, completeAtMs),
      onAlarm: (alarm) => this.#hooks.onAlarm(alarm.kind, describe(alarm)),
      onWipe: (commit) => this.#hooks.onWipe(commit),
      onWhisper: (whisper) => this.presences.hear(whisper),
      onRefused: (refusal) =>
        this.#hooks.onAlarm("quarantined", `${refusal.commitHash}: ${refusal.code ?? "refused"}`),
    });
    this.#links.set(url, runner);
    this.#hooks.onStatus();
  }
}

function describe(alarm: SyncAlarm): string {
  return [alarm.dbId ?? "", ...alarm.commitHashes.slice(0, 4)].join(" ").trim();
}
