/**
 * What two devices of a tenant hand each other so that they can connect, as text for people to carry: an offer, and the answer to it.
 *
 * | text | form |
 * |---|---|
 * | offer | `mdb://peer-offer/<base64url>` of a whisper (presence/whisper.ts) |
 * | answer | `mdb://peer-answer/<base64url>` of a whisper |
 *
 * The whisper is said in the tenant's directory database, with a voice of its own and the number 1: a `broadcast` named `peer-offer`, of
 * the value `{ signal }`, or `peer-answer`, of `{ signal, to }`, where `to` is the voice of the offer; a signal is as in page/rtc-signal.ts.
 * An offer is sealed under the newest key that its maker has, and its answer under the offer's: a device that was away while the key was
 * changed can offer, and fetch what it lacks. A text is at most 6,000 characters.
 *
 * Guarantees
 * - P1 it opens for who holds the tenant's key, and shows which member's device said it; what the signal says of the certificate of the
 *      channel is under that signature, so both ends of a channel that opens are members' devices
 * - P2 who is not, or is no longer, a member by this device's directory is refused, whatever keys they still have. A device that has just
 *      joined has no directory yet: it takes whoever holds the tenant's key at their word, until the link has brought it one
 * - P3 a text is good for ten minutes by either clock; an offer is taken once on a device, and an answer for the offer it names
 */
import {
  bytesToBase64url,
  bytesToHex,
  CofferError,
  parseBase64url,
  type AuthorKey,
  type CofferErrorCode,
} from "../std/index.ts";
import type { KeyName } from "../entry/index.ts";
import { isMember, userOf } from "../directory/index.ts";
import { openWhisper, readWhisperHeader, sealWhisper, type WhisperHeader } from "../presence/index.ts";
import { keyNames, type TenantCore } from "./core.ts";

const maxChars = 6000;
const goodForMs = 10 * 60_000;
const maxTaken = 1000;

/** What a text is. */
export type PeerWordKind = "offer" | "answer";

/** What was read of a text. */
export interface PeerWord {
  /** the offer's name: 32 hex digits */
  readonly id: string;
  readonly signal: unknown;
  /** the device that said it, and its user */
  readonly device: AuthorKey;
  readonly user: AuthorKey;
}

/** Writes and reads these texts for one tenant. */
export class PeerWords {
  readonly #core: TenantCore;
  /** voices of what was made or taken here: when, and under which key */
  readonly #taken = new Map<string, { readonly atMs: number; readonly keyName: KeyName | undefined }>();

  constructor(core: TenantCore) {
    this.#core = core;
  }

  /** Write an offer, or with `to` the answer to one. @throws `access/locked`, `access/revoked`, `input/too-large`, `key/missing` */
  async write(signal: unknown, to?: string): Promise<{ readonly id: string; readonly text: string }> {
    const core = this.#core;
    const { identity } = core.keys;
    const { signingKey } = identity.publicIdentity;
    if (core.directory.usersByKey.get(signingKey)?.revoked !== undefined)
      throw new CofferError("access/revoked");
    const kind = to === undefined ? "offer" : "answer";
    const voice = core.world.crypto.randomBytes(16);
    const keyName = to === undefined ? undefined : this.#taken.get(to)?.keyName;
    const content = (keyName && core.findKey(keyName)) ?? core.currentKey(keyNames.content);
    const sealed = await sealWhisper(
      core.world.crypto,
      {
        tenantId: core.tenantId,
        dbId: core.directoryDbId,
        content,
        sender: signingKey,
        signingKey: identity.signing.privateKey,
        voice,
      },
      { number: 1, saidAtMs: core.nowMs() },
      { kind: "broadcast", name: `peer-${kind}`, value: to === undefined ? { signal } : { signal, to } },
    );
    const id = bytesToHex(voice);
    // One's own text is nobody else's.
    this.#take(id, undefined);
    return { id, text: prefixOf(kind) + bytesToBase64url(sealed) };
  }

  /**
   * Read an offer, or with `to` the answer to that one.
   *
   * @throws `input/too-large`, `input/invalid` for anything else than such a text, or the answer to another offer, `input/expired`,
   *   `input/used` for an offer that was made or taken here, `access/locked`, `access/denied` for who is no member, `access/revoked`
   *   for who is one no more, `entry/forged` for what is not as it was said, `key/missing`
   */
  async read(text: string, to?: string): Promise<PeerWord> {
    const core = this.#core;
    const kind = to === undefined ? "offer" : "answer";
    if (text.length > maxChars) throw new CofferError("input/too-large", { chars: text.length });
    const prefix = prefixOf(kind);
    const sealed = text.startsWith(prefix) ? parseBase64url(text.slice(prefix.length)) : undefined;
    const header = sealed && readWhisperHeader(sealed);
    if (sealed === undefined || header === undefined) throw invalid(kind, "form");
    this.#judge(header);
    const place = { tenantId: core.tenantId, dbId: core.directoryDbId };
    const verdict = await openWhisper(core.world.crypto, place, sealed, (name) => core.findKey(name));
    if (verdict.kind === "forged") throw refusal("entry/forged", "This text was changed on its way.");
    if (verdict.kind === "no-key")
      throw refusal("key/missing", "This device lacks the newest key. Let it make the offer.");
    const { name, value } = verdict.saying;
    const { signal, to: meant } = (value ?? {}) as Readonly<Record<string, unknown>>;
    if (verdict.saying.kind !== "broadcast" || name !== `peer-${kind}`) throw invalid(kind, "kind");
    if (meant !== to) throw invalid(kind, "another offer");
    this.#judge(header);
    this.#take(header.voice, header.keyName);
    return { id: header.voice, signal, device: header.sender, user: userOf(core.directory, header.sender) };
  }

  /** Whether it is new, and of a member: cheap, so it comes before anything is opened. */
  #judge({ keyName, saidAtMs, sender, voice }: WhisperHeader): void {
    const core = this.#core;
    const isOurs = keyName.keyId === core.keyIdOf(keyNames.content);
    const isKnown = core.directory.usersByKey.has(sender);
    if (!isOurs || (!isKnown && !mayBePeer(core, sender)))
      throw refusal("access/denied", "No member of this space wrote this.");
    if (!mayBePeer(core, sender)) throw refusal("access/revoked", "Whoever wrote this is a member no more.");
    if (Math.abs(core.nowMs() - saidAtMs) > goodForMs)
      throw refusal("input/expired", "This text was good for ten minutes. Ask for a new one.");
    if (this.#taken.has(voice)) throw refusal("input/used", "This text was used already.");
  }

  #take(voice: string, keyName: KeyName | undefined): void {
    const nowMs = this.#core.nowMs();
    // Later than this it is refused for its age.
    for (const [known, { atMs }] of this.#taken)
      if (nowMs - atMs > 2 * goodForMs || this.#taken.size >= maxTaken) this.#taken.delete(known);
    this.#taken.set(voice, { atMs: nowMs, keyName });
  }
}

/** Whether a device may be linked with, as far as the directory says by now. */
export function mayBePeer({ directory }: Pick<TenantCore, "directory">, device: AuthorKey): boolean {
  return directory.head === undefined || isMember(directory, device);
}

function prefixOf(kind: PeerWordKind): string {
  return `mdb://peer-${kind}/`;
}

function refusal(code: CofferErrorCode, message: string): CofferError {
  return new CofferError(code, { message, what: "peer" });
}

function invalid(kind: PeerWordKind, reason: string): CofferError {
  return new CofferError("input/invalid", {
    message: `This is not the ${kind} that is wanted here.`,
    reason,
  });
}
