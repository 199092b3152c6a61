import { bytesToId } from "../std/index.ts";
import type { Crypto, EncryptionKeyPair, SigningKeyPair } from "../crypto/index.ts";
import type { IdentitySecrets, PublicIdentity } from "./keys.ts";
import { requireName } from "./name.ts";

/**
 * Create the secrets of a new identity, to be put into a vault and forgotten.
 *
 * @throws `input/invalid` when the name cannot be one
 */
export async function createIdentity(
  crypto: Pick<Crypto, "createSigningPair" | "createEncryptionPair">,
  userName: string,
): Promise<IdentitySecrets> {
  requireName(userName);
  const signing = await crypto.createSigningPair();
  const encryption = await crypto.createEncryptionPair();
  return { userName, signingSecret: signing.secret, encryptionSecret: encryption.secret };
}

/** The public half of two key pairs and a name. */
export function publicIdentityOf(
  userName: string,
  signing: SigningKeyPair,
  encryption: EncryptionKeyPair,
): PublicIdentity {
  return {
    userName,
    signingKey: bytesToId("AuthorKey", signing.publicKey),
    encryptionKey: encryption.publicKey,
  };
}
