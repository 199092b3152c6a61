/**
 * Named keys that are handed from member to member under a password, where no admin is at hand to grant them.
 *
 * ```
 * export ──► all epochs of the key that are here ──► text ──► import ──► key bag; documents under it appear
 *                                                               └── refused unless a member of this tenant signed it, its id follows from
 *                                                                   its name, and neither the directory nor this device knows of another
 *                                                                   key in its epochs' places
 * ```
 * Epochs after the first begin in the directory alone. So who hands on a key cannot bring others to write under one of their own making.
 */
import { CofferError, equalBytes } from "../std/index.ts";
import { isMember } from "../directory/index.ts";
import { keyFingerprint } from "../entry/index.ts";
import {
  addKey,
  encodeKeyExport,
  openKeyExport,
  readKeyName,
  type BagSecrets,
  type KeySecret,
  type OpenedExport,
} from "../keys/index.ts";
import type { TenantCore } from "./core.ts";
import { addKeyNames, changeKeys, requireKey } from "./named-keys.ts";
import { withBagSecrets } from "./opened-keys.ts";

/**
 * Write a named key of this device as text, sealed under a password.
 *
 * @throws `input/invalid` for the tenant's own keys, `key/missing`, `input/weak-password`, `input/too-large`, `access/locked`
 */
export async function exportKey(core: TenantCore, text: string, password: string): Promise<string> {
  const { tenantId, world } = core;
  const name = readKeyName(text);
  await requireKey(core, name);
  const keyId = core.keyIdOf(name);
  return withBagSecrets(core, async (secrets) =>
    encodeKeyExport(world.crypto, {
      identity: core.keys.identity,
      tenantId,
      name,
      keys: secrets.keys.filter((key) => key.keyId === keyId),
      password,
      nowMs: world.env.nowMs(),
    }),
  );
}

/**
 * Take a key that a member exported.
 *
 * @returns what it is called
 * @throws what {@link openKeyExport} throws; `access/denied` when its author is no member; `entry/forged` with `reason` for a key that is
 *   not what its name says, or where another one is in its place; `input/too-large`, `access/locked`
 */
export async function importKey(core: TenantCore, uri: string, password: string): Promise<string> {
  const { tenantId, world } = core;
  // Under lock there is no bag to put it into.
  void core.keys;
  const opened = await openKeyExport(world.crypto, uri, { tenantId, password });
  try {
    requireHonest(core, opened);
    await changeKeys(core, ({ names, secrets }) => {
      const added = opened.keys.filter((key) => isNew(secrets, key));
      const named = addKeyNames(names, [opened.name]);
      if (added.length === 0 && named.keyNames.length === names.keyNames.length) return undefined;
      return { secrets: added.reduce(addKey, secrets), names: named };
    });
    return opened.name;
  } finally {
    for (const { secret } of opened.keys) secret.fill(0);
  }
}

/** @throws `entry/forged` where another key is held in its place: of two, what is written next could be under the author's */
function isNew({ keys }: BagSecrets, { epoch, keyId, secret }: KeySecret): boolean {
  const inPlace = keys.filter((held) => held.keyId === keyId && held.epoch === epoch);
  const isHeld = inPlace.some((held) => equalBytes(held.secret, secret));
  if (!isHeld && inPlace.length > 0) throw forged("epoch");
  return !isHeld;
}

function requireHonest(core: TenantCore, { author, keys, name }: OpenedExport): void {
  if (!isMember(core.directory, author)) throw new CofferError("access/denied", { key: author });
  const [{ keyId } = { keyId: undefined }] = keys;
  if (readKeyName(name) !== name || keyId === undefined || core.keyIdOf(name) !== keyId) throw forged("name");
  const known = core.directory.epochsByKey.get(keyId) ?? [];
  const newest = known.reduce((most, { epoch }) => Math.max(most, epoch), 1);
  for (const key of keys) {
    const fingerprint = keyFingerprint(core.world.crypto, key.secret);
    const inPlace = known.filter(({ epoch }) => epoch === key.epoch);
    const isDirectorys = inPlace.some((one) => equalBytes(one.fingerprint, fingerprint));
    // The first epoch is not always in the directory: who made the key may not have had it granted.
    const isFirst = key.epoch === 1 && inPlace.length === 0;
    if (key.epoch > newest || (!isDirectorys && !isFirst)) throw forged("epoch");
  }
}

function forged(reason: "name" | "epoch"): CofferError {
  return new CofferError("entry/forged", {
    what: "key",
    reason,
    message: "This key is not the one that it says it is.",
  });
}
