import { describe, expect, it } from "vitest";
import { bytesToId, CofferError } from "../../src/std/index.ts";
import { answerReconcile, ReconcileSet, type ReconcileItem } from "../../src/sync/index.ts";
import { compareLog, type CompareParts } from "../src/forward-compare.ts";
import { idToCommitHash, type LogSet } from "../src/log-sets.ts";
import { createDbId, crypto } from "./fixtures.ts";

const tenantId = bytesToId("TenantId", crypto.randomBytes(32));
const dbId = createDbId();
const everything = [{ from: 0, to: Number.MAX_SAFE_INTEGER }];

const items = Array.from({ length: 3000 }, (_, seq): ReconcileItem => ({
  timeMs: 1_700_000_000_000 + 1000 * Math.floor(seq / 3),
  hash: crypto.randomBytes(32),
}));
const nameOf = ({ hash }: ReconcileItem) => idToCommitHash(hash);

const logOf = (some: readonly ReconcileItem[]): LogSet => ({
  set: ReconcileSet.of(some),
  seqByHash: new Map(some.map((item, seq) => [nameOf(item), seq])),
  incomplete: new Set(),
});

type Compare = CompareParts["link"]["compare"];

/** How a server with these commits answers, and how often it was asked. */
function serverWith(some: readonly ReconcileItem[], incomplete: readonly ReconcileItem[] = []) {
  const set = ReconcileSet.of(some);
  const asked = { count: 0 };
  const compare: Compare = async (_, { ranges, salt }) => {
    asked.count++;
    return {
      farEpoch: 7,
      ranges: answerReconcile(crypto, set, salt, ranges).ranges,
      incomplete: incomplete.map(nameOf),
    };
  };
  return { asked, compare };
}

const compareWith = (compare: Compare, own: readonly ReconcileItem[] = items) =>
  compareLog({ crypto, link: { compare }, logSets: { read: async () => logOf(own) } }, tenantId, dbId);

describe("what another server lacks of a log", () => {
  it.each([
    ["nothing", (_: number) => true],
    ["its end", (seq: number) => seq < 2900],
    ["every other one", (seq: number) => seq % 2 === 0],
    ["all but few", (seq: number) => seq === 5 || seq === 2000],
    ["everything", (_: number) => false],
  ])("is found where it is %s, whatever it has beside", async (_, has) => {
    const beside = Array.from({ length: 40 }, (__, at) => ({
      timeMs: 1_700_000_000_000 + 9000 * at,
      hash: crypto.randomBytes(32),
    }));
    const { asked, compare } = serverWith([...items.filter((__, seq) => has(seq)), ...beside]);
    const { farEpoch, lacking } = await compareWith(compare);
    expect(farEpoch).toBe(7);
    const found = lacking.flatMap(({ from, to }) => Array.from({ length: to - from }, (__, at) => from + at));
    expect(found).toEqual([...items.keys()].filter((seq) => !has(seq)));
    expect(asked.count).toBeLessThanOrEqual(6);
  });

  it("is what it has without ciphertexts too, of this log", async () => {
    const stranger = { timeMs: 0, hash: crypto.randomBytes(32) };
    const { compare } = serverWith(items, [items[77] ?? expect.fail(), stranger]);
    expect((await compareWith(compare)).lacking).toEqual([{ from: 77, to: 78 }]);
    expect((await compareWith(serverWith([]).compare, [])).lacking).toEqual([]);
  });

  it("is everything, where it does not know the question, does not come to an end, or begins anew meanwhile", async () => {
    const old: Compare = async () => {
      throw new CofferError("protocol/malformed");
    };
    expect(await compareWith(old)).toEqual({ farEpoch: undefined, lacking: everything });
    const { compare } = serverWith([]);
    let rounds = 0;
    // Says of everything that it is different, for ever.
    const endless: Compare = async (tenant, asked) => {
      rounds++;
      const { set } = logOf(items.map((item) => ({ ...item, hash: crypto.randomBytes(32) })));
      const fingerprint = crypto.randomBytes(12);
      const answer = await compare(tenant, asked);
      const upTo = set.boundAt(set.size);
      return { ...answer, ranges: [{ upTo, mode: "fingerprint", fingerprint }] };
    };
    expect(await compareWith(endless)).toEqual({ farEpoch: 7, lacking: everything });
    expect(rounds).toBeLessThanOrEqual(24);
    let epoch = 7;
    const anew: Compare = async (tenant, asked) => ({
      ...(await endless(tenant, asked)),
      farEpoch: epoch++,
    });
    expect(await compareWith(anew)).toEqual({ farEpoch: 8, lacking: everything });
    const away: Compare = async () => {
      throw new CofferError("net/failed");
    };
    await expect(compareWith(away)).rejects.toMatchObject({ code: "net/failed" });
  });
});
