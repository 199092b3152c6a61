/**
 * Runs sync of one tenant with one server: in the worker for as long as it is connected, in the service worker for one cycle.
 *
 * One Web Lock for each (store, server) is held by whoever talks to the network; a runner that waits takes over when the
 * holder is gone. Meanwhile it shows the holder's status, and passes a wish to sync on to it.
 */
import {
  bytesToHex,
  CofferError,
  isErrorCode,
  type Channel,
  type CofferErrorCode,
  type Release,
} from "../std/index.ts";
import {
  Conversation,
  type ConversationListener,
  type ConversationOptions,
  type LinkProgress,
} from "./conversation.ts";
import type { SyncAlarm } from "./engine-types.ts";

/** What a runner works with. */
export type RunnerOptions = Omit<ConversationOptions, "mode"> & Omit<ConversationListener, "onCycleEnded">;

/** A link to a server that is kept up. */
export interface Runner {
  readonly status: LinkProgress;
  /**
   * Run one full cycle now, here or in the runner that holds the network; resolves when nothing is left.
   *
   * @throws the code that stopped the cycle
   */
  sync(): Promise<void>;
  /** Ends the conversation and lets the next runner take over. */
  stop(): Promise<void>;
}

/** How one cycle ended. */
export interface OnceSummary {
  /** `undefined`: nothing is left */
  readonly code: CofferErrorCode | undefined;
  readonly status: LinkProgress;
  readonly alarms: readonly SyncAlarm[];
}

const holderTimeoutMs = 60_000;
const askOnlineMs = 2000;
const idleStatus: LinkProgress = {
  phase: "offline",
  pendingPush: 0,
  pendingPull: 0,
  verifiedCompleteAtMs: undefined,
  error: undefined,
  sentBytes: 0,
  receivedBytes: 0,
};

/** The store is named, not the tenant: a tenant may stand in several stores of one origin, and each is synced for itself. */
const lockName = ({ store, transport }: RunnerOptions): string =>
  `coffer-sync/${store.name}/${transport.http.origin}`;

/** What runners of one link say to each other. */
type ChannelMessage =
  | { readonly kind: "status"; readonly status: LinkProgress }
  /** a new one wants to know the status, which may not change for long */
  | { readonly kind: "ask" }
  | { readonly kind: "sync"; readonly id: string }
  | { readonly kind: "synced"; readonly id: string; readonly code: CofferErrorCode | undefined };

/** Start to keep a link up. */
export function startRunner(options: RunnerOptions): Runner {
  const { env } = options;
  const channel = env.openChannel(lockName(options));
  const abort = new AbortController();
  const waiters = new Set<(code: CofferErrorCode | undefined) => void>();
  let conversation: Conversation | undefined;
  let shown = idleStatus;

  const show = (status: LinkProgress): void => {
    shown = status;
    options.onStatus?.(status);
  };
  const endWaiting = (code: CofferErrorCode | undefined): void => {
    const ended = [...waiters];
    waiters.clear();
    for (const end of ended) end(code);
  };
  const hold = async (): Promise<void> => {
    if (abort.signal.aborted) return;
    const onStatus = (status: LinkProgress): void => {
      show(status);
      channel.post({ kind: "status", status } satisfies ChannelMessage);
    };
    const held = new Conversation(
      { ...options, mode: "live" },
      { ...options, onStatus, onCycleEnded: endWaiting },
    );
    const stopListening = followWorld(options, held);
    conversation = held;
    held.tell({ kind: "start" });
    if (waiters.size > 0) held.tell({ kind: "sync" });
    await new Promise<void>((resolve) =>
      abort.signal.addEventListener("abort", () => resolve(), { once: true }),
    );
    stopListening();
    held.tell({ kind: "stop" });
    await held.settled();
    conversation = undefined;
  };
  const syncHere = (held: Conversation): Promise<CofferErrorCode | undefined> =>
    new Promise((resolve) => {
      waiters.add(resolve);
      held.tell({ kind: "sync" });
    });
  channel.onMessage(onMessage(channel, show, () => conversation, syncHere));
  channel.post({ kind: "ask" } satisfies ChannelMessage);
  const lock = env.withLock(lockName(options), { signal: abort.signal }, hold).catch((error: unknown) => {
    if (!abort.signal.aborted) throw error;
  });
  return {
    get status() {
      return shown;
    },
    async sync() {
      if (abort.signal.aborted) throw new CofferError("aborted");
      const code =
        conversation === undefined
          ? await syncElsewhere(options, channel, waiters)
          : await syncHere(conversation);
      if (code !== undefined) throw new CofferError(code);
    },
    async stop() {
      abort.abort();
      await lock;
      endWaiting("aborted");
      channel.close();
    },
  };
}

/** What a runner does with what another one says: show its status while it holds, sync for it while this one does. */
function onMessage(
  channel: Channel,
  show: (status: LinkProgress) => void,
  held: () => Conversation | undefined,
  sync: (conversation: Conversation) => Promise<CofferErrorCode | undefined>,
): (message: unknown) => void {
  return (message) => {
    if (!isChannelMessage(message)) return;
    const conversation = held();
    if (message.kind === "status" && conversation === undefined) show(message.status);
    if (message.kind === "ask" && conversation !== undefined)
      channel.post({ kind: "status", status: conversation.status } satisfies ChannelMessage);
    if (message.kind !== "sync" || conversation === undefined) return;
    const { id } = message;
    void sync(conversation).then((code) =>
      channel.post({ kind: "synced", id, code } satisfies ChannelMessage),
    );
  };
}

/**
 * Tell a conversation what the store and the device say. A browser does not always tell a worker that the network is back, so while it
 * is away the device is asked again and again.
 */
function followWorld({ env, store }: RunnerOptions, conversation: Conversation): Release {
  let stopAsking: Release = () => undefined;
  const tell = (isOnline: boolean): void => {
    conversation.tell({ kind: "online", isOnline });
    stopAsking();
    stopAsking = isOnline ? () => undefined : env.setTimer(askOnlineMs, ask);
  };
  const ask = (): void => {
    if (env.isOnline()) tell(true);
    else stopAsking = env.setTimer(askOnlineMs, ask);
  };
  tell(env.isOnline());
  const releases = [
    env.onOnlineChange(tell),
    store.onWrite(({ lastPosition }) => conversation.tell({ kind: "appended", lastPosition })),
  ];
  return () => {
    stopAsking();
    for (const release of releases) release();
  };
}

/** Ask the holder of the lock; or, should it go, take part in the first cycle of this runner. */
function syncElsewhere(
  { env, crypto }: RunnerOptions,
  channel: Channel,
  waiters: Set<(code: CofferErrorCode | undefined) => void>,
): Promise<CofferErrorCode | undefined> {
  return new Promise((resolve) => {
    const id = bytesToHex(crypto.randomBytes(8));
    const end = (code: CofferErrorCode | undefined): void => {
      waiters.delete(end);
      stopListening();
      stopTimer();
      resolve(code);
    };
    const stopListening = channel.onMessage((message) => {
      if (isChannelMessage(message) && message.kind === "synced" && message.id === id) end(message.code);
    });
    const stopTimer = env.setTimer(holderTimeoutMs, () => end("net/timeout"));
    waiters.add(end);
    channel.post({ kind: "sync", id } satisfies ChannelMessage);
  });
}

/** Other threads of the origin run the same code; an older or newer one may say something else. */
function isChannelMessage(message: unknown): message is ChannelMessage {
  if (typeof message !== "object" || message === null || !("kind" in message)) return false;
  if (message.kind === "status")
    return "status" in message && typeof message.status === "object" && message.status !== null;
  if (message.kind === "ask") return true;
  if (!("id" in message) || typeof message.id !== "string") return false;
  if (message.kind === "sync") return true;
  return (
    message.kind === "synced" &&
    (!("code" in message) || message.code === undefined || isErrorCode(message.code))
  );
}

/**
 * Run one full cycle: push and pull until nothing is left, or until something stops it. Never throws for what the network
 * or the store does; the summary says it.
 *
 * @returns "busy" when another thread holds the link
 */
export async function runOnce(
  options: RunnerOptions & { readonly signal?: AbortSignal },
): Promise<OnceSummary | "busy"> {
  const { env, signal } = options;
  const summary = await env.withLock(
    lockName(options),
    { ifAvailable: true },
    async (): Promise<OnceSummary> => {
      const alarms: SyncAlarm[] = [];
      const onAlarm = (alarm: SyncAlarm): void => {
        alarms.push(alarm);
        options.onAlarm?.(alarm);
      };
      let end: (code: CofferErrorCode | undefined) => void = () => undefined;
      const ended = new Promise<CofferErrorCode | undefined>((resolve) => {
        end = resolve;
      });
      const conversation = new Conversation(
        { ...options, mode: "once" },
        { ...options, onAlarm, onCycleEnded: end },
      );
      const stopListening = followWorld(options, conversation);
      const abort = (): void => end("aborted");
      signal?.addEventListener("abort", abort);
      conversation.tell({ kind: signal?.aborted === true ? "stop" : "start" });
      if (signal?.aborted === true) end("aborted");
      const code = await ended;
      const { status } = conversation;
      signal?.removeEventListener("abort", abort);
      stopListening();
      conversation.tell({ kind: "stop" });
      await conversation.settled();
      return { code, status, alarms };
    },
  );
  return summary ?? "busy";
}
