import { expect, it } from "vitest";
import { bytesToId, type TenantId } from "../../src/std/index.ts";
import { KeptTurns, TenantQueue } from "../src/tenant-queue.ts";

const idOf = (number: number): TenantId => {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytesToId("TenantId", bytes);
};
const [a, b, c, d] = [idOf(1), idOf(2), idOf(3), idOf(4)];

/** A queue whose turns end when they are told to, and whose pauses end by hand. */
function createWorld(atOnce: number) {
  const begun: TenantId[] = [];
  const ends = new Map<TenantId, (isMore: boolean) => void>();
  const pauses: { readonly afterMs: number; readonly end: () => void; isCancelled: boolean }[] = [];
  const queue = new TenantQueue({
    atOnce,
    env: {
      setTimer(afterMs, run) {
        const pause = { afterMs, end: run, isCancelled: false };
        pauses.push(pause);
        return () => {
          pause.isCancelled = true;
        };
      },
    },
    turn: (tenantId) => {
      begun.push(tenantId);
      return new Promise((resolve) => ends.set(tenantId, resolve));
    },
  });
  const end = async (tenantId: TenantId, isMore = false): Promise<void> => {
    ends.get(tenantId)?.(isMore);
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { begun, end, pauses, queue };
}

it("gives each tenant one turn at a time, and so many at once, in the order they came", async () => {
  const { begun, end, queue } = createWorld(2);
  for (const tenantId of [a, a, b, c, a]) queue.add(tenantId);
  expect(begun).toEqual([a, b]);
  expect(queue.size).toBe(4);
  await end(b);
  expect(begun).toEqual([a, b, c]);
  await end(c);
  // What came while its turn was running has another one.
  expect(begun).toEqual([a, b, c]);
  await end(a);
  expect(begun).toEqual([a, b, c, a]);
  await end(a);
  expect(queue.size).toBe(0);
});

it("lets one that has more wait behind the others, and forgets one that is taken out", async () => {
  const { begun, end, queue } = createWorld(1);
  for (const tenantId of [a, b, c]) queue.add(tenantId);
  queue.remove(c);
  await end(a, true);
  expect(begun).toEqual([a, b]);
  await end(b);
  expect(begun).toEqual([a, b, a]);
  await end(a);
  expect(begun).toEqual([a, b, a]);
  expect(queue.size).toBe(0);
});

it("begins nothing while it pauses, whatever comes; a pause is not made longer", async () => {
  const { begun, end, pauses, queue } = createWorld(2);
  const ended: string[] = [];
  queue.add(a);
  queue.pause(100, () => ended.push(`ended with ${begun.length}`));
  queue.pause(900, () => ended.push("the second"));
  queue.add(b);
  await end(a, true);
  expect(begun).toEqual([a]);
  expect(queue.isPaused).toBe(true);
  expect(pauses.map(({ afterMs }) => afterMs)).toEqual([100]);
  pauses[0]?.end();
  expect(ended).toEqual(["ended with 1"]);
  expect(begun).toEqual([a, b, a]);
  expect(queue.isPaused).toBe(false);
});

it("stops when the turns under way have ended, and begins none after", async () => {
  const { begun, end, pauses, queue } = createWorld(1);
  for (const tenantId of [a, b]) queue.add(tenantId);
  queue.pause(100);
  let isStopped = false;
  const stopping = queue.stop().then(() => {
    isStopped = true;
  });
  queue.add(d);
  await new Promise((resolve) => setImmediate(resolve));
  expect(isStopped).toBe(false);
  expect(pauses[0]?.isCancelled).toBe(true);
  await end(a, true);
  await stopping;
  expect(begun).toEqual([a]);
  expect(queue.size).toBe(0);
});

it("keeps what is known of the tenants that were asked for last", () => {
  const kept = new KeptTurns(() => ({ number: 0 }));
  kept.of(a).number = 1;
  kept.of(b).number = 2;
  for (let number = 10; number < 10 + 4998; number++) kept.of(idOf(number));
  kept.of(a);
  kept.of(idOf(9000));
  expect(kept.all().length).toBe(5000);
  expect(kept.of(a).number).toBe(1);
  expect(kept.of(b).number).toBe(0);
});
