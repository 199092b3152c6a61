/**
 * The engine's state, events and effects, as types. The rules are in engine.ts.
 */
import type { CofferErrorCode, CommitHash, DbId } from "../std/index.ts";
import type { Frontier } from "./merkle.ts";
import type { Frame, RemoteState, SignedHead, SignedTenantHead } from "./messages.ts";

/** What stays the same while an engine lives. */
export interface EngineConfig {
  /** 16 bytes */
  readonly replicaId: Uint8Array;
  readonly directoryDbId: DbId;
  /** one cycle, or for as long as it runs */
  readonly mode: "live" | "once";
  readonly hasLive: boolean;
}

/** How far the log was pushed. Kept in the store. */
export interface OutboxState {
  /** every record up to here was acknowledged, refused, or came from this remote */
  readonly position: number;
  /** after a new epoch: up to here also what came from this remote is pushed */
  readonly everythingThrough: number;
  /** the newest refused commits: what the remote never acknowledged */
  readonly refused: readonly CommitHash[];
}

/** One remote database. */
export interface DatabaseState extends RemoteState {
  /** when the newest head that matched was signed, by the server's clock; 0 = none in this session */
  readonly headTimeMs: number;
  /** in a new epoch, until it was compared with what the old one acknowledged: the commits seen in it */
  readonly audit: readonly (readonly CommitHash[])[] | undefined;
  /** the head that proved what was stored last: kept as evidence, and not looked at again */
  readonly head?: SignedHead;
}

/** A record that is to be pushed. */
export interface OutboxRecord {
  readonly position: number;
  readonly commitHash: CommitHash;
  readonly dbId: DbId;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** not received from this remote before */
  readonly isOwn: boolean;
}

/** An item of a COMMITS frame after its commit was judged; without bytes it came as a leaf. */
export interface JudgedItem {
  readonly commitHash: CommitHash;
  readonly bytes: Uint8Array<ArrayBuffer> | undefined;
  /** structure, hashes, signature, tenant and database hold; meaningless for a leaf */
  readonly isGenuine: boolean;
  /** in the device log */
  readonly isHere: boolean;
}

type FrameOf<Type extends Frame["type"]> = Extract<Frame, { type: Type }>;

/** A frame after what needs keys was judged. */
export type JudgedFrame =
  | (Omit<FrameOf<"commits">, "items"> & {
      /** `undefined`: one of them has no hash */ readonly items: readonly JudgedItem[] | undefined;
    })
  | { readonly type: "head"; readonly head: SignedHead; readonly isSigned: boolean }
  | { readonly type: "tenant-head"; readonly head: SignedTenantHead; readonly isSigned: boolean }
  | FrameOf<"ack">
  | FrameOf<"need">
  | FrameOf<"error">
  | FrameOf<"end">
  /** a frame that only clients send, or that cannot be read */
  | { readonly type: "unexpected" };

/** What happened. Events of an older session than the state's are ignored. */
export type EngineEvent = { readonly nowMs: number } & (
  | { readonly kind: "start" }
  | { readonly kind: "stop" }
  | { readonly kind: "sync" }
  | { readonly kind: "online"; readonly isOnline: boolean }
  | {
      readonly kind: "loaded";
      readonly databases: readonly DatabaseState[];
      readonly outbox: OutboxState;
      readonly lastPosition: number;
      /** databases with commits here of which nothing is proven */
      readonly unproven: readonly DbId[];
      /** databases in which commits lack ciphertexts that the server may have been brought since */
      readonly lacking: readonly DbId[];
    }
  | { readonly kind: "appended"; readonly lastPosition: number }
  | {
      readonly kind: "outbox";
      readonly records: readonly OutboxRecord[];
      readonly through: number;
      /** some were passed because the server is proven to have them */
      readonly hasConfirmed: boolean;
      /** where the past of what was wanted goes on; `undefined` when none was asked for */
      readonly wanted?: readonly CommitHash[] | undefined;
    }
  | { readonly kind: "stored"; readonly positions: readonly number[] }
  /** writing or reading the store failed, or another thread wrote: everything is loaded again */
  | { readonly kind: "store-failed"; readonly code: CofferErrorCode }
  | { readonly kind: "audited"; readonly dbId: DbId; readonly missing: readonly CommitHash[] }
  | { readonly kind: "timer"; readonly name: TimerName }
  | {
      readonly kind: "authenticated";
      readonly session: number;
      readonly token: Uint8Array;
      /** the server sends leaves and reconciles */
      readonly canRepair: boolean;
    }
  /** what was missing here of some databases came, as far as the server has it */
  | { readonly kind: "repaired"; readonly session: number; readonly receivedCount: number }
  | {
      readonly kind: "failed";
      readonly session: number;
      readonly code: CofferErrorCode;
      readonly retryAfterMs: number;
    }
  | { readonly kind: "answered"; readonly session: number }
  | { readonly kind: "opened"; readonly session: number }
  | { readonly kind: "frame"; readonly session: number; readonly frame: JudgedFrame }
);

/** `retry`: connect again; `poll`: look for news; `answer`: a live answer is overdue; `outbox`: push again what was put off. */
export type TimerName = "retry" | "poll" | "answer" | "outbox";

/** Evidence that a server misbehaves, or that somebody forged a commit. */
export interface SyncAlarm {
  readonly kind: "rollback" | "fork" | "withheld" | "quarantined";
  readonly dbId: DbId | undefined;
  readonly commitHashes: readonly CommitHash[];
  /** the head that contradicts what was proven before, and that */
  readonly head: SignedHead | SignedTenantHead | undefined;
  readonly known: Pick<RemoteState, "epoch" | "size"> | undefined;
}

/** How a link is doing. */
export interface SyncStatus {
  readonly phase: "offline" | "connecting" | "syncing" | "live" | "denied";
  /** records of the log that may still have to be pushed */
  readonly pendingPush: number;
  /** commits that the server is known to have beyond what is here */
  readonly pendingPull: number;
  /** when the server last proved that everything it has is here */
  readonly verifiedCompleteAtMs: number | undefined;
  readonly error: CofferErrorCode | undefined;
}

/** What is to be done. `load`, `store`, `read-outbox` and `audit` are finished before anything else is decided. */
export type Effect =
  | { readonly kind: "load" }
  | {
      readonly kind: "store";
      readonly records: readonly {
        readonly commitHash: CommitHash;
        readonly bytes: Uint8Array<ArrayBuffer>;
      }[];
      readonly databases: readonly DatabaseState[];
      readonly outbox: OutboxState | undefined;
      /** commits from here that the server is proven to have: they need no push */
      readonly confirmed?: readonly CommitHash[];
    }
  | {
      readonly kind: "read-outbox";
      readonly after: number;
      readonly everythingThrough: number;
      readonly maxBytes: number;
      /** only what is at these positions, in order */
      readonly at?: readonly number[];
      /** the past of these instead, newest first */
      readonly wanted?: readonly CommitHash[];
    }
  | {
      readonly kind: "audit";
      readonly dbId: DbId;
      readonly contained: readonly (readonly CommitHash[])[];
      readonly outbox: OutboxState;
    }
  | { readonly kind: "authenticate"; readonly session: number }
  | {
      readonly kind: "exchange";
      readonly session: number;
      readonly token: Uint8Array;
      readonly frames: readonly Frame[];
    }
  | {
      readonly kind: "repair";
      readonly session: number;
      readonly token: Uint8Array;
      readonly dbIds: readonly DbId[];
    }
  | { readonly kind: "open-live"; readonly session: number }
  | { readonly kind: "send"; readonly frames: readonly Frame[] }
  /** end what goes on in the network: an exchange, an opening, a live connection */
  | { readonly kind: "disconnect" }
  /** after `minMs` plus a random part of `spreadMs`; one timer for each name */
  | {
      readonly kind: "set-timer";
      readonly name: TimerName;
      readonly minMs: number;
      readonly spreadMs: number;
    }
  | { readonly kind: "clear-timer"; readonly name: TimerName }
  | { readonly kind: "quarantine"; readonly commitHash: CommitHash; readonly code: CofferErrorCode }
  | { readonly kind: "alarm"; readonly alarm: SyncAlarm }
  | { readonly kind: "status"; readonly status: SyncStatus }
  /** a cycle ended: nothing is left, or the code says what stopped it */
  | { readonly kind: "cycle-ended"; readonly code: CofferErrorCode | undefined };

/** COMMITS that wait for the head that proves them, or the reason why they will not be stored. */
export type Run =
  | {
      readonly kind: "open";
      readonly dbId: DbId;
      readonly epoch: number;
      readonly fromSeq: number;
      readonly items: readonly JudgedItem[];
      readonly next: Frontier;
    }
  /** `overlap`: starts in what is here; `gap`: starts after it, or in another epoch; `incomplete`: names a lost commit; `frozen` */
  | {
      readonly kind: "skipped";
      readonly dbId: DbId;
      readonly why: "overlap" | "gap" | "incomplete" | "frozen";
    };

/** What was sent for pushing and is not settled. */
export interface PushBatch {
  readonly records: readonly OutboxRecord[];
  /** the log positions this batch covers, records that need no push included */
  readonly after: number;
  readonly through: number;
  /** it is the past of what was wanted, wherever that lies */
  readonly isAside: boolean;
  /** it was put off before */
  readonly isAgain: boolean;
  /** what the server must have before it can judge what it puts off */
  readonly wanted: readonly CommitHash[];
  readonly settled: ReadonlyMap<CommitHash, "accepted" | "retry" | "refused">;
  /** the first code among those to be tried again */
  readonly putOffBy: CofferErrorCode | undefined;
  /** what follows would be put off too */
  readonly isHeld: boolean;
}

/** What one request and its answer, or one round on a live connection, have shown so far. */
export interface Round {
  /** something was stored or acknowledged */
  readonly hasProgress: boolean;
  /** heads or gaps showed that there is more */
  readonly needsPull: boolean;
  /** the END frame, once it came */
  readonly end: { readonly more: boolean } | undefined;
  /** a tenant head over exactly what is here came */
  readonly isComplete: boolean;
  readonly tenantHead: SignedTenantHead | undefined;
  /** databases whose frames are ignored for the rest of this round */
  readonly frozen: ReadonlySet<DbId>;
  /** databases that were asked for whole */
  readonly full: ReadonlySet<DbId>;
  /** a head that contradicts what is proven came */
  readonly isContradicted: boolean;
}

/** Where the conversation stands. */
export type LinkState =
  | "stopped"
  | "offline"
  | "authenticating"
  | "exchanging"
  | "opening"
  | "live"
  /** nothing left to do until the poll timer */
  | "resting"
  /** after a failure until the retry timer */
  | "waiting"
  | "denied";

/** The engine between two events: plain data. */
export interface EngineState {
  readonly config: EngineConfig;
  readonly link: LinkState;
  /** counts conversations, so that late events of an old one are told apart */
  readonly session: number;
  readonly isOnline: boolean;
  readonly isLoaded: boolean;
  readonly token: Uint8Array | undefined;
  readonly hasTriedAgain: boolean;
  readonly attempt: number;
  readonly databases: ReadonlyMap<DbId, DatabaseState>;
  /** sizes that heads showed beyond what is here */
  readonly shownSizes: ReadonlyMap<DbId, number>;
  /** databases whose own commits must come whole */
  readonly needsFull: ReadonlySet<DbId>;
  readonly canRepair: boolean;
  /** databases whose log is asked for as leaves: after a lost cursor, with a second server, in a new epoch */
  readonly asLeaves: ReadonlySet<DbId>;
  /** databases of which the server has, or may have, commits or parts of them that are not here: they are reconciled, once in a conversation */
  readonly needsRepair: ReadonlySet<DbId>;
  readonly repaired: ReadonlySet<DbId>;
  readonly outbox: OutboxState;
  readonly lastPosition: number;
  readonly batch: PushBatch | undefined;
  /** why the server put off some of what was pushed; `undefined` when nothing is put off */
  readonly putOffBy: CofferErrorCode | undefined;
  /** where that is in the log, in order, and where the log goes on behind it */
  readonly putOff: readonly number[];
  readonly ahead: number;
  /** the outbox timer ran: that is tried before anything else */
  readonly isDue: boolean;
  /** where in between is tried next */
  readonly retryAfter: number;
  /** nothing else can be pushed until the timer */
  readonly isHeld: boolean;
  /** so it was, and nothing was settled for good since */
  readonly wasHeld: boolean;
  /** what the server wants before anything else, and what it has wanted since the timer, how often, and what was sent of that */
  readonly wanted: readonly CommitHash[];
  readonly everWanted: ReadonlySet<CommitHash>;
  readonly wantedRounds: number;
  readonly asideCount: number;
  readonly outboxAttempt: number;
  /** acknowledged commits that a proven run must still show */
  readonly receipts: ReadonlyMap<CommitHash, { readonly dbId: DbId; readonly seq: number }>;
  readonly run: Run | undefined;
  /** a PULL is on its way and its END has not come */
  readonly isPulling: boolean;
  /** a cycle was asked for while an answer was on its way that may have been made before */
  readonly isAskedAgain: boolean;
  readonly round: Round;
  readonly idleRounds: number;
  readonly raised: ReadonlySet<string>;
  readonly verifiedCompleteAtMs: number | undefined;
  readonly error: CofferErrorCode | undefined;
  readonly nowMs: number;
}
