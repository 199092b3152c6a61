/** The calls about people: identities, joining, passwords. */
import { CofferError } from "../src/std/index.ts";
import { checkPassword, createSharePassword, encodeJoinRequest, safetyNumber } from "../src/keys/index.ts";
import { approveRequest, createPendingIdentity, inspectRequest, joinTenant } from "../src/tenant/index.ts";
import type { WorkerApi } from "./api.ts";
import { requireAuthorKey, type WorkerHost } from "./host.ts";
import { readFields, readDurationMs, readProof, readString, readStrings, readText } from "./page-messages.ts";

type PeopleCalls = Pick<
  WorkerApi,
  | "createUserId"
  | "createJoinRequest"
  | "inspectJoinRequest"
  | "approveJoinRequest"
  | "joinTenant"
  | "safetyNumber"
  | "createSharePassword"
  | "checkPassword"
>;

/** Answer the calls about people. */
export function peopleCalls(host: WorkerHost): PeopleCalls {
  return {
    async createUserId(userName, password) {
      const { world, device } = await host.ready();
      const identity = await createPendingIdentity(world, device, {
        userName: readText(userName, "userName"),
        password: readString(password, "password"),
      });
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
      return inspectRequest(host.tenant(tenantId).core, readString(request, "request"));
    },

    async approveJoinRequest(tenantId, request, options) {
      const session = host.tenant(tenantId);
      const { expiresInMs, serverUrl } = readFields(options, "options");
      return approveRequest(session, readString(request, "request"), {
        ...readProof(options),
        ...readStrings(options, "options", ["sharePassword"]),
        serverUrl: serverUrl === undefined ? undefined : readText(serverUrl, "options.serverUrl"),
        expiresInMs: readDurationMs(expiresInMs, "options.expiresInMs"),
      });
    },

    async joinTenant(response, options) {
      const { world, device } = await host.ready();
      const joined = await joinTenant(world, device, {
        ...readStrings(options, "options", ["password", "sharePassword"]),
        response: readString(response, "response"),
        key: requireAuthorKey(readFields(options, "options")["key"]),
      });
      host.pending.delete(joined.row.userKey);
      const snapshot = await host.enter(joined.row, (session) => session.access.unlockWith(joined.identity));
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

    createSharePassword: async () => createSharePassword((await host.ready()).world.crypto),

    checkPassword: async (password) => checkPassword(readString(password, "password")),
  };
}
