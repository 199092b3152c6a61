/** The calls about a tenant's groups and settings. */
import { changeSettings, setGroup } from "../src/tenant/index.ts";
import type { WorkerApi } from "./api.ts";
import { requireAuthorKey, type WorkerHost } from "./host.ts";
import { readFields, readProof, readSettingEdits, readText, readTexts } from "./page-messages.ts";

type DirectoryCalls = Pick<WorkerApi, "setGroup" | "changeSettings">;

/** Answer the calls about groups and settings. */
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

    async changeSettings(tenantId, dbName, edits, proof) {
      const name = dbName === undefined ? undefined : readText(dbName, "dbName");
      await changeSettings(host.tenant(tenantId), name, readSettingEdits(edits), readProof(proof));
    },
  };
}
