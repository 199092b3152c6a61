/** What a conversation with a server is given, and what it tells, as types. */
import type { CofferErrorCode, CommitHash, DbId, Env, TenantId } from "../std/index.ts";
import type { Verifier } from "../crypto/index.ts";
import type { Store } from "../store/index.ts";
import type { Signer } from "./auth.ts";
import type { DatabaseState, Effect, SyncAlarm, SyncStatus } from "./engine-types.ts";
import type { Frame } from "./messages.ts";
import type { Transport } from "./transport.ts";

/** What a conversation with one server is held over. */
export interface ConversationOptions {
  readonly env: Env;
  readonly crypto: Verifier;
  readonly store: Store;
  readonly transport: Transport;
  readonly tenantId: TenantId;
  readonly signer: Signer;
  /** commits here that lack ciphertexts; where nobody can tell, none. A server that was brought them since is asked once */
  readonly lacking?: (() => readonly LackingCommit[]) | undefined;
  readonly mode: "live" | "once";
  /** another thread talks to this server now: nothing more is sent or stored here */
  readonly lost: AbortSignal;
}

/** A commit of which somebody may have more. */
export interface LackingCommit {
  readonly dbId: DbId;
  readonly commitHash: CommitHash;
}

/** A link's status with the bytes of bodies it has moved. */
export type LinkProgress = SyncStatus & { readonly sentBytes: number; readonly receivedBytes: number };

/** What a conversation tells its owner. */
export interface ConversationListener {
  readonly onStatus?: ((status: LinkProgress) => void) | undefined;
  readonly onAlarm?: ((alarm: SyncAlarm) => void) | undefined;
  /** what somebody whispers, as it came */
  readonly onWhisper?: ((whisper: Whisper) => void) | undefined;
  /**
   * How logs stand that are proven and stored: what is found at the start, and what comes; and when all was shown, in milliseconds. In the
   * thread that talks, and in no other.
   */
  readonly onProven?: ((databases: readonly DatabaseState[], completeAtMs?: number) => void) | undefined;
  /** a commit of this device that the server refused for good */
  readonly onRefused?: ((refusal: Extract<Effect, { kind: "quarantine" }>) => void) | undefined;
  /** the server says that the admin has this device forget the tenant: the commit that is said to say so, not verified */
  readonly onWipe?: ((commit: Uint8Array) => void) | undefined;
  readonly onCycleEnded: (code: CofferErrorCode | undefined) => void;
}

/** Something said to whoever listens now: to one database of the tenant, sealed. */
export type Whisper = Pick<Extract<Frame, { type: "whisper" }>, "dbId" | "sealed">;
