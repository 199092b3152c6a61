/**
 * Keys that the directory hands to this user: unwrapped, and put into the key bag. Documents that waited for them appear.
 *
 * What does not open is left alone and not tried again in this opening: whoever wrapped it made a mistake, and the documents go on waiting.
 */
import { bytesToHex, isCofferError, type CommitHash } from "../std/index.ts";
import type { KeyName } from "../entry/index.ts";
import { addKey, unwrapKey, type KeySecret } from "../keys/index.ts";
import { foldAll } from "./beside.ts";
import type { TenantCore } from "./core.ts";
import { addKeyNames, changeKeys } from "./named-keys.ts";

interface OfferedKey extends KeyName {
  readonly sealed: Uint8Array;
}

interface OpenedKey extends KeySecret {
  readonly name: string;
}

/**
 * Take the keys that are for this user and not here yet. Called in the tenant's queue.
 *
 * @returns the commits that waited for keys, when some came; a store that is full takes none, and it is tried again with the next look
 *   at the log
 */
export async function adoptKeys(core: TenantCore): Promise<Iterable<CommitHash>> {
  const opened = await openOffered(core);
  if (opened.length === 0) return [];
  try {
    await changeKeys(core, ({ names, secrets }) => ({
      secrets: opened.reduce(
        (bag, { epoch, keyId, secret }) => addKey(bag, { keyId, epoch, secret }),
        secrets,
      ),
      names: addKeyNames(
        names,
        // Ids are made of names: one that fits is the key's own.
        opened.flatMap(({ keyId, name }) => (name !== "" && core.keyIdOf(name) === keyId ? [name] : [])),
      ),
    }));
    // Names and settings in the directory may be under them.
    const { needs } = core.ledger;
    if ([...needs.meet("card")].length > 0) core.directory = await foldAll(core);
    return needs.meet("key");
  } catch (error) {
    if (!isCofferError(error) || !/^store\/|^access\/locked$/.test(error.code)) throw error;
    return [];
  } finally {
    for (const { secret } of opened) secret.fill(0);
  }
}

/** Whether the directory offers keys to this user that are not here. */
export function isOfferedKeys(core: TenantCore): boolean {
  return core.unlocked !== undefined && offeredTo(core).length > 0;
}

async function openOffered(core: TenantCore): Promise<readonly OpenedKey[]> {
  const { identity } = core.unlocked ?? {};
  if (identity === undefined) return [];
  const { tenantId, world } = core;
  const userKey = identity.publicIdentity.signingKey;
  const opened: OpenedKey[] = [];
  for (const { sealed, ...name } of offeredTo(core)) {
    const key = await unwrapKey(world.crypto, identity.encryption, { ...name, tenantId, userKey }, sealed);
    if (key === undefined) core.keys.deadWraps.add(textOf(name));
    else opened.push({ keyId: name.keyId, epoch: name.epoch, ...key });
  }
  return opened;
}

function offeredTo(core: TenantCore): readonly OfferedKey[] {
  const self = core.keys.identity.publicIdentity.signingKey;
  const offered: OfferedKey[] = [];
  for (const [keyId, epochs] of core.directory.epochsByKey) {
    for (const { epoch, fingerprint, wraps } of epochs) {
      const name = { keyId, epoch, fingerprint };
      const sealed = wraps.get(self);
      if (sealed !== undefined && core.findKey(name) === undefined && !core.keys.deadWraps.has(textOf(name)))
        offered.push({ ...name, sealed });
    }
  }
  return offered;
}

function textOf({ epoch, fingerprint, keyId }: KeyName): string {
  return `${keyId} ${epoch} ${bytesToHex(fingerprint)}`;
}
