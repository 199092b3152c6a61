/** The calls about keys which members hand to each other. */
import { exportKey, importKey } from "../src/tenant/index.ts";
import type { WorkerHost } from "./host.ts";
import type { KeyExportCalls } from "./key-export-api.ts";
import { readString, readText } from "./page-messages.ts";

/** Answer the calls about exported keys. */
export function keyExportCalls(host: WorkerHost): KeyExportCalls {
  return {
    async exportKey(tenantId, name, password) {
      const session = host.tenant(tenantId);
      const read = readText(name, "name");
      return exportKey(session.core, read, readString(password, "password"));
    },

    async importKey(tenantId, uri, password) {
      const session = host.tenant(tenantId);
      const [text, secret] = [readText(uri, "uri"), readString(password, "password")];
      const name = await session.exclusive(() => importKey(session.core, text, secret));
      session.touch();
      await session.recheck();
      return name;
    },
  };
}
