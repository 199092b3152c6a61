/**
 * Moves chunks of files between a device and one server: ciphertexts alone, so the service worker can do it too.
 *
 * Guarantees
 * - B1 a chunk is sent when a document of this device names it, after its commit was acknowledged; newest first, then smallest
 * - B2 what a receipt was verified for is not sent again, and each receipt is kept before the next chunk is sent: after a kill at most one
 *      chunk is repeated
 * - B3 what is fetched has the hash that was asked for, or it is an error
 * - B4 a chunk that the server refuses for good does not keep the others from being sent
 * - B5 a server whose log began a new epoch, as one does that was restored from a backup, is asked anew: its former receipts count no more
 * - B6 where it can ask, it asks for many chunks at once which of them the server has, and sends the others: see `chunk-question.ts`
 */
import {
  CofferError,
  equalBytes,
  parseBase64url,
  parseHex,
  parseId,
  toCofferError,
  type CofferErrorCode,
  type DbId,
  type Env,
  type TenantId,
} from "../std/index.ts";
import type { Verifier } from "../crypto/index.ts";
import type { Store } from "../store/index.ts";
import { createAsMember, type AsMember } from "./as-member.ts";
import type { Signer } from "./auth.ts";
import { verifyChunk } from "./chunk-receipt.ts";
import type { AskFirst } from "./chunk-question.ts";
import type { ChunkStore } from "./chunk-store.ts";
import {
  encodeFileEpochs,
  parseDatabaseState,
  parseFileEpochs,
  readServerKey,
  remoteSlotNames,
} from "./remote-slots.ts";
import { byTurn, type StoredPart } from "./stored-part.ts";
import type { ChunkTransport, HttpTransport } from "./transport.ts";

/** What a link moves chunks with. */
export interface ChunkLinkOptions {
  readonly env: Pick<Env, "monotonicMs" | "withLock">;
  readonly crypto: Pick<Verifier, "sha256" | "sign" | "verify" | "randomBytes">;
  /** the tenant's store, which knows the server's key */
  readonly store: Store;
  readonly chunks: ChunkStore;
  readonly http: HttpTransport;
  readonly tenantId: TenantId;
  readonly signer: Signer;
  /** asks what the server has already; without it every chunk is brought */
  readonly askFirst?: AskFirst;
}

/** How a round of sending ended. */
export interface ChunkRound {
  readonly sentCount: number;
  /** chunks that wait still */
  readonly leftCount: number;
  /** what stopped it; `undefined` when nothing did */
  readonly code: CofferErrorCode | undefined;
}

/** so many parts are asked for at once: 256 chunks */
const askedParts = 16;

/** what says that this one chunk will not be taken, now or ever */
const skipped: readonly CofferErrorCode[] = [
  "directory/behind",
  "doc/deleted",
  "entry/forged",
  "input/too-large",
];

/** The way of one tenant's chunks to and from one server. */
export class ChunkLink {
  readonly #options: ChunkLinkOptions;
  readonly #member: AsMember;

  constructor(options: ChunkLinkOptions) {
    this.#options = options;
    const { http, store } = options;
    this.#member = createAsMember({ ...options, readServerKey: () => readServerKey(store, http.origin) });
  }

  /** Send what waits, once through. Of all threads one sends at a time; where another one does, there is nothing to do; who is patient waits for it, and sends what is left. Never throws. */
  async push(signal?: AbortSignal, isPatient = false): Promise<ChunkRound> {
    const { env, http, store } = this.#options;
    const name = `coffer-chunks/${store.name}/${http.origin}`;
    const round = await env.withLock(name, isPatient ? {} : { ifAvailable: true }, () => this.#push(signal));
    return round ?? { sentCount: 0, leftCount: 0, code: undefined };
  }

  async #push(signal: AbortSignal | undefined): Promise<ChunkRound> {
    const { chunks, http } = this.#options;
    let sentCount = 0;
    let code: CofferErrorCode | undefined;
    try {
      await this.#dropFormerReceipts();
      const waiting = (await chunks.parts()).filter((part) => waitingOf(part, http.origin).length > 0);
      for (const [turn, part] of waiting.sort(byTurn).entries()) {
        if (turn % askedParts === 0) await this.#askFirst(waiting.slice(turn, turn + askedParts), signal);
        const known =
          this.#options.askFirst === undefined ? part : ((await chunks.part(part.commitHash)) ?? part);
        for (const index of waitingOf(known, http.origin)) {
          if (signal?.aborted === true) throw new CofferError("aborted");
          const outcome = await this.#sendOne(part, index, signal);
          if (outcome === undefined) sentCount += 1;
          else code = outcome;
          // Its other chunks would fare no better.
          if (outcome !== undefined) break;
        }
      }
    } catch (error) {
      ({ code } = toCofferError(error));
    }
    const left = (await chunks.parts().catch(() => [])).map((part) => waitingOf(part, http.origin).length);
    return { sentCount, leftCount: left.reduce((sum, count) => sum + count, 0), code };
  }

  /** B6. */
  async #askFirst(parts: readonly StoredPart[], signal: AbortSignal | undefined): Promise<void> {
    await this.#options.askFirst?.(this.#options, this.#member, { parts, signal });
  }

  /** B5. The epochs are noted last: after a kill it is done again. */
  async #dropFormerReceipts(): Promise<void> {
    const { chunks, http, store } = this.#options;
    const { databasePrefix, files } = remoteSlotNames(http.origin);
    const logEpoch = parseHex(store.logEpoch) ?? new Uint8Array(0);
    const known = await store.readSlot(files);
    const before = parseFileEpochs(known?.value);
    const slots = await store.readSlots(databasePrefix);
    const now = new Map(
      slots.flatMap(({ name, value }) => {
        const dbId = parseId("DbId", name.slice(databasePrefix.length));
        const state =
          dbId !== undefined && value instanceof Uint8Array
            ? parseDatabaseState(dbId, value, logEpoch)
            : undefined;
        return state === undefined ? [] : [[state.dbId, state.epoch] as const];
      }),
    );
    const isMoved = (dbId: DbId): boolean => before.get(dbId) !== now.get(dbId);
    if (![...now.keys()].some(isMoved)) return;
    for (const { commitHash, dbId, received } of await chunks.parts()) {
      if (!before.has(dbId) || !now.has(dbId) || !isMoved(dbId) || !received.has(http.origin)) continue;
      await chunks.edit(commitHash, (part) => ({
        ...part,
        received: new Map([...part.received].filter(([remoteId]) => remoteId !== http.origin)),
      }));
    }
    const value = encodeFileEpochs(new Map([...before, ...now]));
    await store.write({ slots: [{ name: files, value, expectedVersion: known?.version ?? 0 }] });
  }

  /** @returns why this chunk was not taken. @throws what stops the others too */
  async #sendOne(
    part: StoredPart,
    index: number,
    signal: AbortSignal | undefined,
  ): Promise<CofferErrorCode | undefined> {
    const { chunks, crypto, http, tenantId } = this.#options;
    const chunk = part.chunks[index];
    const body = chunk && (await chunks.chunksOf([chunk.hash]))[0];
    if (chunk === undefined || body === undefined) return "entry/corrupt";
    const { hash } = chunk;
    const query = `db=${part.dbId}&commit=${part.commitHash}&at=${part.createdAtMs}&entry=${index}`;
    try {
      const answer = await this.#asMember(signal, (transport, token) =>
        transport.put({ tenantId, token, hash, query, body, signal }),
      );
      const claim = { tenantId, hash, sizeBytes: body.length };
      const receipt = receiptOf(answer);
      const isReceipt =
        receipt !== undefined &&
        (await verifyChunk(crypto, await readServerKey(this.#options.store, http.origin), claim, receipt));
      if (!isReceipt) throw new CofferError("protocol/malformed", { field: "receipt" });
    } catch (error) {
      const { code } = toCofferError(error);
      if (skipped.includes(code)) return code;
      throw error;
    }
    await chunks.edit(part.commitHash, (before) => {
      const received = new Map(before.received);
      received.set(http.origin, (received.get(http.origin) ?? 0) | (1 << index));
      return { ...before, received };
    });
    return undefined;
  }

  /** Fetch a chunk, and keep it. @throws `input/unknown-id` when the server has none, `entry/corrupt` for another one, `net/…` */
  async fetch(part: StoredPart, index: number, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const { chunks, crypto, tenantId } = this.#options;
    const chunk = part.chunks[index];
    if (chunk === undefined) throw new CofferError("input/unknown-id", { what: "chunk" });
    const { hash, sizeBytes: maxBytes } = chunk;
    const bytes = await this.#asMember(signal, (transport, token) =>
      transport.get({ tenantId, token, hash, maxBytes, signal }),
    );
    if (bytes.length !== maxBytes || !equalBytes(crypto.sha256(bytes), hash))
      throw new CofferError("entry/corrupt", { what: "chunk" });
    // On a full disk it is shown, and fetched again the next time.
    await chunks.addFetched(part, index, bytes).catch((error: unknown) => {
      if (toCofferError(error).code !== "store/quota") throw error;
    });
    return bytes;
  }

  /** @throws what asking throws, `net/offline` for a server without chunks */
  async #asMember<T>(
    signal: AbortSignal | undefined,
    ask: (transport: ChunkTransport, token: Uint8Array) => Promise<T>,
  ): Promise<T> {
    const { chunks: transport } = this.#options.http;
    if (transport === undefined) throw new CofferError("net/offline", { what: "chunks" });
    return this.#member((token) => ask(transport, token), signal);
  }
}

/** The chunks of a part that a server has no receipt for, and that this device brings it: its own, once a document names them. */
export function waitingOf(part: StoredPart, remoteId: string): readonly number[] {
  if (!part.isNamed || !part.isOwn) return [];
  const received = part.received.get(remoteId) ?? 0;
  return part.chunks.flatMap(({ isHere }, index) =>
    isHere && (received & (1 << index)) === 0 ? [index] : [],
  );
}

function receiptOf(answer: unknown): Uint8Array | undefined {
  const text =
    typeof answer === "object" && answer !== null && "receipt" in answer ? answer.receipt : undefined;
  const bytes = typeof text === "string" && text.length <= 88 ? parseBase64url(text) : undefined;
  return bytes?.length === 64 ? bytes : undefined;
}
