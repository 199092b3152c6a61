/**
 * The outer form of what people hand to each other as text: `mdb://join-request/<base64url>`, `mdb://join-response/<base64url>` and
 * `mdb://key/<base64url>`, canonical, at most 16 KiB of text.
 *
 * | field | size |
 * |---|---|
 * | version | u8, 1 |
 * | kind | u8: 1 request, 2 response, 3 key, 4 response to a device: written `mdb://join-response/…` like the other one |
 * | fields | see join-request.ts, join-response.ts, key-export.ts |
 * | signature | 64, Ed25519 over the kind's domain ‖ all before it |
 */
import {
  bytesToBase64url,
  ByteReader,
  CofferError,
  concatBytes,
  parseBase64url,
  utf8ToBytes,
} from "../std/index.ts";
import type { Crypto, Key } from "../crypto/index.ts";

/** Version of all of these messages. */
export const joinVersion = 1;
const maxUriChars = 16 * 1024;
const signatureBytes = 64;

/** The kinds of messages: their byte, prefix, what they are called, and the domain that is signed with them. */
export const joinKinds = {
  request: {
    byte: 1,
    prefix: "mdb://join-request/",
    title: "join request",
    domain: utf8ToBytes("coffer/join-request/v1\0"),
  },
  response: {
    byte: 2,
    prefix: "mdb://join-response/",
    title: "join response",
    domain: utf8ToBytes("coffer/join-response/v1\0"),
  },
  device: {
    byte: 4,
    prefix: "mdb://join-response/",
    title: "join response",
    domain: utf8ToBytes("coffer/device-response/v1\0"),
  },
  key: { byte: 3, prefix: "mdb://key/", title: "key", domain: utf8ToBytes("coffer/key/v1\0") },
} as const;
type JoinKind = keyof typeof joinKinds;

/** A message whose form, version and kind hold. Its signature is judged by {@link isSignedBy}. */
export interface JoinMessage {
  readonly kind: JoinKind;
  /** all but the signature */
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
  /** stands after version and kind */
  readonly reader: ByteReader;
}

/**
 * Sign a message and write it as text.
 *
 * @throws `input/too-large` over 16 KiB
 */
export async function writeJoinUri(
  crypto: Pick<Crypto, "sign">,
  kind: JoinKind,
  signed: Uint8Array,
  signingKey: Key,
): Promise<string> {
  const { domain, prefix } = joinKinds[kind];
  const signature = await crypto.sign(signingKey, concatBytes(domain, signed));
  const uri = prefix + bytesToBase64url(concatBytes(signed, signature));
  if (uri.length > maxUriChars) throw new CofferError("input/too-large", { chars: uri.length });
  return uri;
}

/**
 * Read the outer form of a message from untrusted text.
 *
 * @throws `input/too-large` over 16 KiB, before anything else is done; `protocol/version` for another version;
 *   `input/invalid` for anything else that is wrong
 */
export function readJoinUri(kind: JoinKind, uri: string): JoinMessage {
  if (uri.length > maxUriChars) throw new CofferError("input/too-large", { chars: uri.length });
  const { byte, prefix } = joinKinds[kind];
  if (!uri.startsWith(prefix)) throw invalidJoin(kind, "prefix");
  const bytes = parseBase64url(uri.slice(prefix.length));
  if (bytes === undefined || bytes.length < 2 + signatureBytes) throw invalidJoin(kind, "form");
  const signed = bytes.subarray(0, bytes.length - signatureBytes);
  const reader = new ByteReader(signed);
  const version = reader.u8();
  if (version !== joinVersion) throw new CofferError("protocol/version", { version });
  if (reader.u8() !== byte) throw invalidJoin(kind, "kind");
  return { kind, signed, signature: bytes.subarray(signed.length), reader };
}

/** Whether a text says of itself that it answers a device. */
export function isForDevice(uri: string): boolean {
  const { byte, prefix } = joinKinds.device;
  // Version and kind are in the first three characters of four.
  const bytes = uri.startsWith(prefix)
    ? parseBase64url(uri.slice(prefix.length, prefix.length + 4))
    : undefined;
  return bytes?.[1] === byte;
}

/** Tell whether a message was signed with a key, over the domain of its kind. */
export async function isSignedBy(
  crypto: Pick<Crypto, "verify">,
  message: JoinMessage,
  publicKey: Uint8Array,
): Promise<boolean> {
  return crypto.verify(
    publicKey,
    message.signature,
    concatBytes(joinKinds[message.kind].domain, message.signed),
  );
}

/** The error for a message that is not what it should be. */
export function invalidJoin(kind: JoinKind, reason: string): CofferError {
  return new CofferError("input/invalid", {
    reason,
    message: `This is not a ${joinKinds[kind].title} that can be used here.`,
  });
}
