/**
 * Runs sync of one tenant with one server: in the worker for as long as it is connected, in the service worker for one cycle.
 *
 * One Web Lock for each (store, server) is held by whoever talks to the network; a runner that waits takes over when the
 * holder is gone or frozen, see link-lock.ts. Meanwhile it shows the holder's status, and passes a wish to sync on to it.
 */
import { bytesToHex, CofferError, type Channel, type CofferErrorCode, type Release } from "../std/index.ts";
import { Conversation } from "./conversation.ts";
import type {
  ConversationListener,
  ConversationOptions,
  LinkProgress,
  Whisper,
} from "./conversation-types.ts";
import type { SyncAlarm } from "./engine-types.ts";
import { borrowLink, keepLink, onLinkMessage, tellLink, type LinkMessage } from "./link-lock.ts";

/** What a runner works with. */
export type RunnerOptions = Omit<ConversationOptions, "mode" | "lost"> &
  Omit<ConversationListener, "onCycleEnded">;

/** A link to a server that is kept up. */
export interface Runner {
  readonly status: LinkProgress;
  /**
   * Run one full cycle now, here or in the runner that holds the network; resolves when nothing is left.
   *
   * @throws the code that stopped the cycle
   */
  sync(): Promise<void>;
  /** Whisper to who listens at the server, and to the other threads of this link; without a live connection, to those only. */
  whisper(whisper: Whisper): void;
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

/** Who waits for the end of a cycle. */
type Waiters = Set<(code: CofferErrorCode | undefined) => void>;

function endWaiting(waiters: Waiters, code: CofferErrorCode | undefined): void {
  const ended = [...waiters];
  waiters.clear();
  for (const end of ended) end(code);
}

/** What was asked of a runner that was robbed is asked of the one that holds now. */
function passOn(options: RunnerOptions, channel: Channel, waiters: Waiters): void {
  if (waiters.size === 0) return;
  const moved: Waiters = new Set(waiters);
  waiters.clear();
  void syncElsewhere(options, channel, waiters).then((code) => endWaiting(moved, code));
}

/** Start to keep a link up. */
export function startRunner(options: RunnerOptions): Runner {
  const { env } = options;
  const channel = env.openChannel(lockName(options));
  const abort = new AbortController();
  const waiters: Waiters = new Set();
  let conversation: Conversation | undefined;
  let shown = idleStatus;

  const show = (status: LinkProgress): void => {
    shown = status;
    options.onStatus?.(status);
  };
  const hold = async (lost: AbortSignal): Promise<void> => {
    const onStatus = (status: LinkProgress): void => {
      if (lost.aborted) return;
      show(status);
      tellLink(channel, { kind: "status", status });
    };
    const onCycleEnded = (code: CofferErrorCode | undefined): void => {
      if (!lost.aborted) endWaiting(waiters, code);
    };
    const onWhisper = (whisper: Whisper): void => passWhisperOn(options, channel, whisper);
    const listener = { ...options, onStatus, onCycleEnded, onWhisper };
    const held = new Conversation({ ...options, mode: "live", lost }, listener);
    const stopListening = followWorld(options, held);
    conversation = held;
    // At once: others who have found the last holder silent are to hear of this one.
    tellLink(channel, { kind: "status", status: held.status });
    held.tell({ kind: "start" });
    if (waiters.size > 0) held.tell({ kind: "sync" });
    await untilAborted(abort.signal, lost);
    stopListening();
    if (lost.aborted) conversation = undefined;
    held.tell({ kind: "stop" });
    await held.settled();
    conversation = undefined;
    if (lost.aborted) passOn(options, channel, waiters);
  };
  const syncHere = (held: Conversation): Promise<CofferErrorCode | undefined> =>
    new Promise((resolve) => {
      // A cycle that ends before the wish is heard is none that was asked for.
      held.tell({ kind: "sync" }, () => waiters.add(resolve));
    });
  const held = (): Conversation | undefined => conversation;
  onLinkMessage(channel, onMessage(channel, show, held, syncHere));
  onLinkMessage(channel, onWhispered(options, held));
  const kept = keepLink({ env, name: lockName(options), channel }, abort.signal, hold);
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
    whisper(whisper) {
      if (!abort.signal.aborted) say(channel, conversation, whisper);
    },
    async stop() {
      abort.abort();
      await kept;
      endWaiting(waiters, "aborted");
      channel.close();
    },
  };
}

/** Say it at the server, here or through who holds, and to the other threads. */
function say(channel: Channel, held: Conversation | undefined, { dbId, sealed }: Whisper): void {
  held?.whisper({ dbId, sealed });
  tellLink(channel, { kind: "whisper", dbId, sealed, isOut: held === undefined });
}

/** What came from the server is for every thread of the link. */
function passWhisperOn(options: RunnerOptions, channel: Channel, { dbId, sealed }: Whisper): void {
  options.onWhisper?.({ dbId, sealed });
  tellLink(channel, { kind: "whisper", dbId, sealed, isOut: false });
}

/** What another thread of the link whispers is heard here, and taken to the server by who holds. */
function onWhispered(
  options: RunnerOptions,
  held: () => Conversation | undefined,
): (message: LinkMessage) => void {
  return (message) => {
    if (message.kind !== "whisper") return;
    const { dbId, sealed, isOut } = message;
    if (isOut) held()?.whisper({ dbId, sealed });
    options.onWhisper?.({ dbId, sealed });
  };
}

/** What a runner does with what another one says: show its status while it holds, sync for it while this one does. */
function onMessage(
  channel: Channel,
  show: (status: LinkProgress) => void,
  held: () => Conversation | undefined,
  sync: (conversation: Conversation) => Promise<CofferErrorCode | undefined>,
): (message: LinkMessage) => void {
  return (message) => {
    const conversation = held();
    if (message.kind === "status" && conversation === undefined) show(message.status);
    if (message.kind === "ask" && conversation !== undefined)
      tellLink(channel, { kind: "status", status: conversation.status });
    if (message.kind !== "sync" || conversation === undefined) return;
    const { id } = message;
    void sync(conversation).then((code) => tellLink(channel, { kind: "synced", id, code }));
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
  waiters: Waiters,
): Promise<CofferErrorCode | undefined> {
  return new Promise((resolve) => {
    const id = bytesToHex(crypto.randomBytes(8));
    const end = (code: CofferErrorCode | undefined): void => {
      waiters.delete(end);
      stopListening();
      stopTimer();
      resolve(code);
    };
    const stopListening = onLinkMessage(channel, (message) => {
      if (message.kind === "synced" && message.id === id) end(message.code);
    });
    const stopTimer = env.setTimer(holderTimeoutMs, () => end("net/timeout"));
    waiters.add(end);
    tellLink(channel, { kind: "sync", id });
  });
}

const untilAborted = (...signals: readonly AbortSignal[]): Promise<void> =>
  new Promise((resolve) => {
    if (signals.some(({ aborted }) => aborted)) resolve();
    for (const signal of signals) signal.addEventListener("abort", () => resolve(), { once: true });
  });

/**
 * Run one full cycle: push and pull until nothing is left, or until something stops it. Never throws for what the network
 * or the store does; the summary says it.
 *
 * @returns "busy" when another thread holds the link, and lives
 */
export async function runOnce(
  options: RunnerOptions & { readonly signal?: AbortSignal },
): Promise<OnceSummary | "busy"> {
  const { env } = options;
  const name = lockName(options);
  const channel = env.openChannel(name);
  let summary: OnceSummary | "busy" = "busy";
  try {
    await borrowLink({ env, name, channel }, async (lost) => {
      summary = await runCycle(options, channel, lost);
    });
    return summary;
  } finally {
    channel.close();
  }
}

async function runCycle(
  options: RunnerOptions & { readonly signal?: AbortSignal },
  channel: Channel,
  lost: AbortSignal,
): Promise<OnceSummary> {
  const stops = options.signal === undefined ? [lost] : [lost, options.signal];
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
    { ...options, mode: "once", lost },
    { ...options, onAlarm, onCycleEnded: end },
  );
  const stopListening = followWorld(options, conversation);
  const stopAnswering = onLinkMessage(channel, ({ kind }) => {
    if (kind === "ask") tellLink(channel, { kind: "status", status: conversation.status });
  });
  const abort = (): void => end("aborted");
  for (const stop of stops) stop.addEventListener("abort", abort);
  const isStopped = stops.some(({ aborted }) => aborted);
  conversation.tell({ kind: isStopped ? "stop" : "start" });
  if (isStopped) end("aborted");
  const code = await ended;
  const { status } = conversation;
  for (const stop of stops) stop.removeEventListener("abort", abort);
  stopListening();
  conversation.tell({ kind: "stop" });
  await conversation.settled();
  stopAnswering();
  return { code, status, alarms };
}
