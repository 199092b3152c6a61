/**
 * Chunks that are sealed by their content: the same plaintext under the same content key gives the same bytes, so that it is stored once.
 * Only where somebody asks for it; every other entry is sealed under the salt of its commit.
 *
 * | field | size |
 * |---|---|
 * | mark | 32: HMAC-SHA-256(naming key, `coffer/chunk/v1\0` ‖ padded plaintext) |
 * | ciphertext | AES-256-GCM of the padded plaintext, under HMAC-SHA-256(sealing secret, `coffer/chunk/v1\0` ‖ mark), nonce 0, additional data `coffer/chunk/v1\0` ‖ mark |
 * | tag | 16 |
 *
 * `HKDF-SHA-256(content key, salt tenantId, info)` → naming key(32) ‖ sealing secret(32), where info is `coffer/chunk-content/v1`, keyId(16)
 * and u32 epoch, each length-prefixed.
 *
 * - Each plaintext has a key of its own, so that no key ever sees its nonce with two of them
 * - Who holds no content key cannot tell what a guessed plaintext would give, and sees of two chunks only whether they are the same
 * - Another tenant, content key or epoch gives other bytes: nothing is the same beyond those who may read all of it
 * - What opens has the mark that its plaintext gives; which chunk of which document it is, is said by the commit that names its hash
 */
import { ByteWriter, equalBytesConstantTime, idToBytes, utf8ToBytes, type TenantId } from "../std/index.ts";
import type { Crypto } from "../crypto/index.ts";
import type { ContentKey } from "./entry.ts";
import { padInto, paddedSizeBytes, sealedSizeBytes, tagBytes, unpad } from "./padding.ts";

const markBytes = 32;
const domain = utf8ToBytes("coffer/chunk/v1\0");
const nonce = new Uint8Array(12);

type Sealing = Pick<Crypto, "derive" | "hmacSha256" | "importCipherKey" | "encrypt" | "decrypt">;

/** Seals and opens chunks by their content, under one content key of one tenant. */
export interface ContentSealer {
  seal(plaintext: Uint8Array): Promise<Uint8Array<ArrayBuffer>>;
  /** `undefined` for anything that was not sealed so under this key. Never throws. */
  open(sealed: Uint8Array): Promise<Uint8Array | undefined>;
}

/** The size of a chunk that is sealed by its content, for its plaintext's. */
export function contentSealedSizeBytes(plaintextBytes: number): number {
  return markBytes + sealedSizeBytes(plaintextBytes);
}

/** Derive what seals and opens chunks by their content. */
export async function createContentSealer(
  crypto: Sealing,
  content: ContentKey,
  tenantId: TenantId,
): Promise<ContentSealer> {
  const epoch = new ByteWriter(4).u32(content.epoch).toBytes();
  const info = new ByteWriter(64)
    .text("coffer/chunk-content/v1")
    .sized(idToBytes(content.keyId))
    .sized(epoch)
    .toBytes();
  const derived = await crypto.derive(content.key, idToBytes(tenantId), info, 64);
  const [namingKey, secret] = [derived.subarray(0, 32), derived.subarray(32)];
  const markOf = (padded: Uint8Array): Uint8Array => crypto.hmacSha256(namingKey, domain, padded);
  const keyOf = async (mark: Uint8Array) => {
    const own = crypto.hmacSha256(secret, domain, mark);
    const key = await crypto.importCipherKey(own);
    own.fill(0);
    return key;
  };
  const boundTo = (mark: Uint8Array): Uint8Array => new ByteWriter(64).fixed(domain).fixed(mark).toBytes();
  return {
    async seal(plaintext) {
      const padded = new Uint8Array(paddedSizeBytes(plaintext.length));
      padInto(padded, plaintext);
      const mark = markOf(padded);
      const ciphertext = await crypto.encrypt(await keyOf(mark), nonce, padded, boundTo(mark));
      padded.fill(0);
      const sealed = new Uint8Array(markBytes + ciphertext.length);
      sealed.set(mark);
      sealed.set(ciphertext, markBytes);
      return sealed;
    },
    async open(sealed) {
      if (sealed.length < markBytes + tagBytes) return undefined;
      const mark = sealed.subarray(0, markBytes);
      const padded = await crypto.decrypt(
        await keyOf(mark),
        nonce,
        sealed.subarray(markBytes),
        boundTo(mark),
      );
      if (padded === undefined || !equalBytesConstantTime(markOf(padded), mark)) return undefined;
      return unpad(padded);
    },
  };
}
