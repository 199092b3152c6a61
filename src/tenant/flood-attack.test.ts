import { afterEach, beforeEach, expect, it } from "vitest";
import {
  bring,
  eventually,
  reopen,
  setStage,
  stateOf,
  tenantOf,
  type Replica,
  type Stage,
} from "../../worker/attack-fixtures.ts";
import { closeDevices } from "../../worker/device-fixtures.ts";
import type { Commit } from "../entry/index.ts";

let stage: Stage;

beforeEach(async () => {
  stage = await setStage();
});
afterEach(closeDevices);

const floodCount = 300;
/** as many as a page is told of at once */
const listed = 200;

async function auditedReasons({ device, tenantId }: Replica): Promise<ReadonlyMap<string, string>> {
  const everything = { fromMs: undefined, toMs: undefined, database: undefined, user: undefined };
  const reasons = new Map<string, string>();
  for (let cursor = 0, isDone = false; !isDone;) {
    const page = await device.api.audit(tenantId, cursor, everything);
    for (const { commitHash, reason } of page.steps) reasons.set(commitHash, reason);
    ({ cursor, isDone } = page);
  }
  return reasons;
}

it("a flood of commits that do not hold is counted, listed as far as a page can use, and in nobody's way", async () => {
  const { proof, victim, villain } = stage;
  const { api } = victim.device;
  await api.createDocuments(victim.database, [{ name: "before" }]);
  await api.revokeUser(victim.tenantId, villain.author, proof);
  const flood: Commit[] = [];
  for (let n = 0; n < floodCount; n++) {
    const writerNonce = villain.nonce();
    flood.push(await villain.seal({ writerNonce, entries: [villain.create(writerNonce, 0, { n }).entry] }));
  }
  await bring(victim, flood);
  await eventually(() => tenantOf(victim)?.status).toMatchObject({
    unjudgedCount: 0,
    quarantinedCount: floodCount,
  });
  const hashes = new Set<string>(flood.map(({ commitHash }) => commitHash));
  const shown = async (replica: Replica): Promise<void> => {
    const quarantine = tenantOf(replica)?.quarantine ?? [];
    expect(quarantine.length).toBe(listed);
    expect(new Set(quarantine.map(({ commitHash }) => commitHash)).size).toBe(listed);
    for (const { commitHash, reason } of quarantine)
      expect([hashes.has(commitHash), reason]).toEqual([true, "revoked"]);
    // Nothing of it is lost: who asks for all of it is told all of it.
    const reasons = await auditedReasons(replica);
    expect([...hashes].filter((hash) => reasons.get(hash) === "revoked").length).toBe(floodCount);
  };
  await shown(victim);
  await api.createDocuments(victim.database, [{ name: "after" }]);
  expect([...(await stateOf(victim)).values()]).toEqual(
    expect.arrayContaining([{ name: "before" }, { name: "after" }]),
  );
  expect((await stateOf(victim)).size).toBe(2);
  const again = await reopen(victim, "staple orbit lantern");
  await eventually(() => tenantOf(again)?.status.quarantinedCount).toBe(floodCount);
  await shown(again);
});
