/** Ways to open a tenant on this device, as an application sees them. */
import type { Identity } from "./types.ts";

/** What opens a tenant: one of the three. With `passkey` the browser asks its user. */
export type UnlockWay =
  | { readonly password: string; readonly recoveryCode?: never; readonly passkey?: never }
  | { readonly recoveryCode: string; readonly password?: never; readonly passkey?: never }
  | { readonly passkey: true; readonly password?: never; readonly recoveryCode?: never };

/** A way that is to be added. */
export type NewKeySlot =
  | { readonly password: string; readonly recoveryCode?: never; readonly passkey?: never }
  | { readonly recoveryCode: true; readonly password?: never; readonly passkey?: never }
  | { readonly passkey: true; readonly password?: never; readonly recoveryCode?: never };

/** A way into a vault of this device. */
export interface KeySlot {
  readonly id: string;
  readonly kind: "password" | "passkey" | "recovery-code";
  readonly addedAtMs: number;
}

/** A way that was added. `recoveryCode`: to be shown now, once; nothing keeps it. */
export interface AddedKeySlot {
  readonly id: string;
  readonly recoveryCode: string | undefined;
}

/** How a vault is opened to be changed; whose it is, the user's or the admin's, where that is on this device. */
export type KeySlotProof = UnlockWay & { readonly user?: Identity };

/** When a tenant locks itself: what is not said does not lock it. */
export interface AutoLockLimits {
  /** without a key, a click or a touch in any tab for so long; from 1 s */
  readonly idleMs?: number;
  /** in no tab's view for so long, from 1 s; 0 locks as soon as this tab is left. Browsers wake tabs in the background once a minute */
  readonly hiddenMs?: number;
}

/** The calls of a tenant about opening it. */
export interface KeySlots {
  /**
   * Unlock: by the password, a passkey, or a recovery code.
   *
   * @throws key/wrong-password when it opens nothing here; aborted when a passkey was asked for and not given
   */
  unlock(way: UnlockWay): Promise<void>;
  /** The ways into the vault on this device, in the order in which they were added; also under lock. */
  getKeySlots(options?: { user?: Identity }): Promise<readonly KeySlot[]>;
  /**
   * Add a way in, of up to eight. With a recovery code this gives it, once: it is to be written down.
   *
   * @throws key/wrong-password, input/weak-password, input/too-large; key/missing when the passkey's authenticator keeps no secret for
   *   the page (PRF); aborted when its user does not want to
   */
  addKeySlot(slot: NewKeySlot, proof: KeySlotProof): Promise<AddedKeySlot>;
  /**
   * Take a way in away. Backup files and other devices keep theirs.
   *
   * @throws key/wrong-password, input/unknown-id, input/invalid for the last one
   */
  removeKeySlot(id: string, proof: KeySlotProof): Promise<void>;
  /** Put a new password in the place of all there are; other ways stay. @throws key/wrong-password, input/weak-password */
  changePassword(newPassword: string, proof: KeySlotProof): Promise<void>;
  /**
   * Lock by itself, in all tabs, when nobody is there, for as long as this page lives or until the function that this gives is called.
   *
   * @throws input/invalid for limits that are none
   */
  lockWhen(limits: AutoLockLimits): Promise<() => void>;
}
