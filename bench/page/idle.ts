/** Syncing when there is nothing to sync. */
import { openCoffer, type ServerLink } from "cofferdb";
import { makeRows, type Person } from "./rows.ts";
import {
  foundTenant,
  publishAndSync,
  removeSession,
  required,
  userPassword,
  type BenchSession,
} from "./session.ts";
import { until } from "./wait.ts";

let session: BenchSession | undefined;
let link: ServerLink | undefined;

/** Make a tenant with documents in several databases, and bring it all to a server. */
export async function fillAndPublish(options: {
  cofferName: string;
  serverUrl: string;
  count: number;
  databaseCount: number;
}): Promise<void> {
  const { cofferName, serverUrl, count, databaseCount } = options;
  const owned = await foundTenant(cofferName);
  for (let index = 0; index < databaseCount; index += 1) {
    const db = await owned.tenant.openDB<Person>(`people ${index}`);
    await db.createDocuments(makeRows(count, index));
  }
  session = owned;
  link = await publishAndSync(owned, serverUrl);
  await untilComplete(link);
}

/** On a fresh page: open that tenant, whose link resumes by itself, and wait until the server has proved that all is here. */
export async function resumeLink(cofferName: string): Promise<void> {
  const coffer = await openCoffer({ name: cofferName });
  const tenant = await coffer.openTenant("bench", { password: userPassword });
  session = { coffer, tenant };
  const { links } = tenant;
  await until(() => links.value.length === 1, "the link is there");
  link = required(links.peek()[0]);
  await untilComplete(link);
}

async function untilComplete({ status }: ServerLink): Promise<void> {
  const isComplete = (): boolean => {
    const { phase, pendingPush, verifiedCompleteAtMs } = status.value;
    return phase === "live" && pendingPush === 0 && verifiedCompleteAtMs !== undefined;
  };
  await until(isComplete, "the link is complete");
}

/** What one cycle moved, as the link counts it, and how long it took. */
export interface IdleCycle {
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly ms: number;
}

/** Run one full cycle. */
export async function syncOnce(): Promise<IdleCycle> {
  const server = required(link);
  const before = server.status.peek();
  const startMs = performance.now();
  await server.sync();
  const ms = performance.now() - startMs;
  const after = server.status.peek();
  return {
    sentBytes: after.sentBytes - before.sentBytes,
    receivedBytes: after.receivedBytes - before.receivedBytes,
    ms,
  };
}

/** Leave and remove everything. */
export async function leaveIdle(): Promise<void> {
  await required(link).disconnect();
  await removeSession(required(session));
  session = link = undefined;
}
