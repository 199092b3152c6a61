/** The ways into a vault: from a password, a passkey or a recovery code to the key of a slot, and through it to the master. */
import {
  bytesToHex,
  CofferError,
  concatBytes,
  equalBytes,
  idToBytes,
  utf8ToBytes,
  type AuthorKey,
} from "../std/index.ts";
import type { Crypto, Key } from "../crypto/index.ts";
import { openBox, sealBox } from "./box.ts";
import type { UnlockSecret } from "./keys.ts";
import { requirePassword } from "./password.ts";
import { readRecoveryCode } from "./recovery-code.ts";
import {
  encodeSlotHead,
  slotData,
  vaultLimits,
  type Slot,
  type SlotParameters,
  type VaultParts,
} from "./vault-codec.ts";

const passkeyDomain = utf8ToBytes("coffer/passkey-slot/v1\0");
const recoveryDomain = utf8ToBytes("coffer/recovery-slot/v1\0");
const codeDomain = utf8ToBytes("coffer/recovery-code/v1\0");
const saltBytes = 32;
const slotIdBytes = 8;

/** A way into a vault that is to be made. A passkey's output is its PRF's for the given salt. */
export type NewSlot = UnlockSecret & { readonly salt?: Uint8Array };

/** What a slot is sealed for. */
interface SlotPlace {
  readonly head: Uint8Array;
  readonly signingKey: AuthorKey;
  readonly addedAtMs: number;
}

/**
 * Seal the master under a new way in.
 *
 * @throws `input/weak-password`, `input/too-large` for a password over 1024 bytes; `input/invalid` for what cannot be one
 */
export async function sealSlot(
  crypto: Crypto,
  place: SlotPlace,
  options: { readonly secret: NewSlot; readonly master: Uint8Array },
): Promise<{ readonly id: string; readonly bytes: Uint8Array<ArrayBuffer> }> {
  const { secret, master } = options;
  const parameters = newParameters(crypto, secret);
  const id = bytesToHex(crypto.randomBytes(slotIdBytes));
  const slotHead = encodeSlotHead({ id, addedAtMs: place.addedAtMs, parameters });
  const key = await slotKey(crypto, place.signingKey, { parameters, secret });
  if (key === undefined) throw new CofferError("input/invalid", { what: "slot" });
  const box = await sealBox(crypto, key, master, slotData(place.head, slotHead));
  return { id, bytes: concatBytes(slotHead, box) };
}

/** Find the slot that a secret opens, and the master in it. */
export async function openSlots(
  crypto: Crypto,
  parts: VaultParts,
  secret: UnlockSecret,
): Promise<{ readonly slot: Slot; readonly master: Uint8Array<ArrayBuffer> } | undefined> {
  for (const slot of parts.slots) {
    const { parameters } = slot;
    const key = await slotKey(crypto, parts.locked.signingKey, { parameters, secret });
    const master = key && (await openBox(crypto, key, slot.master, slot.bound));
    if (master !== undefined) return { slot, master };
  }
  return undefined;
}

function newParameters(crypto: Crypto, secret: NewSlot): SlotParameters {
  switch (secret.kind) {
    case "password":
      requirePassword(secret.password);
      return { kind: "password", kdf: crypto.createKdfParameters() };
    case "recovery-code":
      return { kind: "recovery-code", salt: crypto.randomBytes(saltBytes) };
    case "passkey": {
      const { credentialId, output, salt } = secret;
      const isId = credentialId.length >= 1 && credentialId.length <= vaultLimits.credentialIdBytes;
      if (!isId || output.length !== 32 || salt?.length !== saltBytes)
        throw new CofferError("input/invalid", { what: "passkey" });
      return { kind: "passkey", credentialId, salt };
    }
  }
}

/** The key of a slot, when the secret is of its kind. */
async function slotKey(
  crypto: Crypto,
  signingKey: AuthorKey,
  { parameters, secret }: { readonly parameters: SlotParameters; readonly secret: UnlockSecret },
): Promise<Key | undefined> {
  if (parameters.kind === "password" && secret.kind === "password")
    return cipherKey(crypto, await crypto.deriveFromPassword(secret.password, parameters.kdf));
  const derived = async (bytes: Uint8Array, salt: Uint8Array, domain: Uint8Array): Promise<Key> => {
    const root = await crypto.importDerivationKey(bytes);
    const info = concatBytes(domain, idToBytes(signingKey));
    return cipherKey(crypto, await crypto.derive(root, salt, info, 32));
  };
  if (parameters.kind === "passkey" && secret.kind === "passkey") {
    if (secret.output.length !== 32 || !equalBytes(secret.credentialId, parameters.credentialId))
      return undefined;
    return derived(secret.output, parameters.salt, passkeyDomain);
  }
  if (parameters.kind !== "recovery-code" || secret.kind !== "recovery-code") return undefined;
  const random = readRecoveryCode(crypto, secret.code);
  const hash = crypto.sha256(codeDomain, random);
  random.fill(0);
  const key = await derived(hash, parameters.salt, recoveryDomain);
  hash.fill(0);
  return key;
}

async function cipherKey(crypto: Crypto, secret: Uint8Array<ArrayBuffer>): Promise<Key> {
  const key = await crypto.importCipherKey(secret);
  secret.fill(0);
  return key;
}
