/** The calls about a tenant's groups, settings and the keys that people hold. */
import {
  changeSettings,
  databaseNames,
  dryRun,
  grantKey,
  ownRole,
  roleNow,
  rotateKey,
  setGroup,
  setRoles,
} from "../src/tenant/index.ts";
import type { RefusedChange, WorkerApi } from "./api.ts";
import { requireAuthorKey, type WorkerHost } from "./host.ts";
import { readRoleChanges, readSettingEdits } from "./directory-messages.ts";
import { readFields, readProof, readText, readTexts } from "./page-messages.ts";

type DirectoryCalls = Pick<
  WorkerApi,
  "setGroup" | "setRoles" | "dryRun" | "getRole" | "changeSettings" | "rotateKey" | "grantKey"
>;

const whatByType: Readonly<Record<string, RefusedChange["what"]>> = {
  doc_create: "create",
  doc_delete: "delete",
};

/** Answer the calls about groups, settings and the keys that people hold. */
export function directoryCalls(host: WorkerHost): DirectoryCalls {
  return {
    async setGroup(tenantId, name, edits, proof) {
      const session = host.tenant(tenantId);
      const read = (field: string): readonly string[] =>
        readTexts(readFields(edits, "edits")[field], `edits.${field}`);
      await setGroup(
        session,
        readText(name, "name"),
        {
          addUsers: read("addUsers").map(requireAuthorKey),
          removeUsers: read("removeUsers").map(requireAuthorKey),
          addGroups: read("addGroups"),
          removeGroups: read("removeGroups"),
        },
        readProof(proof),
      );
    },

    async setRoles(tenantId, changes, proof) {
      await setRoles(host.tenant(tenantId), readRoleChanges(changes), readProof(proof));
    },

    async dryRun(tenantId, changes) {
      const session = host.tenant(tenantId);
      const { refused, ...counts } = await dryRun(session, readRoleChanges(changes));
      const names = databaseNames(session.core);
      return {
        ...counts,
        refused: refused.map(({ dbId, entryType, ...rest }) => ({
          ...rest,
          databaseId: dbId,
          database: names.get(dbId),
          what: whatByType[entryType] ?? "change",
        })),
      };
    },

    async getRole(tenantId, dbName, key) {
      const { core } = host.tenant(tenantId);
      const dbId = core.dbIdOf(readText(dbName, "dbName"));
      return key === undefined ? ownRole(core, dbId) : roleNow(core, dbId, requireAuthorKey(key));
    },

    async rotateKey(tenantId, name, proof) {
      await rotateKey(host.tenant(tenantId), readText(name, "name"), readProof(proof));
    },

    async grantKey(tenantId, name, grantees, proof) {
      const { groups, users } = readFields(grantees, "grantees");
      const read = {
        users: readTexts(users, "grantees.users").map(requireAuthorKey),
        groups: readTexts(groups, "grantees.groups"),
      };
      await grantKey(host.tenant(tenantId), readText(name, "name"), read, readProof(proof));
    },

    async changeSettings(tenantId, dbName, edits, proof) {
      const name = dbName === undefined ? undefined : readText(dbName, "dbName");
      await changeSettings(host.tenant(tenantId), name, readSettingEdits(edits), readProof(proof));
    },
  };
}
