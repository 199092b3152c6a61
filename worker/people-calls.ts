/** The calls about people: identities, joining, revoking, passwords. */
import { CofferError } from "../src/std/index.ts";
import { checkPassword, createSharePassword, encodeJoinRequest, safetyNumber } from "../src/keys/index.ts";
import type { Identity } from "../src/page/types.ts";
import { approveRequest, createPendingIdentity, inspectRequest, joinTenant, revokeUser } from "../src/tenant/index.ts";
import type { AdminProof, TenantSnapshot, WorkerApi } from "./api.ts";
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
    async createUserId(userName: string, password: string): Promise<Identity> {
      const { world, device } = await host.ready();
      const identity = await createPendingIdentity(world, device, { userName, password });
      const key = identity.publicIdentity.signingKey;
      host.pending.set(key, identity);
      return { userName, key };
    },

    async createJoinRequest(key: string): Promise<string> {
      const { world } = await host.ready();
      const identity = host.pending.get(requireAuthorKey(key));
      if (identity === undefined) throw new CofferError("access/locked", { message: "Make the join request right after creating the user." });
      return encodeJoinRequest(world.crypto, identity, world.env.nowMs());
    },

    async inspectJoinRequest(tenantId: string, request: string): Promise<{ userName: string; key: string; safetyNumber: string }> {
      return inspectRequest(host.tenant(tenantId).core, request);
    },

    async approveJoinRequest(
      tenantId: string,
      request: string,
      options: AdminProof & { sharePassword: string; serverUrl: string | undefined; expiresInMs: number },
    ): Promise<string> {
      return approveRequest(host.tenant(tenantId), request, { ...options, adminKey: requireAuthorKey(options.adminKey) });
    },

    async joinTenant(response: string, options: { key: string; password: string; sharePassword: string }): Promise<TenantSnapshot> {
      const { world, device } = await host.ready();
      const joined = await joinTenant(world, device, { ...options, response, key: requireAuthorKey(options.key) });
      host.pending.delete(joined.row.userKey);
      const snapshot = await host.enter(joined.row, joined.identity);
      if (joined.serverUrl === undefined) return snapshot;
      await host.tenant(joined.row.tenantId).links.connect(joined.serverUrl);
      return host.tenant(joined.row.tenantId).snapshot();
    },

    async safetyNumber(tenantId: string, memberKey: string | undefined): Promise<string> {
      const { world } = await host.ready();
      const { core } = host.tenant(tenantId);
      const member = memberKey === undefined ? core.keys.identity.publicIdentity.signingKey : requireAuthorKey(memberKey);
      return safetyNumber(world.crypto, { tenantId: core.tenantId, adminKey: core.genesis.adminSigningKey, memberKey: member });
    },

    async revokeUser(tenantId: string, userKey: string, proof: AdminProof): Promise<void> {
      await revokeUser(host.tenant(tenantId), requireAuthorKey(userKey), { ...proof, adminKey: requireAuthorKey(proof.adminKey) });
    },

    async createSharePassword(): Promise<string> {
      return createSharePassword((await host.ready()).world.crypto);
    },

    async checkPassword(password: string): Promise<{ ok: boolean; score: 0 | 1 | 2 | 3 | 4; hint: string }> {
      return checkPassword(password);
    },
  };
}
