/** The page-worker contract, answered. */
import type { WorkerApi } from "./api.ts";
import { attachmentCalls } from "./attachment-calls.ts";
import { auditCalls } from "./audit-calls.ts";
import { backupCalls } from "./backup-calls.ts";
import { bulkCalls } from "./bulk-calls.ts";
import { directoryCalls } from "./directory-calls.ts";
import { documentCalls, linkCalls } from "./document-calls.ts";
import { keyExportCalls } from "./key-export-calls.ts";
import { keySlotCalls } from "./key-slot-calls.ts";
import { lineCalls } from "./line-calls.ts";
import { WorkerHost, type WorldMaker } from "./host.ts";
import { adminCalls } from "./admin-calls.ts";
import { peopleCalls } from "./people-calls.ts";
import { presenceCalls } from "./presence-calls.ts";
import { recipientCalls } from "./recipient-calls.ts";
import { resealCalls } from "./reseal-calls.ts";
import { peerCalls } from "./peer-calls.ts";
import { storeCalls } from "./store-calls.ts";
import { searchCalls } from "./search-calls.ts";
import { tenantCalls } from "./tenant-calls.ts";
import { viewCalls } from "./view-calls.ts";

/** Make the object that a page calls. */
export function createService(makeWorld: WorldMaker): WorkerApi {
  const host = new WorkerHost(makeWorld);
  return {
    start: (options, listener) => host.start(options, listener),
    ping: () => Promise.resolve(),
    ...tenantCalls(host),
    ...keySlotCalls(host),
    ...keyExportCalls(host),
    ...adminCalls(host),
    ...peopleCalls(host),
    ...directoryCalls(host),
    ...linkCalls(host),
    ...documentCalls(host),
    ...bulkCalls(host),
    ...lineCalls(host),
    ...viewCalls(host),
    ...auditCalls(host),
    ...attachmentCalls(host),
    ...backupCalls(host),
    ...recipientCalls(host),
    ...resealCalls(host),
    ...peerCalls(host),
    ...storeCalls(host),
    ...searchCalls(host),
    ...presenceCalls(host),
  };
}
