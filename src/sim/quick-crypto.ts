/**
 * Primitives for stories in which nobody cheats: a signature is a hash that anybody could make, and costs a hundredth of a real one.
 * All else is {@link createNodeCrypto}'s.
 */
import { createHash } from "node:crypto";
import type { Crypto, Key, SigningKeyPair } from "../crypto/index.ts";
import { equalBytes, type Env } from "../std/index.ts";
import { createNodeCrypto } from "./node-crypto.ts";

/** whose key a private key is */
const publicKeys = new WeakMap<Key, Uint8Array>();

function mark(publicKey: Uint8Array, message: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createHash("sha512").update(publicKey).update(message).digest());
}

/** Create the contract; keys that sign must come from here too. */
export function createQuickCrypto(env: Pick<Env, "randomBytes">): Crypto {
  const real = createNodeCrypto(env);
  const remember = <Pair extends Pick<SigningKeyPair, "publicKey" | "privateKey">>(pair: Pair): Pair => {
    publicKeys.set(pair.privateKey, pair.publicKey);
    return pair;
  };
  return {
    ...real,
    createSigningPair: async () => remember(await real.createSigningPair()),
    createSealedSigningPair: async () => remember(await real.createSealedSigningPair()),
    sign: async (privateKey, message) => {
      const publicKey = publicKeys.get(privateKey);
      if (publicKey === undefined) throw new Error("this key was not made here");
      return mark(publicKey, message);
    },
    verify: async (publicKey, signature, message) => equalBytes(signature, mark(publicKey, message)),
  };
}
