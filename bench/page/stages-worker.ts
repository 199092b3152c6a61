/** A worker that measures the stages of an import, of single writes, or the derivation of a key from a password, without the rest of the product. */
import { createFastHash, createWebCrypto } from "../../src/crypto/index.ts";
import { loadAutomerge } from "../../src/doc/index.ts";
import { createSystemEnv } from "../../src/std/index.ts";
import { createDexieStorage } from "../../src/store/index.ts";
import { answerOnce } from "./ask.ts";
import { makeRows } from "./rows.ts";
import { measureSingleStages, type SingleStageTimes } from "./single-stages.ts";
import { measureStages, type StageTimes } from "./stages.ts";

export type StagesQuestion =
  | { readonly kind: "stages"; readonly storeName: string; readonly count: number; readonly wasmUrl: string }
  | { readonly kind: "single"; readonly storeName: string; readonly count: number }
  | { readonly kind: "echo" }
  | { readonly kind: "password" };

export interface StagesAnswer extends StageTimes {
  /** fetching, compiling and starting Automerge's wasm, once for each worker */
  readonly wasmMs: number;
}

async function stages({
  storeName,
  count,
  wasmUrl,
}: Extract<StagesQuestion, { kind: "stages" }>): Promise<StagesAnswer> {
  const env = createSystemEnv();
  const store = await createDexieStorage(env).openStore(storeName);
  const startMs = performance.now();
  await loadAutomerge(new URL(wasmUrl, self.location.href).href);
  const wasmMs = performance.now() - startMs;
  const hash = createFastHash();
  await hash.settled;
  const times = await measureStages(makeRows(count), { crypto: createWebCrypto(env, hash.sha256), store });
  await store.destroy();
  return { ...times, wasmMs };
}

/** One derivation with the parameters that the product gives to a new password. */
async function derivePassword(): Promise<{ ms: number }> {
  const crypto = createWebCrypto(createSystemEnv());
  const startMs = performance.now();
  await crypto.deriveFromPassword("correct horse battery staple", crypto.createKdfParameters());
  return { ms: performance.now() - startMs };
}

answerOnce<StagesQuestion, StagesAnswer | SingleStageTimes | { ms: number }>(async (question) => {
  switch (question.kind) {
    case "stages":
      return stages(question);
    case "single":
      return measureSingleStages(question.storeName, question.count);
    case "password":
      return derivePassword();
    case "echo":
      return { ms: 0 };
  }
});
