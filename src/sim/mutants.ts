/**
 * Broken products, each broken in one way that people have shipped. The oracles must catch every one of them within a few
 * seeds; an oracle that catches none proves nothing.
 */
import { decodeFrames, encodeFrames, type Frame } from "../sync/index.ts";
import { CofferError } from "../std/index.ts";
import { lineMutants } from "./line-mutants.ts";
import { createRandom } from "./pcg32.ts";
import type { SimulationOptions } from "./simulate.ts";

/** A way to be broken, and the oracles that may notice it first. */
export interface Mutant {
  readonly name: string;
  readonly oracles: readonly string[];
  readonly options: (seed: number) => SimulationOptions;
}

/** All mutants. */
export const mutants: readonly Mutant[] = [
  ...lineMutants,
  {
    name: "the store says that a commit is written and keeps nothing of it",
    oracles: ["acknowledged", "converged", "server log"],
    options: (seed) => {
      const random = createRandom(seed, 2);
      return {
        sabotage: ({ members }) => {
          for (const { device } of members) {
            device.disk.fault = {
              onWrite: (batch) => (isOwn(batch.records) && random.chance(0.2) ? undefined : batch),
            };
          }
        },
      };
    },
  },
  {
    name: "the cursor moves without the commits that it vouches for",
    oracles: ["converged", "server log"],
    options: (seed) => {
      const random = createRandom(seed, 2);
      return {
        sabotage: ({ members }) => {
          for (const { device } of members) {
            device.disk.fault = {
              onWrite: (batch) =>
                isPulled(batch.records) && random.chance(0.3) ? { ...batch, records: [] } : batch,
            };
          }
        },
      };
    },
  },
  {
    name: "the server acknowledges commits before they are stored, and forgets some",
    oracles: ["converged", "server log", "alarms", "acknowledged"],
    options: (seed) => {
      const random = createRandom(seed, 2);
      return {
        sabotage: ({ server }) => {
          server.fault = {
            onAppend: ({ commits }) =>
              random.chance(0.2)
                ? {
                    kind: "appended",
                    results: commits.map((_, index) => ({ status: "stored", seq: 1000 + index })),
                  }
                : undefined,
          };
        },
      };
    },
  },
  {
    name: "a refused commit is taken for an accepted one",
    oracles: ["converged", "server log", "alarms"],
    options: (seed) => {
      const random = createRandom(seed, 2);
      return {
        sabotage: ({ scheduler, server, network }) => {
          const endsAtMs = scheduler.nowMs + 10_000;
          const isRefused = (): boolean => scheduler.nowMs < endsAtMs && random.chance(0.9);
          server.fault = { onAppend: () => (isRefused() ? { kind: "stale" } : undefined) };
          network.fault = { onAnswer: acceptEverything };
        },
      };
    },
  },
  {
    name: "pushes are lost on their way and acknowledged all the same",
    oracles: ["converged", "server log", "alarms"],
    options: (seed) => {
      const random = createRandom(seed, 2);
      return {
        sabotage: ({ server }) => {
          server.fault = {
            onAppend: ({ commits }) =>
              random.chance(0.3)
                ? {
                    kind: "appended",
                    results: commits.map((_, index) => ({ status: "present", seq: index })),
                  }
                : undefined,
          };
        },
      };
    },
  },
  {
    name: "the server stores a commit twice",
    oracles: ["converged", "server log", "alarms"],
    options: () => ({ sabotage: ({ server }) => void (server.fault = { doubles: true }) }),
  },
  {
    name: "documents are encrypted with a cipher that does nothing",
    oracles: ["secrecy"],
    options: () => ({
      mutateCrypto: (crypto) => ({
        ...crypto,
        encrypt: async (_key, _nonce, plaintext) => new Uint8Array([...plaintext, ...new Uint8Array(16)]),
        decrypt: async (_key, _nonce, ciphertext) => ciphertext.slice(0, -16),
      }),
    }),
  },
  {
    name: "a key's secret travels with what it signs",
    oracles: ["secrecy"],
    options: () => ({
      sabotage: ({ network, secrets }) => {
        network.fault = {
          onAnswer: (bytes) => (network.crossed.push(...[...secrets.values()].slice(0, 1)), bytes),
        };
      },
    }),
  },
  {
    name: "an edit that fails is answered as if it were done",
    oracles: ["acknowledged", "converged"],
    options: (seed) => {
      const random = createRandom(seed, 2);
      return {
        sabotage: ({ members }) => {
          for (const { device } of members) {
            for (const tab of device.tabs) {
              const changeDocument = tab.api.changeDocument.bind(tab.api);
              Object.assign(tab.api, {
                changeDocument: async (...args: Parameters<typeof changeDocument>) =>
                  random.chance(0.3) ? { heads: [], update: {} } : changeDocument(...args),
              });
            }
          }
        },
      };
    },
  },
  {
    name: "a worker leaves a timer and a rejected promise behind",
    oracles: ["quiet", "rejections"],
    options: () => ({
      sabotage: ({ members }) => {
        for (const { device } of members) {
          const [tab] = device.tabs;
          if (tab === undefined) continue;
          const again = (): void => void tab.env.setTimer(5000, again);
          again();
          tab.env.setTimer(100, () => void Promise.reject(new CofferError("net/failed")));
        }
      },
    }),
  },
];

type Records = readonly { readonly origin: string }[] | undefined;

function isOwn(records: Records): boolean {
  return (records ?? []).some(({ origin }) => origin === "");
}

function isPulled(records: Records): boolean {
  return (records ?? []).some(({ origin }) => origin !== "");
}

/** An answer in which every commit that was pushed is accepted. What is not whole frames passes as it is. */
function acceptEverything(bytes: Uint8Array): Uint8Array {
  const frames = decodeFrames(bytes);
  if (frames === undefined || !frames.some(({ type }) => type === "ack")) return bytes;
  const accepted = frames.map((frame): Frame => {
    if (frame.type !== "ack") return frame;
    return {
      ...frame,
      results: frame.results.map((result) => ({ ...result, status: "accepted", code: undefined })),
    };
  });
  return encodeFrames(accepted);
}
