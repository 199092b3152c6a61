/** The calls about sealing documents anew: some with each step, as the page asks for them. */
import { CofferError } from "../src/std/index.ts";
import { resealDocuments, Serial, type ResealProgress } from "../src/tenant/index.ts";
import type { WorkerApi } from "./api.ts";
import type { WorkerHost } from "./host.ts";
import { readText } from "./page-messages.ts";

type ResealCalls = Pick<WorkerApi, "openReseal" | "stepReseal" | "closeReseal">;

/** What a page can have under way; more is a page that has lost count. */
const maxOpen = 16;

interface Reseal {
  readonly steps: AsyncGenerator<ResealProgress, void>;
  readonly calls: Serial;
}

/** Answer the calls about sealing anew. */
export function resealCalls(host: WorkerHost): ResealCalls {
  const open = new Map<number, Reseal>();
  let lastId = 0;
  return {
    async openReseal(tenantId, name) {
      const session = host.tenant(tenantId);
      if (open.size >= maxOpen) throw new CofferError("input/too-large", { open: maxOpen });
      lastId += 1;
      open.set(lastId, { steps: resealDocuments(session, readText(name, "name")), calls: new Serial() });
      return lastId;
    },

    async stepReseal(id) {
      const reseal = open.get(id);
      if (reseal === undefined) throw new CofferError("aborted");
      const step = await reseal.calls
        .run(() => reseal.steps.next())
        .catch((error: unknown) => {
          open.delete(id);
          throw error;
        });
      if (step.done !== true) return step.value;
      open.delete(id);
      return undefined;
    },

    async closeReseal(id) {
      open.delete(id);
    },
  };
}
