/**
 * What the runner asks of the network, as types: one request at a time, and one live connection.
 *
 * Guarantees, for every implementation (transport-contract.ts proves each)
 * - T1 bytes come out as they went in, in order; a live message is whole frames
 * - T2 every promise settles; a failure is a CofferError of `net/…`, `access/…`, `input/…`, `directory/behind`, `protocol/…` or
 *      `aborted`
 * - T3 after `aborted`, or after a live connection's `close()`, nothing more is delivered
 * - T4 an answer beyond the size limit is `protocol/malformed`, noticed while it streams
 *
 * They give bytes no meaning: frames, heads and commits are judged by who asked.
 */
import type { TenantId } from "../std/index.ts";
import type { Capabilities } from "./messages.ts";

/** Requests to one server. */
export interface HttpTransport {
  /** scheme, host and port, as the server knows itself */
  readonly origin: string;
  readCapabilities(signal?: AbortSignal): Promise<Capabilities>;
  /** POST plain data to a path of this server, as a member where a token is given; the answer is untrusted JSON. */
  postJson(path: string, body: unknown, signal?: AbortSignal, token?: Uint8Array): Promise<unknown>;
  /** POST a publication to `/v1/tenants`. @throws `input/used` when another tenant holds the id */
  publish(publication: Uint8Array<ArrayBuffer>, signal?: AbortSignal): Promise<void>;
  /** Chunks of files; without it none are moved. */
  readonly chunks?: ChunkTransport;
  /** POST frames to the tenant's sync endpoint; chunks of the answer are handed over as they arrive. */
  exchange(request: ExchangeRequest): Promise<void>;
  /** POST frames to the tenant's live endpoint; an event stream has no end of its own, a long poll has. */
  follow?(request: FollowRequest): Promise<void>;
}

/** Moves chunks of files. */
export interface ChunkTransport {
  /** PUT a ciphertext, with the query that says which entry names it; the answer is untrusted JSON. */
  put(
    request: ChunkRequest & { readonly query: string; readonly body: Uint8Array<ArrayBuffer> },
  ): Promise<unknown>;
  /** GET a ciphertext of at most `maxBytes`; what comes is untrusted. */
  get(request: ChunkRequest & { readonly maxBytes: number }): Promise<Uint8Array<ArrayBuffer>>;
}

/** One request about a chunk. */
export interface ChunkRequest {
  readonly tenantId: TenantId;
  readonly token: Uint8Array;
  /** 32 bytes: SHA-256 of the ciphertext */
  readonly hash: Uint8Array;
  readonly signal?: AbortSignal | undefined;
}

/** One request with frames both ways. */
export interface ExchangeRequest {
  readonly tenantId: TenantId;
  readonly token: Uint8Array;
  readonly body: Uint8Array<ArrayBuffer>;
  /** default: "sync" */
  readonly endpoint?: "sync" | "reconcile" | "entries" | "blobs" | "forward" | undefined;
  /** may refuse by throwing: the rest of the answer is dropped and the error comes out of `exchange` */
  readonly onChunk: (chunk: Uint8Array) => void;
  readonly signal?: AbortSignal | undefined;
}

/** One request whose answer is the live link. */
export interface FollowRequest extends Pick<ExchangeRequest, "tenantId" | "body" | "onChunk" | "signal"> {
  readonly wantsEvents: boolean;
}

/** Live connections to one server. */
export interface LiveTransport {
  /** Open a connection; `undefined` members of the listener are not called. @throws `net/…` when it does not open */
  open(tenantId: TenantId, listener: LiveListener, signal?: AbortSignal): Promise<LiveConnection>;
}

/** What a live connection tells its owner. */
export interface LiveListener {
  readonly onMessage: (message: Uint8Array) => void;
  /** There is something to pull, which the connection does not bring by itself. */
  readonly onNews?: () => void;
  /** Called once, unless the owner closed first. */
  readonly onClose: () => void;
}

/** An open live connection. */
export interface LiveConnection {
  send(message: Uint8Array<ArrayBuffer>): void;
  close(): void;
}

/** A server as the runner sees it; without `live` it asks again from time to time. */
export interface Transport {
  readonly http: HttpTransport;
  readonly live: LiveTransport | undefined;
}
