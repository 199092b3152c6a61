/** The calls about people: identities, joining, revoking, passwords. */
import { CofferError } from "../src/std/index.ts";
import { checkPassword, createSharePassword, encodeJoinRequest, safetyNumber } from "../src/keys/index.ts";
import {
  approveRequest,
  createPendingIdentity,
  inspectRequest,
  joinTenant,
  revokeUser,
} from "../src/tenant/index.ts";
import type { WorkerApi } from "./api.ts";
import { requireAuthorKey, type WorkerHost } from "./host.ts";

type PeopleCalls = Pick<
  WorkerApi,
  | "createUserId"
  | "createJoinRequest"
  | "inspectJoinRequest"
  | "approveJoinRequest"
  | "joinTenant"
  | "safetyNumber"
  | "revokeUser"
  | "createSharePassword"
  | "checkPassword"
>;

/** Answer the calls about people. */
export function peopleCalls(host: WorkerHost): PeopleCalls {
  return {
    async createUserId(userName, password) {
      const { world, device } = await host.ready();
      const identity = await createPendingIdentity(world, device, { userName, password });
      const key = identity.publicIdentity.signingKey;
      host.pending.set(key, identity);
      return { userName, key };
    },

    async createJoinRequest(key) {
      const { world } = await host.ready();
      const identity = host.pending.get(requireAuthorKey(key));
      if (identity === undefined)
        throw new CofferError("access/locked", {
          message: "Make the join request right after creating the user.",
        });
      return encodeJoinRequest(world.crypto, identity, world.env.nowMs());
    },

    async inspectJoinRequest(tenantId, request) {
      return inspectRequest(host.tenant(tenantId).core, request);
    },

    async approveJoinRequest(tenantId, request, options) {
      return approveRequest(host.tenant(tenantId), request, {
        ...options,
        adminKey: requireAuthorKey(options.adminKey),
      });
    },

    async joinTenant(response, options) {
      const { world, device } = await host.ready();
      const joined = await joinTenant(world, device, {
        ...options,
        response,
        key: requireAuthorKey(options.key),
      });
      host.pending.delete(joined.row.userKey);
      const snapshot = await host.enter(joined.row, joined.identity);
      if (joined.serverUrl === undefined) return snapshot;
      await host.tenant(joined.row.tenantId).links.connect(joined.serverUrl);
      return host.tenant(joined.row.tenantId).snapshot();
    },

    async safetyNumber(tenantId, memberKey) {
      const { core } = host.tenant(tenantId);
      const member = memberKey ?? core.keys.identity.publicIdentity.signingKey;
      const parties = { tenantId: core.tenantId, adminKey: core.genesis.adminSigningKey };
      return safetyNumber(core.world.crypto, { ...parties, memberKey: requireAuthorKey(member) });
    },

    async revokeUser(tenantId, userKey, proof) {
      await revokeUser(host.tenant(tenantId), requireAuthorKey(userKey), {
        ...proof,
        adminKey: requireAuthorKey(proof.adminKey),
      });
    },

    async createSharePassword() {
      return createSharePassword((await host.ready()).world.crypto);
    },

    async checkPassword(password) {
      return checkPassword(password);
    },
  };
}
