/** The calls about ways into vaults. */
import { isCofferError } from "../src/std/index.ts";
import type { SlotFacts } from "../src/keys/index.ts";
import {
  addKeySlot,
  changePassword,
  listKeySlots,
  removeKeySlot,
  type VaultPlace,
} from "../src/tenant/index.ts";
import { requireAuthorKey, requireTenantId, type WorkerHost } from "./host.ts";
import type { KeySlotCalls, KeySlotMessage, KnownPasskey } from "./key-slot-api.ts";
import { readNewSlot, readSecret } from "./key-slot-messages.ts";
import { readString, readText } from "./page-messages.ts";

/** Answer the calls about ways into vaults. */
export function keySlotCalls(host: WorkerHost): KeySlotCalls {
  return {
    async unlock(tenantId, secret) {
      await host.tenant(tenantId).access.unlock(readSecret(secret, "secret"));
    },

    async passkeys(tenantId) {
      const { device, world } = await host.ready();
      const known: KnownPasskey[] = [];
      for (const row of await device.listTenants()) {
        if (tenantId !== undefined && row.tenantId !== requireTenantId(tenantId)) continue;
        const slots = await listKeySlots({ world, device, row, key: undefined }).catch((error: unknown) => {
          // A damaged vault keeps nobody from the others.
          if (!isCofferError(error) || error.code !== "entry/corrupt") throw error;
          return [];
        });
        for (const slot of slots) known.push(...passkeysOf(slot));
      }
      return known;
    },

    async keySlots(tenantId, userKey) {
      return (await listKeySlots(await placeOf(host, tenantId, userKey))).map(messageOf);
    },

    async addKeySlot(tenantId, userKey, secret, slot) {
      const place = await placeOf(host, tenantId, userKey);
      return addKeySlot(place, readSecret(secret, "secret"), readNewSlot(slot));
    },

    async removeKeySlot(tenantId, userKey, secret, id) {
      const place = await placeOf(host, tenantId, userKey);
      await removeKeySlot(place, readSecret(secret, "secret"), readText(id, "id"));
    },

    async changePassword(tenantId, userKey, secret, password) {
      const place = await placeOf(host, tenantId, userKey);
      await changePassword(place, readSecret(secret, "secret"), readString(password, "password"));
    },
  };
}

async function placeOf(host: WorkerHost, tenantId: unknown, userKey: unknown): Promise<VaultPlace> {
  const { device, world } = await host.ready();
  const row = await device.readTenant(requireTenantId(tenantId));
  return { world, device, row, key: userKey === undefined ? undefined : requireAuthorKey(userKey) };
}

function passkeysOf({ parameters }: SlotFacts): readonly KnownPasskey[] {
  if (parameters.kind !== "passkey") return [];
  return [{ credentialId: parameters.credentialId, salt: parameters.salt }];
}

function messageOf(slot: SlotFacts): KeySlotMessage {
  const { id, addedAtMs, parameters } = slot;
  return { id, addedAtMs, kind: parameters.kind, passkey: passkeysOf(slot)[0] };
}
