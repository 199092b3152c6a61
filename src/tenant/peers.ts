/**
 * The peers of a tenant: devices at the other end of a channel, with no server between. The page holds the channels; their bytes come and
 * go through it. A link goes on while the tenant is locked: what it moves is sealed.
 */
import {
  CofferError,
  createArrival,
  isCofferError,
  type AuthorKey,
  type DocId,
  type PeerChannel,
} from "../std/index.ts";
import {
  createDeviceSets,
  linkPeer,
  type DeviceSets,
  type PeerLink,
  type StoredPart,
} from "../sync/index.ts";
import type { WorkerEvent } from "../../worker/api.ts";
import { chunksOf } from "./attachments.ts";
import type { TenantCore } from "./core.ts";
import { standingOf } from "./file-standing.ts";
import { mayBePeer, PeerWords } from "./peer-words.ts";
import { readPurged } from "./purge.ts";

/** What of files goes over a link: all of it; only what is read or pinned on either side; nothing. */
export type PeerAttachments = boolean | "on-demand";

interface Peer {
  readonly link: PeerLink;
  /** whose it is, where that was shown */
  readonly device: AuthorKey | undefined;
  /** what arrived; `null`: the other end closed */
  readonly arrive: (message: Uint8Array | null) => void;
}

/** more is a page that has lost count */
const maxPeers = 64;

/** The links of one tenant to its peers, by the page's numbers. */
export class Peers {
  readonly #core: TenantCore;
  readonly #userKey: AuthorKey;
  readonly #emit: (event: WorkerEvent) => void;
  readonly #peers = new Map<number, Peer>();
  /** the texts by which devices find each other */
  readonly words: PeerWords;
  /** contents of files came that no server may have */
  onBrought: () => void = () => undefined;
  #sets: DeviceSets | undefined;

  constructor(core: TenantCore, userKey: AuthorKey, emit: (event: WorkerEvent) => void) {
    this.#core = core;
    this.#userKey = userKey;
    this.#emit = emit;
    this.words = new PeerWords(core);
  }

  /** The log as sets, shared by whoever compares it. */
  get sets(): DeviceSets {
    return (this.#sets ??= createDeviceSets(this.#core.store, this.#core.tenantId));
  }

  /**
   * Link with who is at the other end of the page's channel, which has shown that it is `device`, or nothing. `attachments`: what of files
   * goes over it, both ways.
   *
   * @throws `input/too-large` when there are too many, `input/used`, `access/revoked` when that device is no member's
   */
  open(subscription: number, device?: AuthorKey, attachments: PeerAttachments = true): void {
    if (this.#peers.size >= maxPeers) throw new CofferError("input/too-large", { peers: maxPeers });
    if (this.#peers.has(subscription)) throw new CofferError("input/used", { subscription });
    const { store, tenantId, world } = this.#core;
    if (device !== undefined && !mayBePeer(this.#core, device)) throw new CofferError("access/revoked");
    const { arrive, end, stop, onMessage, onClose } = createArrival();
    const channel: PeerChannel = {
      post: (message) => this.#emit({ kind: "peer", subscription, message }),
      onMessage,
      onClose,
      close: stop,
    };
    const link = linkPeer({
      env: world.env,
      crypto: world.crypto,
      store,
      tenantId,
      userKey: this.#userKey,
      sets: this.sets,
      chunks: attachments === false ? undefined : chunksOf(this.#core),
      isOnDemand: attachments === "on-demand",
      isPurged: (docId) => isPurged(this.#core, docId),
      standingOf: (named) => standingOf(this.#core, named),
      onBrought: () => this.onBrought(),
      channel,
      onStatus: (status) => {
        this.#emit({ kind: "peer", subscription, status });
        if (status.phase === "closed") this.#peers.delete(subscription);
      },
    });
    this.#peers.set(subscription, {
      link,
      device,
      arrive: (message) => (message === null ? end() : arrive(message)),
    });
  }

  /** The link with a peer. @throws `input/unknown-id` when there is none, or none any more */
  #find(subscription: number): Peer {
    const peer = this.#peers.get(subscription);
    if (peer === undefined) throw new CofferError("input/unknown-id", { what: "peer" });
    return peer;
  }

  /** Take what came from a peer; `null`: its end closed. */
  take(subscription: number, message: Uint8Array | null): void {
    this.#peers.get(subscription)?.arrive(message);
  }

  /** Resolves when a round that began after the call is over. @throws why the link closed, `input/unknown-id` */
  async sync(subscription: number): Promise<void> {
    await this.#find(subscription).link.sync();
  }

  /** Fetch a chunk of a file from whoever of them has it; `undefined` when nobody does. A peer that lies is linked no more. */
  async fetch(part: StoredPart, index: number): Promise<Uint8Array<ArrayBuffer> | undefined> {
    for (const { link } of this.#peers.values()) {
      const bytes = await link.fetch(part, index).catch(() => undefined);
      if (bytes !== undefined) return bytes;
    }
    return undefined;
  }

  /** It is known again what was purged here, or how it stands with a commit: contents of files that waited for that may come. */
  bring(): void {
    for (const { link } of this.#peers.values()) link.bring();
  }

  /** Close a link; again does nothing. */
  close(subscription: number): void {
    this.#peers.get(subscription)?.link.close();
  }

  /** The directory may have changed: who was revoked gets nothing more. Whoever is not in it yet may be in what is still on its way. */
  recheck(): void {
    const { usersByKey } = this.#core.directory;
    for (const { device, link } of this.#peers.values())
      if (device !== undefined && usersByKey.get(device)?.revoked !== undefined) link.close("access/revoked");
  }

  /** Close all of them. */
  closeAll(): void {
    for (const { link } of this.#peers.values()) link.close();
  }
}

/** Whether a document was purged; `undefined` while that is not known: the list is sealed. */
async function isPurged(core: TenantCore, docId: DocId): Promise<boolean | undefined> {
  if (core.isPurged(docId)) return true;
  if (core.unlocked?.purged === undefined) return undefined;
  try {
    // As it is stored: another tab may have purged just now.
    return (await readPurged(core)).ids.has(docId);
  } catch (error) {
    if (!isCofferError(error) || error.code !== "access/locked") throw error;
    return undefined;
  }
}
