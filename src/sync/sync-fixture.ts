/**
 * What the tests of this room share: a tenant with sealed commits, a world whose time is moved by hand.
 */
import {
  bytesToId,
  createSystemEnv,
  type AuthorKey,
  type CommitHash,
  type DbId,
  type Env,
  type TenantId,
} from "../std/index.ts";
import { createWebCrypto, type Crypto } from "../crypto/index.ts";
import { createContentKey, deriveDocId, directoryDbId, sealCommit, type Commit } from "../entry/index.ts";
import type { Signer } from "./auth.ts";

/** A tenant as tests see it. */
export interface Fixture {
  readonly crypto: Crypto;
  readonly tenantId: TenantId;
  readonly directoryDbId: DbId;
  readonly dbId: DbId;
  readonly signer: Signer;
  /** Seal a commit with one small entry. */
  seal(dbId?: DbId): Promise<Commit & { readonly bytes: Uint8Array<ArrayBuffer> }>;
}

/** Create a tenant of one author. */
export async function createFixture(): Promise<Fixture> {
  const crypto = createWebCrypto();
  const pair = await crypto.createSigningPair();
  const author: AuthorKey = bytesToId("AuthorKey", pair.publicKey);
  const tenantId = bytesToId("TenantId", new Uint8Array(32).fill(7));
  const dbId = bytesToId("DbId", new Uint8Array(16).fill(9));
  const keyId = bytesToId("KeyId", new Uint8Array(16).fill(3));
  const key = await createContentKey(crypto, { keyId, epoch: 1, secret: new Uint8Array(32).fill(5) });
  const directoryHead: CommitHash = bytesToId("CommitHash", new Uint8Array(32).fill(1));
  return {
    crypto,
    tenantId,
    directoryDbId: directoryDbId(crypto, tenantId),
    dbId,
    signer: { key: author, privateKey: pair.privateKey },
    async seal(into = dbId) {
      const writerNonce = crypto.randomBytes(16);
      const docId = deriveDocId(crypto, { tenantId, dbId: into, keyId, author, writerNonce, docCounter: 1 });
      const commit = await sealCommit(crypto, {
        tenantId,
        dbId: into,
        author,
        signingKey: pair.privateKey,
        writerNonce,
        writerSeq: 1,
        predecessors: [],
        directoryHead,
        createdAtMs: 1,
        entries: [
          {
            entryType: "doc_create",
            docId,
            dependencies: [],
            key,
            docCounter: 1,
            plaintext: crypto.randomBytes(40),
          },
        ],
      });
      return { ...commit, bytes: new Uint8Array(commit.bytes) };
    },
  };
}

/** A world whose clock stands still until a test moves it; everything else is real. */
export interface TestWorld {
  readonly env: Env;
  /** Move time to the next timer and run it; `false` when there is none. */
  runNextTimer(): boolean;
  /** `silently`: as browsers do in some workers, nobody is told */
  setOnline(isOnline: boolean, silently?: boolean): void;
  readonly timers: readonly { readonly atMs: number }[];
  readonly nowMs: number;
}

/** Create such a world; jitter always draws `fraction`. */
export function createTestWorld(fraction = 0.5): TestWorld {
  let nowMs = 0;
  let isOnline = true;
  let timers: { atMs: number; run: () => void }[] = [];
  const locks = new Map<string, Promise<unknown>>();
  const onlineListeners = new Set<(online: boolean) => void>();
  const system = createSystemEnv();
  const env: Env = {
    ...system,
    nowMs: () => nowMs,
    monotonicMs: () => nowMs,
    randomFraction: () => fraction,
    setTimer(afterMs, run) {
      const timer = { atMs: nowMs + afterMs, run };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
    async withLock(name, options, run) {
      const holder = locks.get(name);
      if (holder !== undefined && options.ifAvailable === true) return undefined;
      const mine = (holder ?? Promise.resolve()).then(run);
      const done = mine.catch(() => undefined);
      locks.set(name, done);
      await done;
      if (locks.get(name) === done) locks.delete(name);
      return mine;
    },
    isOnline: () => isOnline,
    onOnlineChange(listener) {
      onlineListeners.add(listener);
      return () => void onlineListeners.delete(listener);
    },
  };
  return {
    env,
    runNextTimer() {
      const next = timers.reduce<(typeof timers)[number] | undefined>(
        (a, b) => (a !== undefined && a.atMs <= b.atMs ? a : b),
        undefined,
      );
      if (next === undefined) return false;
      nowMs = Math.max(nowMs, next.atMs);
      timers = timers.filter((other) => other !== next);
      next.run();
      return true;
    },
    setOnline(online, silently = false) {
      isOnline = online;
      if (silently) return;
      for (const listener of onlineListeners) listener(online);
    },
    get timers() {
      return timers;
    },
    get nowMs() {
      return nowMs;
    },
  };
}
