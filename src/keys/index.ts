/**
 * keys: identities, the vaults and key bags they rest in, and how people join a tenant.
 *
 * Guarantees
 * - an unlocked identity holds keys that can be used and not read; raw secrets are wiped once they are wrapped or imported
 * - one password derivation for each unlock; parameters outside floor and ceiling are refused before any work
 * - a vault, key bag, private record or join message that was changed in any bit is refused as a whole, with a typed error
 * - a join response opens only for the identity that asked, with the share password, before it expires
 *
 * It stores nothing and talks to no one. That a response is used once, that a bag's version only grows and that people
 * compare safety numbers is the caller's part.
 */
export { openBox, sealBox } from "./box.ts";
export { createGenesis, genesisBytes, parseGenesis } from "./genesis.ts";
export { createIdentity } from "./identity.ts";
export { encodeJoinRequest, parseJoinRequest } from "./join-request.ts";
export { encodeJoinResponse, openJoinResponse, type JoinResponseDraft } from "./join-response.ts";
export { readKdfParameters, writeKdfParameters } from "./kdf-codec.ts";
export { encodeKeyExport, openKeyExport, type OpenedExport } from "./key-export.ts";
export { addKey, loadBag, openBagSecrets, sealBag, wipeSecrets } from "./key-bag.ts";
export type {
  BagSecrets,
  Genesis,
  IdentitySecrets,
  JoinRequest,
  JoinResponse,
  KeyBag,
  KeySecret,
  LockedVault,
  PublicIdentity,
  UnlockedIdentity,
  UnlockSecret,
} from "./keys.ts";
export { keyWrapBytes, unwrapKey, wrapKey, type NamedSecret, type WrapPlace } from "./key-wrap.ts";
export { readKeyName, requireName } from "./name.ts";
export { checkPassword, createSharePassword, requireStrongPassword, type PasswordCheck } from "./password.ts";
export { openPrivate, sealPrivate } from "./private.ts";
export { safetyNumber } from "./safety-number.ts";
export { createRecoveryCode } from "./recovery-code.ts";
export type { SlotFacts } from "./vault-codec.ts";
export type { NewSlot } from "./vault-slots.ts";
export { changeVault, createVault, readVault, readVaultSlots, unlockVault } from "./vault.ts";
