/**
 * Performs what the engine decides, against a store, a transport and the world outside. Events are taken one at a time, in
 * the order they happened; what must be finished first (store, load, audit) is awaited before the next one is looked at.
 */
import {
  assert,
  CofferError,
  copyBytes,
  equalBytes,
  parseBase64url,
  parseHex,
  toCofferError,
  type Release,
} from "../std/index.ts";
import { directoryDbId } from "../entry/index.ts";
import { authenticate, userKeyOf } from "./auth.ts";
import type {
  ConversationListener,
  ConversationOptions,
  LinkProgress,
  Whisper,
} from "./conversation-types.ts";
import { createDeviceSets, findUnproven, type DeviceSets } from "./device-sets.ts";
import { createEngineState, step } from "./engine.ts";
import type { Effect, EngineEvent, EngineState, TimerName } from "./engine-types.ts";
import { createFrameReader, decodeFrames, encodeFrames } from "./frames.ts";
import { judgeFrame } from "./judge-frame.ts";
import { createLocalLog, type LocalLog } from "./local-log.ts";
import { protocolVersion, type Frame } from "./messages.ts";
import { encodeStates, parseDatabaseStates, parseOutbox, remoteSlotNames } from "./remote-slots.ts";
import { repairFrom } from "./repair-from.ts";
import type { LiveConnection } from "./transport.ts";
import { statusOf } from "./turn.ts";

type EffectOf<Kind extends Effect["kind"]> = Extract<Effect, { kind: Kind }>;
/** An event without its time, which is read when its turn comes. */
type Happening = EngineEvent extends infer One
  ? One extends EngineEvent
    ? Omit<One, "nowMs">
    : never
  : never;
type Queued = Happening | { readonly kind: "received"; readonly session: number; readonly frame: Frame };

/** Effects that belong to the conversation they were decided in; after a failure the rest of them is dropped. */
const boundEffects: ReadonlySet<Effect["kind"]> = new Set([
  "load",
  "store",
  "read-outbox",
  "audit",
  "exchange",
  "repair",
  "send",
  "open-live",
]);

/** One conversation with one server, from start to stop. */
export class Conversation {
  readonly #options: ConversationOptions;
  readonly #listener: ConversationListener;
  readonly #log: LocalLog & { readonly sets: DeviceSets };
  readonly #logEpoch: Uint8Array;
  readonly #slotNames: ReturnType<typeof remoteSlotNames>;
  readonly #slots = new Map<string, { version: number; value: Uint8Array }>();
  readonly #timers = new Map<TimerName, Release>();
  readonly #queue: { readonly what: Queued; readonly onTaken?: (() => void) | undefined }[] = [];
  #state: EngineState;
  #pumping: Promise<void> | undefined;
  #network: { readonly abort: AbortController; connection?: LiveConnection } | undefined;
  readonly #moved = { serverKey: new Uint8Array(0), canRepair: false, sentBytes: 0, receivedBytes: 0 };

  constructor(options: ConversationOptions, listener: ConversationListener) {
    const { crypto, mode, signer, store, tenantId, transport } = options;
    const remoteId = transport.http.origin;
    const logEpoch = parseHex(store.logEpoch);
    assert(logEpoch?.length === 16, "S6: a log's epoch has 16 bytes");
    this.#options = options;
    this.#listener = listener;
    const log = createLocalLog(crypto, store, { remoteId, userKey: userKeyOf(signer) });
    this.#log = { ...log, sets: createDeviceSets(store, tenantId) };
    this.#logEpoch = logEpoch;
    this.#slotNames = remoteSlotNames(remoteId);
    const hasLive = transport.live !== undefined;
    this.#state = createEngineState({
      replicaId: logEpoch,
      directoryDbId: directoryDbId(crypto, tenantId),
      mode,
      hasLive,
    });
  }

  /** The status as it is now. */
  get status(): LinkProgress {
    const { sentBytes, receivedBytes } = this.#moved;
    return { ...statusOf(this.#state), sentBytes, receivedBytes };
  }

  /** Let something happen; it is taken after what happened before it, and `onTaken` is called then. */
  tell(happening: Happening, onTaken?: () => void): void {
    this.#enqueue(happening, onTaken);
  }

  /** Resolves when everything that happened so far has been taken. */
  async settled(): Promise<void> {
    while (this.#pumping !== undefined) await this.#pumping;
  }

  #enqueue(what: Queued, onTaken?: () => void): void {
    this.#queue.push({ what, onTaken });
    this.#pumping ??= this.#pump();
  }

  /** A bug, here or in a listener: nothing of this conversation goes on, and its owner is told. */
  #break(error: unknown): void {
    for (const { onTaken } of this.#queue.splice(0)) onTaken?.();
    this.#disconnect();
    for (const name of this.#timers.keys()) this.#clearTimer(name);
    this.#listener.onCycleEnded(toCofferError(error, "worker/failed").code);
  }

  async #pump(): Promise<void> {
    await Promise.resolve();
    try {
      for (let first = this.#queue.shift(); first !== undefined; first = this.#queue.shift()) {
        const { what: next, onTaken } = first;
        onTaken?.();
        if (next.kind !== "received") await this.#take(next);
        else if (next.session === this.#state.session) {
          const { crypto, lacking, tenantId } = this.#options;
          const { serverKey } = this.#moved;
          const context = { tenantId, serverKey, lacking, log: this.#log, state: this.#state };
          await this.#take({
            kind: "frame",
            session: next.session,
            frame: await judgeFrame(crypto, context, next.frame),
          });
        }
      }
    } catch (error) {
      this.#break(error);
    } finally {
      // In the same turn in which the queue was seen empty, so that nothing is queued and left lying.
      this.#pumping = undefined;
    }
  }

  async #take(happening: Happening): Promise<void> {
    const event: EngineEvent = { ...happening, nowMs: this.#options.env.nowMs() };
    const { state, effects } = step(this.#options.crypto, this.#state, event);
    this.#state = state;
    for (const effect of effects) {
      const isOver = this.#options.lost.aborted || this.#state.session !== state.session;
      if (boundEffects.has(effect.kind) && isOver) continue;
      const answer = await this.#perform(effect);
      if (answer !== undefined) await this.#take(answer);
    }
  }

  async #perform(effect: Effect): Promise<Happening | undefined> {
    switch (effect.kind) {
      case "load":
        return guard(() => this.#load());
      case "store":
        return guard(() => this.#write(effect));
      case "read-outbox":
        return guard(async () => ({ kind: "outbox", ...(await this.#log.readOutbox(effect)) }));
      case "audit":
        return guard(async () => ({
          kind: "audited",
          dbId: effect.dbId,
          missing: await this.#log.findMissing(effect),
        }));
      case "authenticate":
        this.#inBackground(effect.session, (signal) => this.#authenticate(effect.session, signal));
        return undefined;
      case "exchange":
        this.#inBackground(effect.session, (signal) => this.#exchange(effect, signal));
        return undefined;
      case "repair":
        this.#inBackground(effect.session, async (signal) => {
          const own = { log: this.#log, sets: this.#log.sets, replicaId: this.#logEpoch, moved: this.#moved };
          this.#enqueue(await repairFrom({ ...this.#options, ...own }, effect, signal));
        });
        return undefined;
      case "open-live":
        this.#inBackground(effect.session, (signal) => this.#openLive(effect.session, signal));
        return undefined;
      case "send":
        this.#send(effect.frames);
        return undefined;
      case "disconnect":
        this.#disconnect();
        return undefined;
      case "set-timer":
        this.#setTimer(effect);
        return undefined;
      case "clear-timer":
        this.#clearTimer(effect.name);
        return undefined;
      case "quarantine":
        this.#listener.onRefused?.(effect);
        return undefined;
      case "alarm":
        this.#listener.onAlarm?.(effect.alarm);
        return undefined;
      case "status":
        this.#listener.onStatus?.(this.status);
        this.#listener.onProven?.([], this.#state.verifiedCompleteAtMs);
        return undefined;
      case "cycle-ended":
        this.#listener.onCycleEnded(effect.code);
        return undefined;
    }
  }

  async #load(): Promise<Happening> {
    const { store } = this.#options;
    const { prefix, outbox, server, databasePrefix } = this.#slotNames;
    this.#slots.clear();
    for (const { name, version, value } of await store.readSlots(prefix)) {
      this.#slots.set(name, { version, value: value instanceof Uint8Array ? value : new Uint8Array(0) });
    }
    const lastPosition = await store.lastPosition();
    const databases = parseDatabaseStates(this.#slots, databasePrefix, this.#logEpoch);
    this.#listener.onProven?.(databases);
    const stored = parseOutbox(this.#slots.get(outbox)?.value ?? new Uint8Array(0), this.#logEpoch);
    const isUsable = stored !== undefined && stored.position <= lastPosition;
    this.#moved.serverKey = copyBytes(this.#slots.get(server)?.value ?? this.#moved.serverKey);
    const fresh = { position: 0, everythingThrough: 0, refused: stored?.refused ?? [] };
    const outboxNow = await this.#log.skipReceived(isUsable ? stored : fresh);
    const keptCount = [...this.#slots.keys()].filter((name) => name.startsWith(databasePrefix)).length;
    const unproven = lastPosition > 0 ? await findUnproven(this.#log.sets, databases, keptCount) : [];
    const lacking = [...new Set(this.#options.lacking?.().map(({ dbId }) => dbId))];
    return { kind: "loaded", databases, outbox: outboxNow, lastPosition, unproven, lacking };
  }

  async #write({ records, databases, outbox, confirmed = [] }: EffectOf<"store">): Promise<Happening> {
    const { store, transport } = this.#options;
    const values = encodeStates(this.#slotNames, { databases, outbox }, this.#logEpoch);
    const slots = [...values].flatMap(([name, value]) => {
      const before = this.#slots.get(name);
      const isSame = before !== undefined && equalBytes(before.value, value);
      return isSame ? [] : [{ name, value, expectedVersion: before?.version ?? 0 }];
    });
    const origin = transport.http.origin;
    const result = await store.write({ records: records.map((record) => ({ ...record, origin })), slots });
    if (result.kind === "conflict")
      throw new CofferError("store/failed", { reason: "conflict", slot: result.slotName });
    for (const { name, value, expectedVersion } of slots)
      this.#slots.set(name, { version: expectedVersion + 1, value });
    for (const [index, { commitHash }] of records.entries())
      this.#log.note(commitHash, result.positions[index] ?? 0);
    this.#listener.onProven?.(databases);
    for (const database of databases) this.#log.confirm(database, confirmed);
    return { kind: "stored", positions: result.positions };
  }

  /** Run network work of one session; its failure becomes an event, unless the session is over. */
  #inBackground(session: number, run: (signal: AbortSignal) => Promise<void>): void {
    const network = { abort: new AbortController() };
    this.#network = network;
    run(network.abort.signal).catch((cause: unknown) => {
      const error = toCofferError(cause, "net/failed");
      const retryAfterMs =
        typeof error.details["retryAfterMs"] === "number" ? error.details["retryAfterMs"] : 0;
      const { wipe } = error.details;
      const said = typeof wipe === "string" ? parseBase64url(wipe) : undefined;
      if (said !== undefined && error.code === "access/revoked") this.#listener.onWipe?.(said);
      this.#enqueue({ kind: "failed", session, code: error.code, retryAfterMs });
    });
  }

  #disconnect(): void {
    this.#network?.abort.abort();
    this.#network?.connection?.close();
    this.#network = undefined;
  }

  async #authenticate(session: number, signal: AbortSignal): Promise<void> {
    const { crypto, signer, tenantId, transport } = this.#options;
    const serverKey = await this.#readServerKey(signal);
    const { token } = await authenticate(transport.http, crypto, signer, { tenantId, serverKey, signal });
    const { canRepair } = this.#moved;
    this.#enqueue({ kind: "authenticated", session, token, canRepair });
  }

  /** The server's key: as it was first seen, for ever. Another one is another server. */
  async #readServerKey(signal: AbortSignal): Promise<Uint8Array> {
    const { store, transport } = this.#options;
    const capabilities = await transport.http.readCapabilities(signal);
    if (capabilities.protocolVersion !== protocolVersion) {
      throw new CofferError("protocol/version", {
        theirs: capabilities.protocolVersion,
        ours: protocolVersion,
      });
    }
    this.#moved.canRepair = capabilities.capabilities.leaves && capabilities.capabilities.reconcile;
    const serverKey = parseBase64url(capabilities.serverKey);
    if (serverKey?.length !== 32) throw new CofferError("protocol/malformed", { field: "serverKey" });
    if (this.#moved.serverKey.length === 32) {
      if (!equalBytes(this.#moved.serverKey, serverKey))
        throw new CofferError("access/denied", { reason: "server key" });
    } else {
      await store.write({ slots: [{ name: this.#slotNames.server, value: serverKey }] });
      this.#moved.serverKey = serverKey;
    }
    return serverKey;
  }

  async #exchange({ session, token, frames }: EffectOf<"exchange">, signal: AbortSignal): Promise<void> {
    const { tenantId, transport } = this.#options;
    const body = encodeFrames(frames);
    const reader = createFrameReader();
    let hasEnded = false;
    this.#moved.sentBytes += body.length;
    const onChunk = (chunk: Uint8Array): void => {
      this.#moved.receivedBytes += chunk.length;
      reader.push(chunk);
      for (let verdict = reader.next(); verdict.kind !== "needs-more"; verdict = reader.next()) {
        if (verdict.kind === "malformed")
          throw new CofferError("protocol/malformed", { reason: verdict.reason });
        // Frames of three bytes, poured out for as long as an answer may be, would keep this thread busy for minutes.
        if (hasEnded) throw new CofferError("protocol/malformed", { reason: "after the end" });
        hasEnded = verdict.frame.type === "end";
        this.#enqueue({ kind: "received", session, frame: verdict.frame });
      }
    };
    await transport.http.exchange({ tenantId, token, body, onChunk, signal });
    this.#enqueue({ kind: "answered", session });
  }

  async #openLive(session: number, signal: AbortSignal): Promise<void> {
    const { tenantId, transport } = this.#options;
    const network = this.#network;
    if (transport.live === undefined || network === undefined) throw new CofferError("net/failed");
    const onMessage = (message: Uint8Array): void => {
      this.#moved.receivedBytes += message.length;
      const frames = decodeFrames(message);
      if (frames === undefined) this.#enqueue({ kind: "frame", session, frame: { type: "unexpected" } });
      for (const frame of frames ?? []) {
        // What is whispered has no place in the order of events.
        if (frame.type !== "whisper") this.#enqueue({ kind: "received", session, frame });
        else if (session === this.#state.session) this.#listener.onWhisper?.(frame);
      }
    };
    const onClose = (): void =>
      this.#enqueue({ kind: "failed", session, code: "net/failed", retryAfterMs: 0 });
    const onNews = (): void => this.#enqueue({ kind: "sync" });
    const connection = await transport.live.open(tenantId, { onMessage, onClose, onNews }, signal);
    if (signal.aborted) return connection.close();
    network.connection = connection;
    this.#enqueue({ kind: "opened", session });
  }

  /** Whisper to who listens to this tenant at the server, if there is a live connection. */
  whisper(whisper: Whisper): void {
    if (this.#state.link === "live") this.#send([{ type: "whisper", ...whisper }]);
  }

  #send(frames: readonly Frame[]): void {
    // One message each, so that no message is larger than a frame.
    for (const frame of frames) {
      const message = encodeFrames([frame]);
      this.#moved.sentBytes += message.length;
      this.#network?.connection?.send(message);
    }
  }

  #setTimer({ name, minMs, spreadMs }: EffectOf<"set-timer">): void {
    const { env } = this.#options;
    this.#clearTimer(name);
    const afterMs = minMs + env.randomFraction() * spreadMs;
    this.#timers.set(
      name,
      env.setTimer(afterMs, () => this.#enqueue({ kind: "timer", name })),
    );
  }

  #clearTimer(name: TimerName): void {
    this.#timers.get(name)?.();
    this.#timers.delete(name);
  }
}

async function guard(run: () => Promise<Happening>): Promise<Happening> {
  try {
    return await run();
  } catch (error) {
    return { kind: "store-failed", code: toCofferError(error, "store/failed").code };
  }
}
