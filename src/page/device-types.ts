/** Devices of users, as an application sees them. */
import type { ReadonlySignal } from "@preact/signals-core";
import type { AdminOptions } from "./directory-types.ts";

/** A key that writes: of a user's first device, which is the user's own, or of one that was linked to it. */
export interface UserDevice {
  readonly key: string;
  /** key of the user whose it is */
  readonly user: string;
  /** what it was called when it was linked; none for a first device */
  readonly name: string | undefined;
  readonly revoked: boolean;
  /** this device */
  readonly self: boolean;
}

/** What a tenant does about devices. */
export interface Devices {
  /** every device of every user, first ones included; `undefined` while locked */
  readonly devices: ReadonlySignal<readonly UserDevice[] | undefined>;
  /**
   * Link a device to a user: it asked with `createUserId`, under the user's name, and `createJoinRequest`, and takes the answer with
   * `joinTenant`. It has keys of its own, the user's role, and is handed the keys that the user holds. Compare the safety numbers before.
   *
   * With this user's own `password` it is this user's, and no admin is needed: the user's signature links it, and the device says so itself
   * when it takes the answer. Otherwise the admin does it.
   *
   * @param options `user`: whose it is, this user by default; `name`: what it is called, for members
   * @throws input/invalid for a request under another name, or of a key that is known; input/unknown-id; and as `approveJoinRequest`
   */
  approveDevice(
    request: string,
    options: (AdminOptions | { readonly password: string; readonly user?: undefined }) & {
      readonly sharePassword: string;
      readonly name: string;
      readonly user?: string;
      readonly serverUrl?: string;
      readonly expiresInMs?: number;
      readonly link?: string | URL;
    },
  ): Promise<string>;
  /**
   * Revoke one device of a user who has another one, the first like any other: what the admin's device has of its commits counts, nothing later
   * does, its sessions end, and keys begin new epochs without it. The user goes on with the others. Revoking the user revokes all of theirs.
   *
   * @throws input/unknown-id for the last device of a user, and for what is none
   */
  revokeDevice(key: string, options: AdminOptions): Promise<void>;
}
