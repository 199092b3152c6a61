import { expect, it } from "vitest";
import type { AuditStep, WorkerApi } from "../../worker/api.ts";
import { audit, exportAudit } from "./audit.ts";
import type { Session } from "./session.ts";

const step = (commitHash: string): AuditStep => ({
  commitHash,
  author: "ada",
  atMs: 1,
  databaseId: "db",
  database: undefined,
  verdict: "accepted",
  reason: "",
  refused: "",
  verified: true,
  chain: "whole",
  deeds: [],
});

function open(api: Partial<WorkerApi>) {
  const session = { call: async (run: (worker: WorkerApi) => unknown) => run(api as WorkerApi) };
  return { id: "t1", session: session as unknown as Session };
}

async function hashesOf(steps: AsyncIterable<AuditStep>): Promise<string[]> {
  const hashes: string[] = [];
  for await (const { commitHash } of steps) hashes.push(commitHash);
  return hashes;
}

const pages = [
  { steps: [step("a"), step("b")], cursor: 64, isDone: false },
  { steps: [], cursor: 128, isDone: false },
  { steps: [step("c")], cursor: 130, isDone: true },
];

it("tells all pages, also behind one without steps, and asks for what was asked for", async () => {
  const asked: unknown[] = [];
  const tenant = open({
    audit: async (...question) => {
      asked.push(question);
      return pages[asked.length - 1] ?? { steps: [], cursor: 0, isDone: true };
    },
  });
  const options = { from: new Date(5), to: 9, database: "films", user: "ada" };
  expect(await hashesOf(audit(tenant, options))).toEqual(["a", "b", "c"]);
  const query = { fromMs: 5, toMs: 9, database: "films", user: "ada" };
  expect(asked).toEqual([0, 64, 128].map((cursor) => ["t1", cursor, query]));
  await expect(hashesOf(audit(tenant, { from: new Date(Number.NaN) }))).rejects.toMatchObject({
    code: "input/invalid",
  });
});

it("ends with its signal between two steps", async () => {
  const ending = new AbortController();
  const tenant = open({ audit: async () => ({ steps: [step("a"), step("b")], cursor: 2, isDone: false }) });
  const seen: string[] = [];
  const run = async (): Promise<void> => {
    for await (const { commitHash } of audit(tenant, { signal: ending.signal })) {
      seen.push(commitHash);
      ending.abort();
    }
  };
  await expect(run()).rejects.toMatchObject({ code: "aborted" });
  expect(seen).toEqual(["a"]);
});

it("makes a file of a report's pieces, and gives it up in the worker when it is not wanted any more", async () => {
  const pieces = [Uint8Array.of(1, 2), Uint8Array.of(3)];
  const given: number[] = [];
  const names: boolean[] = [];
  const ending = new AbortController();
  const tenant = open({
    openAuditReport: async (_tenant, shown) => {
      names.push(shown);
      return 7;
    },
    readExport: async () => pieces.shift(),
    abortBackup: async (id) => void given.push(id),
  });
  const progress: number[] = [];
  const report = await exportAudit(tenant, {
    names: true,
    onProgress: ({ sizeBytes }) => progress.push(sizeBytes),
  });
  expect([...new Uint8Array(await report.arrayBuffer())]).toEqual([1, 2, 3]);
  expect([progress, given]).toEqual([[2, 3], []]);
  pieces.push(Uint8Array.of(1), Uint8Array.of(2));
  const broken = exportAudit(tenant, { signal: ending.signal, onProgress: () => ending.abort() });
  await expect(broken).rejects.toMatchObject({ code: "aborted" });
  expect([given, names]).toEqual([[7], [true, false]]);
});
