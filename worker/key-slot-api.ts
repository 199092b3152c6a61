/** The part of the contract that is about ways into a vault. */

/** What opens a vault: one of the three. */
export interface UnlockMessage {
  readonly password?: string | undefined;
  /** as it was typed */
  readonly recoveryCode?: string | undefined;
  /** what an authenticator's PRF gave, 32 bytes, and of which credential */
  readonly passkey?: { readonly credentialId: Uint8Array; readonly output: Uint8Array } | undefined;
}

/** A way in that is to be made: one of the three. `salt`: 32 bytes, what the authenticator's PRF was asked with. */
export interface NewSlotMessage {
  readonly password?: string | undefined;
  readonly recoveryCode?: true | undefined;
  readonly passkey?:
    | { readonly credentialId: Uint8Array; readonly output: Uint8Array; readonly salt: Uint8Array }
    | undefined;
}

/** A passkey that opens a tenant of this device, and what its authenticator is to be asked. */
export interface KnownPasskey {
  readonly credentialId: Uint8Array;
  readonly salt: Uint8Array;
}

/** A way into a vault as it can be told under lock. */
export interface KeySlotMessage {
  /** 16 hex digits */
  readonly id: string;
  readonly kind: "password" | "passkey" | "recovery-code";
  readonly addedAtMs: number;
  readonly passkey: KnownPasskey | undefined;
}

/** The calls about ways into vaults. `userKey`: the tenant's user or its admin; `undefined` is the user. */
export interface KeySlotCalls {
  unlock(tenantId: string, secret: UnlockMessage): Promise<void>;
  /** The passkeys of all tenants on this device, or of one of them by its id. */
  passkeys(tenantId: string | undefined): Promise<readonly KnownPasskey[]>;
  keySlots(tenantId: string, userKey: string | undefined): Promise<readonly KeySlotMessage[]>;
  /** @throws `key/wrong-password`, `input/weak-password`, `input/too-large` */
  addKeySlot(
    tenantId: string,
    userKey: string | undefined,
    secret: UnlockMessage,
    slot: NewSlotMessage,
  ): Promise<{ readonly id: string; readonly recoveryCode: string | undefined }>;
  /** @throws `key/wrong-password`, `input/unknown-id`, `input/invalid` for the last way in */
  removeKeySlot(
    tenantId: string,
    userKey: string | undefined,
    secret: UnlockMessage,
    id: string,
  ): Promise<void>;
  /** Put a password in the place of all there are. @throws `key/wrong-password`, `input/weak-password` */
  changePassword(
    tenantId: string,
    userKey: string | undefined,
    secret: UnlockMessage,
    password: string,
  ): Promise<void>;
}
