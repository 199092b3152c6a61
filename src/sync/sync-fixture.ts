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
import type { Storage, Store } from "../store/index.ts";
import type { Signer } from "./auth.ts";

/** A tenant as tests see it. */
export interface Fixture {
  readonly crypto: Crypto;
  readonly tenantId: TenantId;
  readonly directoryDbId: DbId;
  readonly dbId: DbId;
  readonly signer: Signer;
  /** Seal a commit with one entry, a small one if nothing is said, that follows none. */
  seal(
    dbId?: DbId,
    plaintextBytes?: number,
    predecessors?: readonly CommitHash[],
  ): Promise<Commit & { readonly bytes: Uint8Array<ArrayBuffer> }>;
}

/** Create a tenant of one author; `tenant` tells several apart. */
export async function createFixture(tenant = 7): Promise<Fixture> {
  const crypto = createWebCrypto();
  const pair = await crypto.createSigningPair();
  const author: AuthorKey = bytesToId("AuthorKey", pair.publicKey);
  const tenantId = bytesToId("TenantId", new Uint8Array(32).fill(tenant));
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
    async seal(into = dbId, plaintextBytes = 40, predecessors = []) {
      const writerNonce = crypto.randomBytes(16);
      const docId = deriveDocId(crypto, { tenantId, dbId: into, keyId, author, writerNonce, docCounter: 1 });
      const commit = await sealCommit(crypto, {
        tenantId,
        dbId: into,
        author,
        signingKey: pair.privateKey,
        writerNonce,
        writerSeq: 1,
        predecessors,
        directoryHead,
        createdAtMs: 1,
        entries: [
          {
            entryType: "doc_create",
            docId,
            dependencies: [],
            key,
            docCounter: 1,
            plaintext: crypto.randomBytes(Math.min(plaintextBytes, 65_536)),
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
    withLock: createLocks(),
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

/** The locks of a browser: one holder at a time for all who share them, in the order in which they asked, thieves first. */
export function createLocks(): Env["withLock"] {
  const robbing = new Map<string, () => void>();
  const lines = new Map<string, (() => void)[]>();
  return (name, { ifAvailable, signal, steal }, run) =>
    new Promise((resolve, reject) => {
      const line = lines.get(name) ?? [];
      lines.set(name, line);
      const refuse = (): void => reject(new DOMException("not held", "AbortError"));
      const grant = (): void => {
        signal?.removeEventListener("abort", leave);
        robbing.set(name, refuse);
        const end = (): void => {
          if (robbing.get(name) !== refuse) return;
          robbing.delete(name);
          line.shift()?.();
        };
        Promise.resolve().then(run).finally(end).then(resolve, reject);
      };
      const leave = (): void => {
        line.splice(line.indexOf(grant), 1);
        refuse();
      };
      if (signal?.aborted === true) return refuse();
      if (steal === true) robbing.get(name)?.();
      if (steal === true || !robbing.has(name)) return grant();
      if (ifAvailable === true) return resolve(undefined);
      line.push(grant);
      signal?.addEventListener("abort", leave);
    });
}

/** A thread that can be frozen. */
export interface FreezableThread {
  readonly env: Env;
  readonly storage: Storage;
  freeze(): void;
  thaw(): void;
}

/** A thread of a world; while it is frozen no timer, message, answer of a store or news of a lock reaches it. */
export function createFreezable(world: Env, storage: Storage): FreezableThread {
  let gate = Promise.resolve();
  let open: () => void = () => undefined;
  let isFrozen = false;
  const later = (run: () => void): void => (isFrozen ? void gate.then(run) : run());
  const pass = async <T>(work: () => Promise<T>): Promise<T> => {
    await gate;
    try {
      return await work();
    } finally {
      await gate;
    }
  };
  const storeOf = (store: Store): Store =>
    new Proxy(store, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== "function") return member;
        const call = (...given: unknown[]): unknown => Reflect.apply(member, target, given) as unknown;
        if (name === "onWrite")
          return (listener: (event: unknown) => void) =>
            call((event: unknown) => later(() => listener(event)));
        return name === "close" || name === "onDamage" || name === "readRecent"
          ? call
          : (...given: unknown[]) => pass(async () => call(...given));
      },
    });
  return {
    env: {
      ...world,
      setTimer: (afterMs, run) => world.setTimer(afterMs, () => later(run)),
      withLock: (name, options, run) =>
        pass(async () => world.withLock(name, options, async () => (await gate, run()))),
      openChannel(name) {
        const channel = world.openChannel(name);
        return {
          ...channel,
          onMessage: (listener) => channel.onMessage((message) => later(() => listener(message))),
        };
      },
    },
    storage: { ...storage, openStore: async (name) => storeOf(await storage.openStore(name)) },
    freeze() {
      isFrozen = true;
      gate = new Promise((resolve) => {
        open = resolve;
      });
    },
    thaw() {
      isFrozen = false;
      open();
    },
  };
}
