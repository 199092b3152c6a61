/**
 * The join response: what an admin hands to a newcomer, or a user to a further device of theirs, bound to one request, for a limited time.
 *
 * | field | size |
 * |---|---|
 * | version, kind | see join-uri.ts |
 * | genesis | 113, see genesis.ts |
 * | linker | 32, to a device alone: the user's key that links it |
 * | user | 32, to a device alone: whose it is |
 * | linkCommit | 32, to a device alone: the commit that links it, see directory/linked.ts |
 * | requestHash | 32 |
 * | requestCreatedAtMs | u64: with it the newcomer computes requestHash again |
 * | expiresAtMs | u64 |
 * | parameters | of the share password, see kdf-codec.ts |
 * | sealed | sized HPKE: enc(32) ‖ ciphertext ‖ tag(16) |
 * | signature | 64, by the admin key that is in the genesis; to a device by the linker |
 *
 * HPKE runs in psk mode to the request's encryption key: psk = Argon2id(share password, parameters), psk id
 * "coffer/share-password/v1", info "coffer/join-response/v1\0" or "coffer/device-response/v1\0", AAD = all fields before `sealed`. It takes both the
 * newcomer's key and the share password to open it; the signature shows every change before either is used.
 *
 * | inside | size |
 * |---|---|
 * | namesKey | 32 |
 * | directoryHead | 32 |
 * | tenantName | sized UTF-8, 1 … 256 bytes; the genesis commits to it |
 * | serverUrl | sized UTF-8, ≤ 1024 bytes; empty = none |
 * | keyCount, keys | see key-bag.ts, ≤ 200 |
 * | nameCount | varint, ≤ 200, to a device alone |
 * | nameCount × name | sized UTF-8, 1 … 256 bytes: what the keys are called that have names |
 */
import {
  assert,
  ByteReader,
  bytesToId,
  ByteWriter,
  CofferError,
  concatBytes,
  equalBytes,
  idToBytes,
  readId,
  utf8ToBytes,
  type AuthorKey,
  type CommitHash,
} from "../std/index.ts";
import type { Crypto, HpkeContext, KdfParameters } from "../crypto/index.ts";
import { genesisBytes, isNameOf, parseGenesis } from "./genesis.ts";
import { hashJoinRequest } from "./join-request.ts";
import {
  invalidJoin,
  isForDevice,
  isSignedBy,
  joinKinds,
  joinVersion,
  readJoinUri,
  writeJoinUri,
  type JoinMessage,
} from "./join-uri.ts";
import { readKdfParameters, writeKdfParameters } from "./kdf-codec.ts";
import { encodeKeySecrets, readKeySecrets } from "./key-bag.ts";
import type { Genesis, JoinRequest, JoinResponse, KeySecret, UnlockedIdentity } from "./keys.ts";
import { isName, maxNameBytes, requireName } from "./name.ts";
import { requireStrongPassword } from "./password.ts";

const maxKeys = 200;
const maxServerUrlBytes = 1024;
const maxSealedBytes = 16 * 1024;
const pskId = utf8ToBytes("coffer/share-password/v1");

/** What an admin puts into a response. */
export interface JoinResponseDraft {
  readonly request: JoinRequest;
  /** the admin; with `link` the user, on the device that links */
  readonly signer: UnlockedIdentity;
  readonly link?: {
    readonly user: AuthorKey;
    readonly commit: CommitHash;
    readonly keyNames: readonly string[];
  };
  readonly genesis: Genesis;
  readonly tenantName: string;
  readonly serverUrl: string | undefined;
  readonly namesKey: Uint8Array;
  readonly keys: readonly KeySecret[];
  readonly directoryHead: CommitHash;
  readonly sharePassword: string;
  readonly expiresAtMs: number;
}

type Secret = Pick<
  JoinResponse,
  "namesKey" | "directoryHead" | "tenantName" | "serverUrl" | "keys" | "keyNames"
>;

interface Envelope {
  readonly genesis: Genesis;
  readonly link: JoinResponse["link"];
  readonly requestHash: Uint8Array;
  readonly requestCreatedAtMs: number;
  readonly expiresAtMs: number;
  readonly parameters: KdfParameters;
  /** all fields before `sealed` */
  readonly bound: Uint8Array;
  readonly sealed: Uint8Array;
}

/**
 * Write a join response as `mdb://join-response/…`.
 *
 * @throws `input/weak-password` for the share password; `access/not-admin` when the identity is not the genesis' admin;
 *   `input/too-large` over 200 keys; `input/invalid` for a name or URL that the table refuses or the genesis did not commit to
 */
export async function encodeJoinResponse(crypto: Crypto, draft: JoinResponseDraft): Promise<string> {
  const { request, signer, genesis, link } = draft;
  const kind = link === undefined ? "response" : "device";
  requireStrongPassword(draft.sharePassword);
  requireName(draft.tenantName);
  const { signingKey } = signer.publicIdentity;
  if (link === undefined && signingKey !== genesis.adminSigningKey) throw new CofferError("access/not-admin");
  if (!isNameOf(crypto, genesis, draft)) throw new CofferError("input/invalid", { reason: "tenantName" });

  const parameters = crypto.createKdfParameters();
  const writer = new ByteWriter().u8(joinVersion).u8(joinKinds[kind].byte).fixed(genesis.bytes, genesisBytes);
  if (link !== undefined) {
    writer.fixed(idToBytes(signingKey)).fixed(idToBytes(link.user)).fixed(idToBytes(link.commit));
  }
  writer.fixed(request.requestHash, 32).u64(request.createdAtMs).u64(draft.expiresAtMs);
  writeKdfParameters(writer, parameters);
  const bound = writer.toBytes();
  const secret = encodeSecret(draft);
  const psk = await crypto.deriveFromPassword(draft.sharePassword, parameters);
  try {
    writer.sized(await crypto.sealTo(request.identity.encryptionKey, secret, hpkeContext(kind, bound, psk)));
  } finally {
    secret.fill(0);
    psk.fill(0);
  }
  return writeJoinUri(crypto, kind, writer.toBytes(), signer.signing.privateKey);
}

/**
 * Open a join response from untrusted text. Everything that needs no password is judged before it is used.
 *
 * @throws `input/too-large`, `input/invalid` (also: not for this identity), `protocol/version`; `entry/forged` when the
 *   genesis' admin did not sign it or the genesis does not commit to the name; `input/expired`; `key/parameters`;
 *   `key/wrong-password` for the share password; `entry/corrupt` when what the admin sealed cannot be read
 */
export async function openJoinResponse(
  crypto: Crypto,
  uri: string,
  options: { readonly identity: UnlockedIdentity; readonly sharePassword: string; readonly nowMs: number },
): Promise<JoinResponse> {
  const { identity, sharePassword, nowMs } = options;
  const message = readJoinUri(isForDevice(uri) ? "device" : "response", uri);
  const envelope = readEnvelope(crypto, message);
  const { genesis, expiresAtMs, link } = envelope;
  if (!(await isSignedBy(crypto, message, idToBytes(link?.by ?? genesis.adminSigningKey))))
    throw forged("signature");
  const ownHash = hashJoinRequest(crypto, identity.publicIdentity, envelope.requestCreatedAtMs);
  if (!equalBytes(ownHash, envelope.requestHash)) throw invalidJoin("response", "other identity");
  if (nowMs >= expiresAtMs) throw new CofferError("input/expired", { expiresAtMs });

  const psk = await crypto.deriveFromPassword(sharePassword, envelope.parameters);
  const plaintext = await crypto.openSealed(
    identity.encryption,
    envelope.sealed,
    hpkeContext(message.kind, envelope.bound, psk),
  );
  psk.fill(0);
  if (plaintext === undefined) {
    throw new CofferError("key/wrong-password", {
      what: "share password",
      message: "The share password is wrong.",
    });
  }
  const secret = parseSecret(plaintext, link !== undefined);
  plaintext.fill(0);
  if (secret === undefined) throw new CofferError("entry/corrupt", { what: "join response" });
  if (!isNameOf(crypto, genesis, secret)) throw forged("tenantName");
  return { genesis, expiresAtMs, link, ...secret };
}

function readEnvelope(crypto: Crypto, message: JoinMessage): Envelope {
  const { kind, reader, signed } = message;
  const genesis = parseGenesis(crypto, reader.fixed(genesisBytes));
  const link = kind === "device" ? readLink(reader) : undefined;
  const requestHash = reader.fixed(32);
  const requestCreatedAtMs = reader.u64();
  const expiresAtMs = reader.u64();
  const parameters = readKdfParameters(reader);
  const bound = signed.subarray(0, reader.offset);
  const sealed = reader.sized(maxSealedBytes);
  if (!reader.finish() || genesis === undefined) throw invalidJoin("response", reader.error ?? "genesis");
  return { genesis, link, requestHash, requestCreatedAtMs, expiresAtMs, parameters, bound, sealed };
}

function readLink(reader: ByteReader): JoinResponse["link"] {
  const by = readId(reader, "AuthorKey");
  const user = readId(reader, "AuthorKey");
  return { by, user, commit: readId(reader, "CommitHash") };
}

function hpkeContext(kind: JoinMessage["kind"], bound: Uint8Array, psk: Uint8Array): HpkeContext {
  return { info: joinKinds[kind].domain, additionalData: bound, psk, pskId };
}

function encodeSecret(draft: JoinResponseDraft): Uint8Array<ArrayBuffer> {
  if (draft.keys.length > maxKeys) throw new CofferError("input/too-large", { keys: draft.keys.length });
  if (draft.serverUrl !== undefined && !isServerUrl(draft.serverUrl)) {
    throw new CofferError("input/invalid", { reason: "serverUrl" });
  }
  assert(draft.namesKey.length === 32, "J1: a names key has 32 bytes");
  const names = new ByteWriter()
    .text(draft.tenantName)
    .text(draft.serverUrl ?? "")
    .toBytes();
  const keys = encodeKeySecrets(draft.keys);
  const keyNames = draft.link === undefined ? new Uint8Array(0) : encodeKeyNames(draft.link.keyNames);
  const secret = concatBytes(draft.namesKey, idToBytes(draft.directoryHead), names, keys, keyNames);
  keys.fill(0);
  return secret;
}

function encodeKeyNames(names: readonly string[]): Uint8Array {
  if (names.length > maxKeys) throw new CofferError("input/too-large", { keys: names.length });
  const writer = new ByteWriter().varint(names.length);
  for (const name of names) {
    requireName(name);
    writer.text(name);
  }
  return writer.toBytes();
}

function readKeyNames(reader: ByteReader): readonly string[] {
  const names: string[] = [];
  const count = reader.varint(maxKeys);
  while (names.length < count && reader.error === undefined) {
    const name = reader.text(maxNameBytes);
    if (!isName(name)) reader.fail("name");
    names.push(name);
  }
  return names;
}

function parseSecret(bytes: Uint8Array, isDevices: boolean): Secret | undefined {
  const reader = new ByteReader(bytes);
  const namesKey = reader.fixed(32).slice();
  const headBytes = reader.fixed(32);
  const tenantName = reader.text(maxNameBytes);
  const url = reader.text(maxServerUrlBytes);
  const keys = readKeySecrets(reader, maxKeys);
  const keyNames = isDevices ? readKeyNames(reader) : [];
  if (!reader.finish() || !isName(tenantName) || (url !== "" && !isServerUrl(url))) return undefined;
  const serverUrl = url === "" ? undefined : url;
  return {
    namesKey,
    directoryHead: bytesToId("CommitHash", headBytes),
    tenantName,
    serverUrl,
    keys,
    keyNames,
  };
}

/** Only the form: whether an address may be talked to, the transport decides. */
function isServerUrl(text: string): boolean {
  if (utf8ToBytes(text).length > maxServerUrlBytes || !URL.canParse(text)) return false;
  const { protocol, username, password } = new URL(text);
  return (protocol === "https:" || protocol === "http:") && username === "" && password === "";
}

function forged(reason: string): CofferError {
  return new CofferError("entry/forged", { what: "join response", reason });
}
