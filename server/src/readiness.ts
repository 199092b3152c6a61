import { bytesToId, CofferError, toCofferError, type Env } from "../../src/std/index.ts";
import type { RelayReader } from "./storage.ts";

/** Whether new callers should be sent to this server. */
export interface Readiness {
  /** What stands against it: `store/closed` before the server stops, else what the storage says, or `net/timeout`. */
  unready(): Promise<CofferError | undefined>;
  drain(): void;
}

const patienceMs = 2000;
const nobody = bytesToId("TenantId", new Uint8Array(32));

/** Ask the storage whenever somebody wants to know; many who ask at once share one question. */
export function createReadiness(
  env: Pick<Env, "setTimer">,
  storage: Pick<RelayReader, "readTenant">,
): Readiness {
  let isDraining = false;
  let asking: Promise<CofferError | undefined> | undefined;

  async function ask(): Promise<CofferError | undefined> {
    return new Promise((resolve) => {
      const stopTimer = env.setTimer(patienceMs, () => resolve(new CofferError("net/timeout")));
      storage
        .readTenant(nobody)
        .then(
          () => resolve(undefined),
          (cause: unknown) => resolve(toCofferError(cause, "store/failed")),
        )
        .finally(stopTimer);
    });
  }

  return {
    async unready() {
      if (isDraining) return new CofferError("store/closed", { message: "The server is shutting down." });
      asking ??= ask().finally(() => (asking = undefined));
      return asking;
    },
    drain: () => void (isDraining = true),
  };
}
