import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  addReplica,
  eventually,
  logOf,
  setStage,
  type Replica,
  type Stage,
} from "../../worker/attack-fixtures.ts";
import { commitOf, inOrder, parsedReport, reportOf, signedReport } from "../../worker/audit-fixtures.ts";
import { closeDevices, crypto } from "../../worker/device-fixtures.ts";
import { serveEachTest } from "../../worker/server-fixtures.ts";
import { verifyAuditReport, type AuditedLog } from "../audit.ts";
import type { ReportCommit, ReportLog, ReportParts, ReportServer } from "../audit/report.ts";
import { encodeCommit } from "../entry/index.ts";
import { bytesToId, idToBytes, type CommitHash } from "../std/index.ts";
import { signHead } from "../sync/index.ts";

const server = serveEachTest();
let stage: Stage;

beforeEach(async () => {
  stage = await setStage();
});
afterEach(closeDevices);

/** Publish the tenant, write some documents, and bring everything to the server and its head back. */
async function linked(): Promise<void> {
  const { proof, victim } = stage;
  const { api } = victim.device;
  await api.publish(victim.tenantId, server.url, proof);
  await api.connect(victim.tenantId, server.url);
  for (let n = 0; n < 3; n++) await api.createDocuments(victim.database, [{ n }]);
  await synced(victim);
}

async function synced({ device, tenantId }: Replica): Promise<void> {
  await eventually(async () =>
    device.api.sync(tenantId, server.url).then(
      () => "done",
      (error: { code?: string }) => error.code,
    ),
  ).toBe("done");
}

async function logsOf(report: Uint8Array): Promise<readonly AuditedLog[]> {
  const verdict = await verifyAuditReport(report, { tenantId: stage.victim.tenantId });
  if (verdict.kind !== "verified") throw new Error(`refused: ${verdict.reason}`);
  return verdict.logs;
}

const said = async (parts: Omit<ReportParts, "signed" | "signature">): Promise<string> => {
  const report = await signedReport(parts, stage.villain);
  const verdict = await verifyAuditReport(report, { tenantId: stage.victim.tenantId });
  return verdict.kind === "refused" ? verdict.reason : verdict.kind;
};

describe("what a server signed", () => {
  it("is in a report, with the commits under each head in their order", async () => {
    await linked();
    const { victim } = stage;
    const logs = await logsOf(await reportOf(victim));
    const held = await logOf(victim);
    expect(logs.map(({ beyond, isProven, missing }) => [isProven, missing, beyond])).toEqual([
      [true, [], []],
      [true, [], []],
    ]);
    for (const { databaseId, size } of logs)
      expect(size).toBe(held.filter(({ header }) => header.dbId === databaseId).length);
    const { serverKey } = (await (await fetch(`${server.url}/sync/capabilities`)).json()) as {
      serverKey: string;
    };
    expect(new Set(logs.map((log) => log.serverKey))).toEqual(new Set([serverKey]));
    expect(new Set(logs.map((log) => log.address))).toEqual(new Set([server.url]));
  });

  it("is refused with any bit of it changed", async () => {
    await linked();
    const report = await reportOf(stage.victim);
    const withoutIt = await signedReport({ ...parsedReport(report), servers: [] }, stage.villain);
    // Its part ends the report, before the signature of 64 bytes.
    for (let at = withoutIt.length - 65; at < report.length; at++) {
      const changed = report.slice();
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      const verdict = await verifyAuditReport(changed, { tenantId: stage.victim.tenantId });
      expect(verdict).toMatchObject({
        kind: "refused",
        reason: expect.stringMatching(/^(malformed|signature)$/) as unknown,
      });
    }
  });

  it("is there without the order while the server cannot be asked, and not at all without a server", async () => {
    expect(await logsOf(await reportOf(stage.victim))).toEqual([]);
    await linked();
    await server.stop();
    const logs = await logsOf(await reportOf(stage.victim));
    expect(logs.map(({ isProven, missing }) => [isProven, missing])).toEqual([
      [false, []],
      [false, []],
    ]);
    await server.start();
  });
});

/** A report with its parts changed; what the logs say is about the commits by their places. */
function relinked(parts: ReportParts, commits: readonly ReportCommit[]): readonly ReportServer[] {
  const placesBefore = [...parts.line, ...parts.commits].map((one) => commitOf(one).commitHash);
  const places = new Map([...parts.line, ...commits].map((one, at) => [commitOf(one).commitHash, at]));
  const moved = (leaf: number | CommitHash): number | CommitHash => {
    const hash = typeof leaf === "number" ? placesBefore[leaf] : leaf;
    if (hash === undefined) throw new Error("no such place");
    return places.get(hash) ?? hash;
  };
  return parts.servers.map((one) => ({
    ...one,
    logs: one.logs.map((log) => ({ ...log, leaves: log.leaves?.map(moved) })),
  }));
}

describe("an exporter who lies about servers", () => {
  it("cannot leave out a commit that nobody follows, without its hash being told as missing", async () => {
    await linked();
    const parts = parsedReport(await reportOf(stage.victim));
    const last = parts.commits.at(-1);
    if (last === undefined) throw new Error("no commit");
    const commits = parts.commits.slice(0, -1);
    const shorter = { ...parts, commits, servers: relinked(parts, commits) };
    const logs = await logsOf(await signedReport(shorter, stage.villain));
    expect(logs.flatMap(({ missing }) => missing)).toEqual([commitOf(last).commitHash]);
    const hushed = shorter.servers.map((one) => ({
      ...one,
      logs: one.logs.map((log) => ({
        ...log,
        leaves: log.leaves?.filter((leaf) => typeof leaf === "number"),
      })),
    }));
    // With one leaf less the reader runs out of its bytes, or into the next ones.
    expect(["malformed", "head"]).toContain(await said({ ...shorter, servers: hushed }));
    const line = parts.line.slice(0, -1);
    expect(await said({ ...parts, line })).not.toBe("verified");
  });

  it("cannot put in a commit without its being told as beyond the head", async () => {
    await linked();
    const { victim, villain } = stage;
    const parts = parsedReport(await reportOf(victim));
    const writerNonce = villain.nonce();
    const made = await villain.seal({ writerNonce, entries: [villain.create(writerNonce, 0, {}).entry] });
    const bare = encodeCommit({
      ...made,
      entries: made.entries.map(({ entryHash, header }) =>
        header === undefined ? { entryHash } : { entryHash, header },
      ),
    });
    const commits = inOrder([...parts.commits, { verdict: "waiting", reason: "", refused: "", bytes: bare }]);
    const logs = await logsOf(
      await signedReport({ ...parts, commits, servers: relinked(parts, commits) }, villain),
    );
    expect(logs.flatMap(({ beyond }) => beyond)).toEqual([made.commitHash]);
    expect(logs.flatMap(({ missing }) => missing)).toEqual([]);
  });

  it("cannot change a head, its order, or whose it is", async () => {
    await linked();
    const parts = parsedReport(await reportOf(stage.victim));
    const [one] = parts.servers;
    if (one === undefined) throw new Error("no server");
    const biggest = one.logs.reduce((most, log) => (log.head.size > most.head.size ? log : most));
    const lie = (changed: Partial<ReportLog>): Promise<string> => {
      const logs = one.logs.map((log) => (log === biggest ? { ...log, ...changed } : log));
      return said({ ...parts, servers: [{ ...one, logs }] });
    };
    expect(await lie({})).toBe("verified");
    const { head, leaves = [] } = biggest;
    const flipped = (bytes: Uint8Array, at: number): Uint8Array =>
      bytes.map((byte, index) => (index === at ? byte ^ (1 << (at % 8)) : byte));
    for (let at = 0; at < 64; at++)
      expect(await lie({ head: { ...head, signature: flipped(head.signature, at) } })).toBe("head");
    for (let at = 0; at < 32; at++)
      expect(await lie({ head: { ...head, root: flipped(head.root, at) } })).toBe("head");
    expect(await lie({ head: { ...head, epoch: head.epoch + 1 } })).toBe("head");
    expect(await lie({ head: { ...head, timeMs: head.timeMs + 1 } })).toBe("head");
    const shorter = { ...head, size: head.size - 1 };
    expect(await lie({ head: shorter, leaves: leaves.slice(0, -1) })).toBe("head");
    expect(await lie({ head: shorter, leaves: undefined })).toBe("head");

    const [first = 0, second = 0, ...rest] = leaves;
    const hash = commitOf(parts.line[0] ?? { bytes: new Uint8Array() }).commitHash;
    const past = parts.line.length + parts.commits.length;
    const elsewhere = one.logs.find((log) => log !== biggest)?.leaves?.[0] ?? 0;
    for (const wrong of [
      [second, first, ...rest],
      [first, first, ...rest],
      [first, past, ...rest],
      [first, elsewhere, ...rest],
      [first, bytesToId("CommitHash", new Uint8Array(32)), ...rest],
      [hash, second, ...rest],
    ])
      expect(await lie({ leaves: wrong })).toBe("head");
    expect(await lie({ leaves: undefined })).toBe("verified");

    const twice = (logs: readonly ReportLog[]) => said({ ...parts, servers: [{ ...one, logs }] });
    expect(await twice([biggest, biggest])).toBe("head");
    expect(await twice(one.logs.toReversed())).toBe("head");
    expect(await said({ ...parts, servers: [one, one] })).toBe("head");
    const stranger = await crypto.createSigningPair();
    const strangers = { ...one, key: bytesToId("AuthorKey", stranger.publicKey) };
    expect(await said({ ...parts, servers: [strangers] })).toBe("head");
  });

  it("cannot show a head of another tenant, of another database or of no server", async () => {
    await linked();
    const parts = parsedReport(await reportOf(stage.victim));
    const pair = await crypto.createSigningPair();
    const [log] = parts.servers[0]?.logs ?? [];
    if (log === undefined) throw new Error("no log");
    const own = (head: ReportLog["head"]): readonly ReportServer[] => [
      {
        address: "https://sync.example",
        key: bytesToId("AuthorKey", pair.publicKey),
        logs: [{ ...log, head }],
      },
    ];
    const { tenantId } = stage.villain;
    // Whoever makes up a server of their own can sign with it: whose key it is, is for the reader to know.
    const head = await signHead(crypto, pair.privateKey, tenantId, log.head);
    expect(await said({ ...parts, servers: own(head) })).toBe("verified");
    const bytes = idToBytes(tenantId).map((byte) => byte ^ 1);
    const foreign = await signHead(crypto, pair.privateKey, bytesToId("TenantId", bytes), log.head);
    expect(await said({ ...parts, servers: own(foreign) })).toBe("head");
    const moved = { ...head, dbId: bytesToId("DbId", new Uint8Array(16)) };
    expect(await said({ ...parts, servers: own(moved) })).toBe("head");
    expect(await said({ ...parts, servers: [] })).toBe("verified");
  });
});

it("two devices of a tenant show the same heads of its server", async () => {
  await linked();
  const replica = await addReplica(stage, "cn=late/o=acme");
  await synced(stage.victim);
  await replica.device.api.connect(replica.tenantId, server.url);
  await synced(replica);
  const told = async (one: Replica) =>
    (await logsOf(await reportOf(one))).map(({ databaseId, root, size }) => [databaseId, size, root]);
  expect(await told(replica)).toEqual(await told(stage.victim));
});
