import { afterEach, beforeEach, expect, it } from "vitest";
import { isCofferError } from "../std/index.ts";
import { openCofferWith } from "./coffer.ts";
import { loadMore } from "./lazy.ts";
import type { Coffer, Tenant } from "./types.ts";
import { createWorld, settle, type FakeWorld } from "./worker-fixtures.ts";

let world: FakeWorld;
let coffer: Coffer;
let tenant: Tenant;

beforeEach(async () => {
  await loadMore();
  world = createWorld();
  coffer = await openCofferWith(world);
  tenant = await coffer.openTenant("acme", { password: "secret" });
  world.backup.pieces = [Uint8Array.of(1), Uint8Array.of(2, 3)];
});
afterEach(async () => coffer.close());

const callsOf = (name: string): string[] => world.calls.filter((call) => call.startsWith(`${name}(`));

async function codeOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "fulfilled";
  } catch (cause) {
    return isCofferError(cause) ? cause.code : `not a CofferError: ${String(cause)}`;
  }
}

it("exports what a summary lacks, as bytes or as a file, or everything, piece by piece", async () => {
  const summary = await tenant.summarize();
  expect(summary).toEqual(Uint8Array.of(5, 6));
  const stream = tenant.exportBundle({ since: new Blob([new Uint8Array(summary)]) });
  await settle();
  expect(callsOf("openBundleExport")).toEqual([]);
  expect([...(await new Response(stream).bytes())]).toEqual([1, 2, 3]);
  expect(callsOf("openBundleExport")[0]).toContain('{"bytes":2}');
  world.backup.readCount = 0;
  const whole = tenant.exportBundle().getReader();
  await whole.read();
  await whole.cancel();
  await settle();
  expect(callsOf("openBundleExport")[1]).not.toContain("bytes");
  expect(world.backup.aborted).toEqual([17]);
});

it("says and asks how much of files goes into it: 64 MiB where nothing is said", async () => {
  const asked: number[] = [];
  for (const files of [undefined, true, false, 5000])
    asked.push((await tenant.measureBundle(files === undefined ? {} : { files })).fileBytes);
  expect(asked).toEqual([64 * 1024 * 1024, Number.MAX_SAFE_INTEGER, 0, 5000]);
  await tenant.exportBundle({ files: 77 }).getReader().read();
  await tenant.exportBundle().getReader().read();
  const [some = "", usual = ""] = callsOf("openBundleExport");
  expect(some).toContain("77");
  expect(usual).toContain("67108864");
  expect(await codeOf(tenant.measureBundle({ signal: AbortSignal.abort() }))).toBe("aborted");
});

it("refuses a summary that cannot be one before it is read", async () => {
  const since = new Blob([new Uint8Array(8 * 1024 * 1024 + 1)]);
  expect(await codeOf(tenant.exportBundle({ since }).getReader().read())).toBe("input/too-large");
  expect(callsOf("openBundleExport")).toEqual([]);
});

it("takes a bundle in piece by piece, tells how far it is, and gives it up with its signal", async () => {
  const progress: unknown[] = [];
  const file = new Blob([new Uint8Array(1_500_000)]);
  const report = await tenant.importBundle(file, { onProgress: (now) => progress.push(now) });
  expect(report).toMatchObject({ newCount: 1, refusedCount: 1 });
  expect(progress.at(-1)).toMatchObject({ sizeBytes: 1_500_000 });
  const controller = new AbortController();
  world.beforeCall = async (name) => {
    if (name === "writeImport") controller.abort();
  };
  expect(await codeOf(tenant.importBundle(file, { signal: controller.signal }))).toBe("aborted");
  await settle();
  expect(world.backup.aborted).toEqual([18]);
});
