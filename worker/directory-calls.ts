/** The calls about a tenant's groups, settings and the keys that people hold. */
import { changeSettings, grantKey, rotateKey, setGroup } from "../src/tenant/index.ts";
import type { WorkerApi } from "./api.ts";
import { requireAuthorKey, type WorkerHost } from "./host.ts";
import { readFields, readProof, readSettingEdits, readText, readTexts } from "./page-messages.ts";

type DirectoryCalls = Pick<WorkerApi, "setGroup" | "changeSettings" | "rotateKey" | "grantKey">;

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
