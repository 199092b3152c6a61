/**
 * The messages of the sync protocol, as types: the same on HTTP bodies, WebSocket frames and message ports. The byte table is in
 * frames.ts. A frame is `u8 type | varint length | body`; unknown types are skipped; the version is in HELLO.
 *
 * Steady state is one round trip: PULL (cursor of each database) and PUSH up; COMMITS, HEAD and ACK down.
 */
import type { AuthorKey, CommitHash, CofferErrorCode, DbId, TenantId } from "../std/index.ts";
import type { Range } from "./reconcile-format.ts";

export const protocolVersion = 1;

export const syncLimits = {
  /** a frame's body */
  frameBytes: 1024 * 1024 + 64 * 1024,
  /** what a sender aims at */
  frameTargetBytes: 256 * 1024,
  /** one HTTP body up */
  requestBytes: 8 * 1024 * 1024,
  databasesPerTenant: 10_000,
  commitsPerFrame: 4096,
  /** a sealed whisper */
  whisperBytes: 4096,
} as const;

/** Where a client stands in the server's log of one database: everything before `seq` (from 0) is here and proven. */
export interface LogCursor {
  readonly dbId: DbId;
  readonly epoch: number;
  readonly seq: number;
  /** this log as leaves: its commits are here, and only their place in it is to be proven */
  readonly isLeaves?: true;
}

export type Frame =
  | {
      readonly type: "hello";
      readonly version: number;
      /** 16 bytes: names this device's log */ readonly replicaId: Uint8Array;
    }
  | { readonly type: "auth"; /** 16 to 256 bytes */ readonly token: Uint8Array }
  | {
      readonly type: "pull";
      /** also databases that are not listed, from their start */
      readonly allDatabases: boolean;
      /** send the client's own commits whole, not as leaf hashes: after a local loss */
      readonly full: boolean;
      readonly cursors: readonly LogCursor[];
      readonly maxBytes: number;
    }
  | {
      readonly type: "commits";
      readonly dbId: DbId;
      readonly epoch: number;
      readonly fromSeq: number;
      /** a commit's bytes, with every header but maybe not every ciphertext; or its hash alone (32 bytes) when this replica pushed it */
      readonly items: readonly ({ readonly commit: Uint8Array } | { readonly leaf: CommitHash })[];
    }
  | { readonly type: "push"; readonly dbId: DbId; readonly commits: readonly Uint8Array[] }
  | { readonly type: "ack"; readonly dbId: DbId; readonly results: readonly PushResult[] }
  /** before an ACK: commits that must come before some of those it puts off can be judged */
  | { readonly type: "need"; readonly dbId: DbId; readonly commits: readonly CommitHash[] }
  | ({ readonly type: "head" } & SignedHead)
  | ({ readonly type: "tenant-head" } & SignedTenantHead)
  | { readonly type: "error"; readonly code: CofferErrorCode; readonly retryAfterMs: number }
  /** ends an answer; `more`: the byte budget ended it, pull again at once */
  | { readonly type: "end"; readonly more: boolean }
  /** a side of a reconciliation; the commits that it delivers come as `push`, both ways */
  | {
      readonly type: "ranges";
      readonly dbId: DbId;
      /** 8 bytes */ readonly salt: Uint8Array;
      readonly ranges: readonly Range[];
    }
  /** between peers: who speaks knows the tenant, see peer-link.ts */
  | { readonly type: "peer"; /** 32 bytes */ readonly proof: Uint8Array }
  /** between peers: what is here */
  | { readonly type: "databases"; readonly databases: readonly DatabaseDigest[] }
  /** between peers: from who answers, something is new here; from who asks, everything was asked */
  | { readonly type: "note" }
  /** passed on to whoever listens to the tenant now, and kept nowhere */
  | { readonly type: "whisper"; readonly dbId: DbId; /** 1 to 4096 bytes */ readonly sealed: Uint8Array };

/** A set of commits in a few bytes. */
export interface DatabaseDigest {
  readonly dbId: DbId;
  readonly size: number;
  /** 16 bytes of SHA-256("coffer/peer-set/v1\0" ‖ dbId ‖ u64 size ‖ sum of the hashes modulo 2^256, little end first(32)) */
  readonly digest: Uint8Array;
}

export interface PushResult {
  readonly commitHash: CommitHash;
  /** stored at `seq`, now or before; to be tried again; refused for good */
  readonly status: "accepted" | "retry" | "refused";
  readonly seq: number;
  readonly code: CofferErrorCode | undefined;
}

/** A signed tree head: RFC 6962 root over the commit hashes of one database, `size` of them. */
export interface SignedHead {
  readonly dbId: DbId;
  readonly epoch: number;
  readonly size: number;
  /** 32 bytes */
  readonly root: Uint8Array;
  readonly timeMs: number;
  /** 64 bytes, Ed25519 by the server's key over "coffer/head/v1\0" ‖ tenantId ‖ dbId ‖ epoch ‖ size ‖ root ‖ timeMs */
  readonly signature: Uint8Array;
}

/** Nothing new: one signature over all database heads of the tenant, SHA-256 over their sorted (dbId, epoch, size, root). */
export interface SignedTenantHead {
  readonly databaseCount: number;
  /** 32 bytes */
  readonly digest: Uint8Array;
  readonly timeMs: number;
  readonly signature: Uint8Array;
}

/** What the client keeps about one remote database, in the same transaction as the commits it vouches for. */
export interface RemoteState {
  readonly dbId: DbId;
  readonly epoch: number;
  readonly size: number;
  /** the roots of the perfect subtrees, largest first: at most 64 × 32 bytes */
  readonly frontier: readonly Uint8Array[];
}

/** What `GET /sync/capabilities` says (JSON). */
export interface Capabilities {
  readonly protocolVersion: number;
  readonly capabilities: {
    readonly log: boolean;
    readonly heads: boolean;
    readonly ws: boolean;
    /** the live link as an event stream or a long poll, where no WebSocket gets through */
    readonly sse: boolean;
    /** `POST /v1/t/{tenant}/reconcile` */
    readonly reconcile: boolean;
    /** a pull can have logs as leaves; a log of another epoch than its cursor's comes so by itself */
    readonly leaves: boolean;
  };
  readonly limits: { readonly frameBytes: number; readonly requestBytes: number };
  /** base64url Ed25519 public key that signs heads */
  readonly serverKey: string;
  /** base64url point of P-256, uncompressed: what browsers tie a push subscription to; left out by a server that wakes no device */
  readonly pushKey?: string;
}

/**
 * The right of a device key to move sealed commits for a user: signed once by the user's signing key over
 * "coffer/delegation/v1\0" ‖ canonical bytes. It cannot sign entries and opens nothing.
 */
export interface Delegation {
  readonly deviceKey: AuthorKey;
  readonly userKey: AuthorKey;
  readonly tenantId: TenantId;
  readonly scope: "sync";
  readonly expiresAtMs: number;
}

/*
 * HTTP (all bodies binary unless said):
 *   GET  /sync/capabilities                     → Capabilities as JSON
 *   POST /v1/auth/challenge   JSON { tenant, key }  → JSON { challenge }            stateless, MAC under the server's secret, ≤ 60 s
 *   POST /v1/auth/token       JSON { tenant, key, challenge, clientNonce, signature, delegation? } → JSON { token, expiresInMs }
 *        signature by `key` over "coffer/auth/v1\0" ‖ sized(origin) ‖ serverKey ‖ tenantId ‖ key ‖ sized(challenge) ‖ clientNonce(16)
 *        `key` is the user's signing key, or a device key with its delegation (base64url bytes ‖ signature)
 *   POST /v1/tenants          binary publication (publication.ts)  → 201, 200 when already there, 409 when another
 *   POST /v1/t/{tenant}/sync  Authorization: Bearer token; body = frames; answer = frames
 *   POST /v1/t/{tenant}/reconcile  the same way; HELLO and RANGES up; PUSH with what the client lacks, RANGES or nothing, END down
 *   POST /v1/t/{tenant}/live  where no WebSocket gets through: HELLO, AUTH, PULL up; an event stream or a long poll down
 *   GET  /v1/t/{tenant}/live  WebSocket; first frames HELLO and AUTH, then PULL, PUSH …; the server sends COMMITS and HEAD as they come
 * Errors: JSON { code, message } with the status of the table in the guide (429 and 503 carry Retry-After).
 */
