/**
 * Who is here, for the pages of this worker: says what they show of themselves, and listens to the others.
 *
 * ```
 * page ─ state ─► room ─ at most every 100 ms, again every 15 s ─► links ─► server, other tabs
 * page ◄ peers ── room ◄─ new? of a member? verified? ─────────── links ◄─ server, other tabs
 * ```
 *
 * Every handle of a page is a presence of its own, with a voice of its own: two tabs of a user are two, and an application that shows
 * people rather than tabs puts them together by `user`. Only who shows a state is seen; who came to look asks once, and is answered.
 * Nothing is sent while nobody opened one. What is said travels with the links of the tenant; without any there is nobody.
 */
import { bytesToHex, isCofferError, type AuthorKey, type Env, type Release } from "../std/index.ts";
import { isMember, userOf } from "../directory/index.ts";
import { openWhisper, readWhisperHeader, Roster, sealWhisper, type Saying } from "../presence/index.ts";
import type { Whisper } from "../sync/index.ts";
import type { WorkerEvent } from "../../worker/api.ts";
import type { DatabaseSession } from "./database.ts";
import { keyNames, type TenantCore } from "./core.ts";

const sayEveryMs = 100;
const beatEveryMs = 15_000;
/** so that not everybody answers in the same moment */
const answerWithinMs = 300;
const tellEveryMs = 30;
/** whispers of one sender that are looked at in one second */
const heardPerSecond = 40;
/** whispers that are being verified at once; more are not heard */
const maxOpening = 64;

/** What presences need of their tenant. */
export interface PresenceHooks {
  readonly emit: (event: WorkerEvent) => void;
  /** Say something on all links. */
  readonly say: (whisper: Whisper) => void;
}

/** The presences of one tenant, by the numbers the page chose. */
export class Presences {
  readonly #core: TenantCore;
  readonly #hooks: PresenceHooks;
  readonly #rooms = new Map<number, PresenceRoom>();
  /** what was open when the keys went, and what it says of itself */
  readonly #away = new Map<number, { readonly dbId: DatabaseSession["dbId"]; state: unknown }>();

  constructor(core: TenantCore, hooks: PresenceHooks) {
    this.#core = core;
    this.#hooks = hooks;
  }

  /** Begin to listen in a database. */
  open(subscription: number, { dbId }: Pick<DatabaseSession, "dbId">): void {
    this.close(subscription);
    const say = (whisper: Whisper): void => {
      this.hear(whisper);
      this.#hooks.say(whisper);
    };
    this.#rooms.set(
      subscription,
      new PresenceRoom(this.#core, { emit: this.#hooks.emit, say }, { subscription, dbId }),
    );
  }

  /** Show a state of one's own; `undefined` takes it away. */
  set(subscription: number, state: unknown): void {
    this.#rooms.get(subscription)?.set(state);
    const away = this.#away.get(subscription);
    if (away !== undefined) away.state = state;
  }

  /** Say something to everybody who listens. */
  broadcast(subscription: number, name: string, value: unknown): void {
    this.#rooms.get(subscription)?.broadcast(name, value);
  }

  close(subscription: number): void {
    void this.#rooms.get(subscription)?.leave();
    this.#rooms.delete(subscription);
    this.#away.delete(subscription);
  }

  /** Something came from a link or from this worker itself. */
  hear({ dbId, sealed }: Whisper): void {
    for (const room of this.#rooms.values()) if (room.dbId === dbId) room.hear(sealed);
  }

  /** A link is live: whoever is there is to know at once. */
  greet(): void {
    for (const room of this.#rooms.values()) room.greet();
  }

  /** The directory may have changed. */
  recheck(): void {
    for (const room of this.#rooms.values()) room.tellSoon();
  }

  /** Say goodbye while there are keys to say it with, until {@link Presences.resume}. */
  async leave(): Promise<void> {
    const rooms = [...this.#rooms];
    this.#rooms.clear();
    for (const [subscription, { dbId, state }] of rooms) this.#away.set(subscription, { dbId, state });
    await Promise.all(rooms.map(([, room]) => room.leave()));
  }

  /** Be here again, now that there are keys. */
  resume(): void {
    for (const [subscription, { dbId, state }] of Array.from(this.#away)) {
      this.open(subscription, { dbId });
      if (state !== undefined) this.set(subscription, state);
    }
  }
}

interface Place {
  readonly subscription: number;
  readonly dbId: DatabaseSession["dbId"];
}

class PresenceRoom {
  readonly #core: TenantCore;
  readonly #hooks: PresenceHooks;
  readonly #place: Place;
  readonly #roster: Roster;
  /** what this presence says of itself */
  readonly #own: { readonly voice: Uint8Array; readonly name: string; number: number; state: unknown };
  readonly #timers: Timers;
  readonly #countBySender = new Map<AuthorKey, number>();
  #saying: Promise<void> = Promise.resolve();
  #opening: Promise<void> = Promise.resolve();
  #openingCount = 0;
  #told = "[]";
  #hasLeft = false;

  constructor(core: TenantCore, hooks: PresenceHooks, place: Place) {
    const { env, crypto } = core.world;
    this.#core = core;
    this.#hooks = hooks;
    this.#place = place;
    this.#roster = new Roster({ nowMs: () => core.nowMs(), monotonicMs: () => env.monotonicMs() });
    const voice = crypto.randomBytes(16);
    this.#own = { voice, name: bytesToHex(voice), number: 0, state: undefined };
    this.#timers = createTimers(env);
    this.#say({ kind: "ask", name: "", value: null });
  }

  get dbId(): Place["dbId"] {
    return this.#place.dbId;
  }

  /** what it says of itself */
  get state(): unknown {
    return this.#own.state;
  }

  set(state: unknown): void {
    const hadState = this.#own.state !== undefined;
    this.#own.state = state;
    if (state !== undefined) this.#saySoon(sayEveryMs);
    else if (hadState) {
      this.#timers.stop("say");
      this.#timers.stop("beat");
      this.#say({ kind: "gone", name: "", value: null });
    }
  }

  broadcast(name: string, value: unknown): void {
    this.#say({ kind: "broadcast", name, value });
  }

  greet(): void {
    this.#say({ kind: "ask", name: "", value: null });
    this.#saySoon(sayEveryMs);
  }

  async leave(): Promise<void> {
    this.set(undefined);
    this.#hasLeft = true;
    this.#timers.stopAll();
    await this.#saying;
  }

  /** Judge what was whispered, the cheapest first. */
  hear(sealed: Uint8Array): void {
    const header = readWhisperHeader(sealed);
    const { directory, unlocked } = this.#core;
    if (header === undefined || unlocked === undefined || header.voice === this.#own.name) return;
    const isMeant = header.keyName.keyId === this.#core.keyIdOf(keyNames.content);
    if (!isMeant || !isMember(directory, header.sender) || !this.#roster.isNew(header)) return;
    const count = this.#countBySender.get(header.sender) ?? 0;
    if (count >= heardPerSecond || this.#openingCount >= maxOpening) return;
    this.#countBySender.set(header.sender, count + 1);
    this.#timers.start("count", 1000, () => this.#countBySender.clear());
    this.#openingCount += 1;
    // One after another: what was said first is not overtaken by what was said next.
    this.#opening = this.#opening
      .then(() => this.#open(sealed))
      .finally(() => {
        this.#openingCount -= 1;
      });
  }

  async #open(sealed: Uint8Array): Promise<void> {
    const { tenantId, world } = this.#core;
    const place = { tenantId, dbId: this.dbId };
    const verdict = await openWhisper(world.crypto, place, sealed, (name) => this.#core.findKey(name));
    if (verdict.kind !== "opened" || this.#hasLeft) return;
    const { header, saying } = verdict;
    if (!this.#roster.hear(header, saying)) return;
    if (saying.kind === "ask") this.#saySoon(world.env.randomFraction() * answerWithinMs);
    else if (saying.kind === "broadcast") this.#tellBroadcast(header.sender, header.voice, saying);
    this.tellSoon();
  }

  /** Tell the page who is here, when that is not what it knows. */
  tellSoon(): void {
    if (this.#hasLeft) return;
    this.#timers.start("tell", tellEveryMs, () => {
      const { directory } = this.#core;
      const peers = this.#roster
        .present()
        .filter(({ sender }) => isMember(directory, sender))
        .map(({ sender, voice, state }) => ({
          id: voice,
          device: sender,
          user: userOf(directory, sender),
          state,
        }));
      const silentInMs = this.#roster.silentInMs();
      if (silentInMs !== undefined) this.#timers.start("silence", silentInMs + 1, () => this.tellSoon());
      const told = JSON.stringify(peers);
      if (told === this.#told) return;
      this.#told = told;
      this.#hooks.emit({ kind: "presence", subscription: this.#place.subscription, peers });
    });
  }

  #tellBroadcast(sender: AuthorKey, voice: string, { name, value }: Saying): void {
    const { subscription } = this.#place;
    const user = userOf(this.#core.directory, sender);
    this.#hooks.emit({
      kind: "broadcast",
      subscription,
      name,
      value,
      from: { id: voice, device: sender, user },
    });
  }

  /** Say the own state, and again and again. What comes within is said together. */
  #saySoon(withinMs: number): void {
    if (this.#own.state === undefined || this.#hasLeft) return;
    this.#timers.start("say", withinMs, () => {
      this.#say({ kind: "state", name: "", value: this.#own.state });
      this.#timers.stop("beat");
      this.#timers.start("beat", beatEveryMs, () => this.#saySoon(0));
    });
  }

  /** One after another, so that numbers arrive in order. What cannot be sealed now is not said. */
  #say(saying: Saying): void {
    this.#saying = this.#saying.then(async () => {
      try {
        await this.#seal(saying);
      } catch (error) {
        if (!isCofferError(error)) throw error;
      }
    });
  }

  async #seal(saying: Saying): Promise<void> {
    const core = this.#core;
    if (core.unlocked === undefined) return;
    const { identity } = core.unlocked;
    this.#own.number += 1;
    const speaker = {
      tenantId: core.tenantId,
      dbId: this.dbId,
      content: core.currentKey(keyNames.content),
      sender: identity.publicIdentity.signingKey,
      signingKey: identity.signing.privateKey,
      voice: this.#own.voice,
    };
    const said = { number: this.#own.number, saidAtMs: core.nowMs() };
    const sealed = await sealWhisper(core.world.crypto, speaker, said, saying);
    this.#hooks.say({ dbId: this.dbId, sealed });
  }
}

/** Things to be done later, each once at a time. */
interface Timers {
  /** Run it then, unless it is to be run already. */
  start(name: string, afterMs: number, run: () => void): void;
  stop(name: string): void;
  stopAll(): void;
}

function createTimers(env: Pick<Env, "setTimer">): Timers {
  const cancels = new Map<string, Release>();
  const stop = (name: string): void => {
    cancels.get(name)?.();
    cancels.delete(name);
  };
  return {
    start(name, afterMs, run) {
      if (cancels.has(name)) return;
      const cancel = env.setTimer(afterMs, () => {
        cancels.delete(name);
        run();
      });
      cancels.set(name, cancel);
    },
    stop,
    stopAll: () => [...cancels.keys()].forEach(stop),
  };
}
