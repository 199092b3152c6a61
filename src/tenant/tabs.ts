/**
 * What the workers of one device say to each other about a tenant: lock, and hand over the keys.
 *
 * | channel | message | meaning |
 * |---|---|---|
 * | `coffer-lock/<log epoch>` | `"lock"` | the user locked the tenant: everybody does |
 * | `coffer-keys/<log epoch>` | `{ ask: nonce, tenantId }` | a new tab asks whoever has the tenant unlocked |
 * | | `{ answer: nonce, identity }` | keys as handles; none of them can be read out |
 *
 * The log's own random name keeps devices of one process, and tenants and scopes of one origin, apart. A nonce is 32 random hex digits,
 * fresh for each question.
 *
 * ```
 * ask ──► first answer that proves to be the user's ──► adopted, unless a lock was heard since the question
 *   └── 500 ms without one ──► the password is needed
 * ```
 */
import {
  bytesToHex,
  type AuthorKey,
  type Channel,
  type Env,
  type Release,
  type TenantId,
} from "../std/index.ts";
import type { Crypto } from "../crypto/index.ts";
import type { UnlockedIdentity } from "../keys/index.ts";
import { provesIdentity } from "./kept-session.ts";

const answerWithinMs = 500;

/** What a worker does for the others of its device. */
export interface TabsHooks {
  /** another tab locked the tenant */
  onLock(): void;
  /** the keys to hand over; `undefined` while locked, and from the beginning of a locking on */
  held(): UnlockedIdentity | undefined;
}

/** One worker's ear and voice among the workers of its device. */
export class Tabs {
  readonly #world: { readonly env: Env; readonly crypto: Crypto };
  readonly #tenantId: TenantId;
  readonly #lock: Channel;
  readonly #keys: Channel;
  /** how often the tenant was locked, here or in another tab */
  #lockCount = 0;

  constructor(
    world: { readonly env: Env; readonly crypto: Crypto },
    tenant: { readonly tenantId: TenantId; readonly logEpoch: string },
    hooks: TabsHooks,
  ) {
    this.#world = world;
    this.#tenantId = tenant.tenantId;
    this.#lock = world.env.openChannel(`coffer-lock/${tenant.logEpoch}`);
    this.#keys = world.env.openChannel(`coffer-keys/${tenant.logEpoch}`);
    this.#lock.onMessage((message) => {
      if (message !== "lock") return;
      this.#lockCount++;
      hooks.onLock();
    });
    this.#keys.onMessage((message) => {
      const nonce = this.#readQuestion(message);
      const identity = nonce === undefined ? undefined : hooks.held();
      if (identity !== undefined) this.#post({ answer: nonce, identity });
    });
  }

  /** How often the tenant was locked since this worker listens: what was handed over before counts no more when it has grown. */
  get lockCount(): number {
    return this.#lockCount;
  }

  /** A locking begins here. */
  noteLock(): void {
    this.#lockCount++;
  }

  /** Tell all other tabs to lock. */
  tellLock(): void {
    this.#lock.post("lock");
  }

  /** Ask the other tabs for the keys of a user; `undefined` when none answers in time with keys that are. */
  async askKeys(userKey: AuthorKey): Promise<UnlockedIdentity | undefined> {
    const { env, crypto } = this.#world;
    const ask = bytesToHex(env.randomBytes(16));
    const releases: Release[] = [];
    const identity = await new Promise<UnlockedIdentity | undefined>((resolve) => {
      releases.push(
        env.setTimer(answerWithinMs, () => resolve(undefined)),
        this.#keys.onMessage((message) => {
          const answer = readAnswer(message, ask);
          if (answer === undefined) return;
          void provesIdentity(crypto, answer, userKey).then((isProven) => {
            if (isProven) resolve(answer);
          });
        }),
      );
      if (!this.#post({ ask, tenantId: this.#tenantId })) resolve(undefined);
    });
    for (const release of releases) release();
    return identity;
  }

  close(): void {
    this.#lock.close();
    this.#keys.close();
  }

  #readQuestion(message: unknown): string | undefined {
    const { ask, tenantId } = fieldsOf(message);
    return typeof ask === "string" && /^[0-9a-f]{32}$/.test(ask) && tenantId === this.#tenantId
      ? ask
      : undefined;
  }

  /** Not every platform can send keys to several threads at once, and a closing tenant sends nothing. */
  #post(message: unknown): boolean {
    try {
      this.#keys.post(message);
      return true;
    } catch {
      return false;
    }
  }
}

function readAnswer(message: unknown, nonce: string): UnlockedIdentity | undefined {
  const { answer, identity } = fieldsOf(message);
  // Whether it is one is for the proof to say.
  return answer === nonce ? (identity as UnlockedIdentity) : undefined;
}

function fieldsOf(message: unknown): { readonly [field: string]: unknown } {
  return typeof message === "object" && message !== null ? { ...message } : {};
}
