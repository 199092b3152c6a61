/**
 * Identities, vaults, key bags and joining, as types. Byte tables are in the files that encode them.
 *
 * ```
 * password ─── Argon2id ─┐
 * passkey's PRF ── HKDF ─┼► slot key ── unwraps ──► master (32 random bytes)
 * recovery code ── HKDF ─┘                          │
 *                                                   ├─ HKDF "signing"                 ► opens the Ed25519 seed
 *                                                   ├─ HKDF "encryption"              ► opens the X25519 scalar
 *                                                   ├─ HKDF "profile"                 ► opens names (user, tenant alias)
 *                                                   └─ HKDF "tenant:v1:<signing key>" ► opens the key bag
 * key bag ── names key · device secret · (key id, epoch, secret)*
 * ```
 */
import type { AuthorKey, CommitHash, KeyId, TenantId } from "../std/index.ts";
import type { EncryptionKeyPair, Key, SigningKeyPair } from "../crypto/index.ts";
import type { ContentKey, KeyName } from "../entry/index.ts";

/** An identity without private keys. */
export interface PublicIdentity {
  readonly userName: string;
  /** Ed25519 public key; it also names the user */
  readonly signingKey: AuthorKey;
  /** 32 bytes, X25519 */
  readonly encryptionKey: Uint8Array<ArrayBuffer>;
}

/** An unlocked identity: keys that can be used, not read. Structured-cloneable, so that a restarted worker can be handed it. */
export interface UnlockedIdentity {
  readonly publicIdentity: PublicIdentity;
  readonly signing: SigningKeyPair;
  readonly encryption: EncryptionKeyPair;
  /** opens and seals the key bag of this vault: AES-256-GCM, not extractable */
  readonly bagKey: Key;
  /** opens and seals names and other small private records of this vault: AES-256-GCM, not extractable */
  readonly profileKey: Key;
}

/** The secrets of a new identity, only while its vault is being made. */
export interface IdentitySecrets {
  readonly userName: string;
  readonly signingSecret: Uint8Array<ArrayBuffer>;
  readonly encryptionSecret: Uint8Array<ArrayBuffer>;
}

/** What opens a vault: any of the ways that were put in. */
export type UnlockSecret =
  | { readonly kind: "password"; readonly password: string }
  /** `output`: 32 bytes, what the authenticator's PRF gives for the salt of the slot */
  | { readonly kind: "passkey"; readonly credentialId: Uint8Array; readonly output: Uint8Array }
  /** as it was typed */
  | { readonly kind: "recovery-code"; readonly code: string };

/** What a vault says while it is locked. */
export interface LockedVault {
  readonly signingKey: AuthorKey;
  readonly encryptionKey: Uint8Array<ArrayBuffer>;
  readonly createdAtMs: number;
}

/** A content key with its bytes: inside an open key bag only, while keys are wrapped for someone. */
export interface KeySecret {
  readonly keyId: KeyId;
  readonly epoch: number;
  /** 32 bytes */
  readonly secret: Uint8Array<ArrayBuffer>;
}

/** All that a key bag holds, in the clear: it exists only between opening and sealing. */
export interface BagSecrets {
  /** counts up with every change; an older one than remembered is noticed */
  readonly version: number;
  /** HMAC key of all names of the tenant, 32 bytes, never rotates */
  readonly namesKey: Uint8Array<ArrayBuffer>;
  /** 32 bytes, this device's; seals what is derived from the log */
  readonly deviceSecret: Uint8Array<ArrayBuffer>;
  readonly keys: readonly KeySecret[];
}

/** An open key bag as the worker keeps it. */
export interface KeyBag {
  readonly version: number;
  readonly namesKey: Uint8Array<ArrayBuffer>;
  /** HKDF key from the device secret, not extractable */
  readonly deviceKey: Key;
  find(name: KeyName): ContentKey | undefined;
  /** the key writers use: highest epoch, then lowest fingerprint */
  current(keyId: KeyId): ContentKey | undefined;
  list(): readonly KeyName[];
}

/** The tenant's root of trust. `tenantId` = SHA-256("coffer/genesis/v1\0" ‖ its canonical bytes). Nothing in it is private. */
export interface Genesis {
  readonly tenantId: TenantId;
  readonly adminSigningKey: AuthorKey;
  readonly adminEncryptionKey: Uint8Array<ArrayBuffer>;
  /** 16 bytes */
  readonly random: Uint8Array<ArrayBuffer>;
  /** HMAC(names key, "coffer/alias/v1\0" ‖ display name): commits to the name without showing it, 32 bytes */
  readonly nameCommitment: Uint8Array<ArrayBuffer>;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** What a new user asks with: public keys only, signed with the new key as proof that it is held. */
export interface JoinRequest {
  readonly identity: PublicIdentity;
  readonly createdAtMs: number;
  /** SHA-256 of the canonical bytes; the response is bound to it */
  readonly requestHash: Uint8Array<ArrayBuffer>;
}

/** What an admin answers with, opened. */
export interface JoinResponse {
  readonly genesis: Genesis;
  /** the tenant's display name */
  readonly tenantName: string;
  readonly serverUrl: string | undefined;
  readonly namesKey: Uint8Array<ArrayBuffer>;
  readonly keys: readonly KeySecret[];
  /** what keys among them are called; only a device is told by a response */
  readonly keyNames: readonly string[];
  /** the directory commit that registered the user, or the newest that who links knew: the newcomer refuses an older directory */
  readonly directoryHead: CommitHash;
  /** which key linked this device to which user, and the commit that says so; `undefined` for the admin's word */
  readonly link:
    | { readonly by: AuthorKey; readonly user: AuthorKey; readonly commit: CommitHash }
    | undefined;
  readonly expiresAtMs: number;
}
