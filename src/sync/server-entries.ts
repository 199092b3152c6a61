/** The specification's calls on a server's log, by HTTP; see entry-store.ts. What a server answers is verified as what a peer brings. */
import { concatBytes, type DbId } from "../std/index.ts";
import type { Crypto } from "../crypto/index.ts";
import { createAsMember, type MemberOptions } from "./as-member.ts";
import { createEntryReader } from "./entry-store.ts";
import type { LogReader } from "./store-types.ts";
import type { HttpTransport } from "./transport.ts";

/** Which log of which server, and who asks. */
export interface ServerEntriesOptions extends MemberOptions {
  readonly crypto: Pick<Crypto, "sha256" | "verify" | "sign" | "randomBytes">;
  readonly http: HttpTransport;
  readonly dbId: DbId;
}

/** Look at one database of a server as a store that can be read. @throws in its calls also `access/…`, `net/…` */
export function createServerEntries(options: ServerEntriesOptions): LogReader {
  const { crypto, dbId, http, tenantId } = options;
  const asMember = createAsMember(options);
  return createEntryReader({
    crypto,
    tenantId,
    dbId,
    ask: (body) =>
      asMember(async (token) => {
        const chunks: Uint8Array[] = [];
        const onChunk = (chunk: Uint8Array): void => void chunks.push(chunk);
        await http.exchange({ tenantId, token, body, onChunk, endpoint: "entries" });
        return concatBytes(...chunks);
      }),
  });
}
