/** Keys as directory records: an epoch wrapped for each of its holders, and who they are. */
import { CofferError, type AuthorKey, type KeyId } from "../std/index.ts";
import {
  isMember,
  keysOfUsers,
  recordLimits,
  type DirectoryEpoch,
  type DirectoryRecord,
} from "../directory/index.ts";
import { keyFingerprint } from "../entry/index.ts";
import { wrapKey, type BagSecrets, type KeySecret, type PublicIdentity } from "../keys/index.ts";
import { keyNames, type TenantCore } from "./core.ts";

/** So many devices a user has: whoever links thousands fills neither the admin's line nor what is wrapped for them. */
export const maxDevices = 64;

/** What of a tenant says who holds which key. */
export type KeyRoom = Pick<TenantCore, "directory" | "keys" | "tenantId" | "world" | "keyIdOf">;

/** Which keys are handed to whom. */
export interface KeyHanding {
  readonly names: ReadonlySet<string>;
  readonly users: ReadonlySet<AuthorKey>;
  /** one of the users whom the same commit grants access */
  readonly ahead?: PublicIdentity | undefined;
}

/** Who holds a key now, as far as the directory and this device know. */
export function holdersOf(core: KeyRoom, keyId: KeyId): ReadonlySet<AuthorKey> {
  const { directory } = core;
  if (keyId === core.keyIdOf(keyNames.content))
    return new Set([...directory.usersByKey.keys()].filter((userKey) => isMember(directory, userKey)));
  const holders = new Set(newestHolders(directory.epochsByKey.get(keyId) ?? []));
  if (core.keys.bag.current(keyId) !== undefined) holders.add(self(core));
  return new Set([...holders].filter((userKey) => isMember(directory, userKey)));
}

/** The named keys of this device that a user holds. */
export function heldBy(core: KeyRoom, user: AuthorKey): ReadonlySet<string> {
  const keys = keysOfUsers(core.directory, new Set([user]));
  const isHeld = (name: string): boolean =>
    [...holdersOf(core, core.keyIdOf(name))].some((key) => keys.has(key));
  return new Set(core.keys.keyNames.filter(isHeld));
}

/** A new epoch of a key for who holds it now, without some and with others. */
export async function rotationRecords(
  core: KeyRoom,
  keyId: KeyId,
  {
    also = [],
    without,
  }: { readonly without?: ReadonlySet<AuthorKey>; readonly also?: Iterable<AuthorKey> } = {},
): Promise<readonly DirectoryRecord[]> {
  const users = new Set([...holdersOf(core, keyId), ...also].filter((user) => without?.has(user) !== true));
  const recorded = core.directory.epochsByKey.get(keyId) ?? [];
  const epochs = [core.keys.bag.current(keyId)?.epoch ?? 0, ...recorded.map(({ epoch }) => epoch)];
  const secret = core.world.crypto.randomBytes(32);
  try {
    const name = core.keys.keyNames.find((one) => core.keyIdOf(one) === keyId) ?? "";
    return await epochRecords(core, { keyId, epoch: Math.max(...epochs) + 1, secret }, { users, name });
  } finally {
    secret.fill(0);
  }
}

/** One epoch of a key, wrapped for users. */
export async function epochRecords(
  core: KeyRoom,
  { epoch, keyId, secret }: KeySecret,
  { ahead, name, users }: Omit<KeyHanding, "names"> & { readonly name: string },
): Promise<readonly DirectoryRecord[]> {
  const { directory, tenantId, world } = core;
  const fingerprint = keyFingerprint(world.crypto, secret);
  const wraps = await Promise.all(
    [...users].flatMap((userKey) => {
      const isAhead = userKey === ahead?.signingKey;
      const encryptionKey = isAhead ? ahead.encryptionKey : directory.usersByKey.get(userKey)?.encryptionKey;
      if (encryptionKey === undefined) return [];
      const place = { tenantId, keyId, epoch, fingerprint, userKey };
      const wrapped = wrapKey(world.crypto, encryptionKey, place, { name, secret });
      return [wrapped.then((sealed) => ({ userKey, sealed }))];
    }),
  );
  const records: DirectoryRecord[] = [];
  const perRecord = Math.floor(recordLimits.wraps / 2);
  for (let from = 0; from === 0 || from < wraps.length; from += perRecord)
    records.push({ kind: "keyepoch", keyId, epoch, fingerprint, wraps: wraps.slice(from, from + perRecord) });
  return records;
}

/** Keys of this device with all of their epochs, wrapped for users. @throws `key/missing`, `input/invalid` for the key of the access-control records */
export async function keysFor(
  core: KeyRoom,
  secrets: BagSecrets,
  { ahead, names, users }: KeyHanding,
): Promise<readonly DirectoryRecord[]> {
  const records: DirectoryRecord[] = [];
  for (const name of names) {
    const keyId = rotatable(core, name);
    const keys = secrets.keys.filter((key) => key.keyId === keyId);
    if (keys.length === 0) throw new CofferError("key/missing", { keyId });
    const kept = name === keyNames.content ? "" : name;
    for (const key of keys) records.push(...(await epochRecords(core, key, { users, name: kept, ahead })));
  }
  return records;
}

/** The id of a key that can begin a new epoch. @throws `input/invalid` for the key of the access-control records */
export function rotatable(core: KeyRoom, name: string): KeyId {
  const keyId = core.keyIdOf(name);
  if (keyId === core.keyIdOf(keyNames.directory)) throw new CofferError("input/invalid", { what: "key" });
  return keyId;
}

/** Who was given the newest of some epochs. */
export function newestHolders(epochs: readonly DirectoryEpoch[]): ReadonlySet<AuthorKey> {
  const newest = epochs.reduce((most, { epoch }) => Math.max(most, epoch), 0);
  return new Set(epochs.flatMap(({ epoch, wraps }) => (epoch === newest ? [...wraps.keys()] : [])));
}

/** The key that this device signs with. */
export function self(core: Pick<TenantCore, "keys">): AuthorKey {
  return core.keys.identity.publicIdentity.signingKey;
}
