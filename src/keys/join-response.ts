/**
 * The join response: what an admin hands to a newcomer, bound to one request, for a limited time.
 *
 * | field | size |
 * |---|---|
 * | version, kind | see join-uri.ts |
 * | genesis | 113, see genesis.ts |
 * | requestHash | 32 |
 * | requestCreatedAtMs | u64: with it the newcomer computes requestHash again |
 * | expiresAtMs | u64 |
 * | parameters | of the share password, see kdf-codec.ts |
 * | sealed | sized HPKE: enc(32) ‖ ciphertext ‖ tag(16) |
 * | signature | 64, by the admin key that is in the genesis |
 *
 * HPKE runs in psk mode to the request's encryption key: psk = Argon2id(share password, parameters), psk id
 * "coffer/share-password/v1", info "coffer/join-response/v1\0", AAD = all fields before `sealed`. It takes both the
 * newcomer's key and the share password to open it; the signature shows every change before either is used.
 *
 * | inside | size |
 * |---|---|
 * | namesKey | 32 |
 * | directoryHead | 32 |
 * | tenantName | sized UTF-8, 1 … 256 bytes; the genesis commits to it |
 * | serverUrl | sized UTF-8, ≤ 1024 bytes; empty = none |
 * | keyCount, keys | see key-bag.ts, ≤ 200 |
 */
import {
  assert,
  bytesToId,
  ByteReader,
  ByteWriter,
  CofferError,
  concatBytes,
  equalBytes,
  idToBytes,
  utf8ToBytes,
  type CommitHash,
} from "../std/index.ts";
import type { Crypto, HpkeContext, KdfParameters } from "../crypto/index.ts";
import { genesisBytes, isNameOf, parseGenesis } from "./genesis.ts";
import { hashJoinRequest } from "./join-request.ts";
import {
  invalidJoin,
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
  readonly admin: UnlockedIdentity;
  readonly genesis: Genesis;
  readonly tenantName: string;
  readonly serverUrl: string | undefined;
  readonly namesKey: Uint8Array;
  readonly keys: readonly KeySecret[];
  readonly directoryHead: CommitHash;
  readonly sharePassword: string;
  readonly expiresAtMs: number;
}

type Secret = Pick<JoinResponse, "namesKey" | "directoryHead" | "tenantName" | "serverUrl" | "keys">;

interface Envelope {
  readonly genesis: Genesis;
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
  const { request, admin, genesis } = draft;
  requireStrongPassword(draft.sharePassword);
  requireName(draft.tenantName);
  if (admin.publicIdentity.signingKey !== genesis.adminSigningKey) throw new CofferError("access/not-admin");
  if (!isNameOf(crypto, genesis, draft)) throw new CofferError("input/invalid", { reason: "tenantName" });

  const parameters = crypto.createKdfParameters();
  const writer = new ByteWriter()
    .u8(joinVersion)
    .u8(joinKinds.response.byte)
    .fixed(genesis.bytes, genesisBytes)
    .fixed(request.requestHash, 32)
    .u64(request.createdAtMs)
    .u64(draft.expiresAtMs);
  writeKdfParameters(writer, parameters);
  const bound = writer.toBytes();
  const secret = encodeSecret(draft);
  const psk = await crypto.deriveFromPassword(draft.sharePassword, parameters);
  try {
    writer.sized(await crypto.sealTo(request.identity.encryptionKey, secret, hpkeContext(bound, psk)));
  } finally {
    secret.fill(0);
    psk.fill(0);
  }
  return writeJoinUri(crypto, "response", writer.toBytes(), admin.signing.privateKey);
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
  const message = readJoinUri("response", uri);
  const envelope = readEnvelope(crypto, message);
  const { genesis, expiresAtMs } = envelope;
  if (!(await isSignedBy(crypto, message, idToBytes(genesis.adminSigningKey)))) throw forged("signature");
  const ownHash = hashJoinRequest(crypto, identity.publicIdentity, envelope.requestCreatedAtMs);
  if (!equalBytes(ownHash, envelope.requestHash)) throw invalidJoin("response", "other identity");
  if (nowMs >= expiresAtMs) throw new CofferError("input/expired", { expiresAtMs });

  const psk = await crypto.deriveFromPassword(sharePassword, envelope.parameters);
  const plaintext = await crypto.openSealed(
    identity.encryption,
    envelope.sealed,
    hpkeContext(envelope.bound, psk),
  );
  psk.fill(0);
  if (plaintext === undefined) {
    throw new CofferError("key/wrong-password", {
      what: "share password",
      message: "The share password is wrong.",
    });
  }
  const secret = parseSecret(plaintext);
  plaintext.fill(0);
  if (secret === undefined) throw new CofferError("entry/corrupt", { what: "join response" });
  if (!isNameOf(crypto, genesis, secret)) throw forged("tenantName");
  return { genesis, expiresAtMs, ...secret };
}

function readEnvelope(crypto: Crypto, message: JoinMessage): Envelope {
  const { reader, signed } = message;
  const genesis = parseGenesis(crypto, reader.fixed(genesisBytes));
  const requestHash = reader.fixed(32);
  const requestCreatedAtMs = reader.u64();
  const expiresAtMs = reader.u64();
  const parameters = readKdfParameters(reader);
  const bound = signed.subarray(0, reader.offset);
  const sealed = reader.sized(maxSealedBytes);
  if (!reader.finish() || genesis === undefined) throw invalidJoin("response", reader.error ?? "genesis");
  return { genesis, requestHash, requestCreatedAtMs, expiresAtMs, parameters, bound, sealed };
}

function hpkeContext(bound: Uint8Array, psk: Uint8Array): HpkeContext {
  return { info: joinKinds.response.domain, additionalData: bound, psk, pskId };
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
  const secret = concatBytes(draft.namesKey, idToBytes(draft.directoryHead), names, keys);
  keys.fill(0);
  return secret;
}

function parseSecret(bytes: Uint8Array): Secret | undefined {
  const reader = new ByteReader(bytes);
  const namesKey = reader.fixed(32).slice();
  const headBytes = reader.fixed(32);
  const tenantName = reader.text(maxNameBytes);
  const url = reader.text(maxServerUrlBytes);
  const keys = readKeySecrets(reader, maxKeys);
  if (!reader.finish() || !isName(tenantName) || (url !== "" && !isServerUrl(url))) return undefined;
  const serverUrl = url === "" ? undefined : url;
  return { namesKey, directoryHead: bytesToId("CommitHash", headBytes), tenantName, serverUrl, keys };
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
