/** The calls about who did what when. */
import { CofferError } from "../src/std/index.ts";
import { auditSteps } from "../src/tenant/index.ts";
import type { AuditCalls } from "./audit-api.ts";
import { requireAuthorKey, type WorkerHost } from "./host.ts";
import { readFields, readNatural, readText } from "./page-messages.ts";

/** Answer the calls about audit, but for reports, which are read as backups are. */
export function auditCalls(host: WorkerHost): Pick<AuditCalls, "audit"> {
  return {
    async audit(tenantId, cursor, query) {
      const session = host.tenant(tenantId);
      const { database, fromMs, toMs, user } = readFields(query, "query");
      return auditSteps(session, readNatural(cursor, "cursor"), {
        fromMs: readTime(fromMs, "query.fromMs"),
        toMs: readTime(toMs, "query.toMs"),
        dbId: database === undefined ? undefined : session.core.dbIdOf(readText(database, "query.database")),
        author: user === undefined ? undefined : requireAuthorKey(user),
      });
    },
  };
}

function readTime(message: unknown, at: string): number | undefined {
  if (message === undefined) return undefined;
  if (typeof message !== "number" || Number.isNaN(message)) throw new CofferError("input/invalid", { at });
  return message;
}
