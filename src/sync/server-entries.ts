/** The specification's calls on a server's log, by HTTP; see entry-store.ts. What a server answers is verified as what a peer brings. */
import { concatBytes, CofferError, type DbId, type Env, type TenantId } from "../std/index.ts";
import type { Crypto } from "../crypto/index.ts";
import { authenticate, type SessionToken, type Signer } from "./auth.ts";
import { createEntryReader, type EntryReader } from "./entry-store.ts";
import type { HttpTransport } from "./transport.ts";

/** Which log of which server, and who asks. */
export interface ServerEntriesOptions {
  readonly env: Pick<Env, "nowMs">;
  readonly crypto: Pick<Crypto, "sha256" | "verify" | "sign" | "randomBytes">;
  readonly http: HttpTransport;
  readonly tenantId: TenantId;
  readonly dbId: DbId;
  readonly signer: Signer;
  /** the key that this server is known by, 32 bytes */
  readonly readServerKey: () => Promise<Uint8Array>;
}

/** a token is not used in the last moment of its life */
const earlierMs = 30_000;

/** Look at one database of a server as a store that can be read. @throws in its calls also `access/…`, `net/…` */
export function createServerEntries(options: ServerEntriesOptions): EntryReader {
  const { crypto, dbId, env, http, tenantId } = options;
  let session: { readonly token: SessionToken["token"]; readonly untilMs: number } | undefined;
  const tokenNow = async (): Promise<Uint8Array> => {
    if (session === undefined || session.untilMs <= env.nowMs()) {
      const serverKey = await options.readServerKey();
      const target = { tenantId, serverKey };
      const { token, expiresInMs } = await authenticate(http, crypto, options.signer, target);
      session = { token, untilMs: env.nowMs() + expiresInMs - earlierMs };
    }
    return session.token;
  };
  return createEntryReader({
    crypto,
    tenantId,
    dbId,
    async ask(body) {
      const chunks: Uint8Array[] = [];
      const onChunk = (chunk: Uint8Array): void => void chunks.push(chunk);
      const token = await tokenNow();
      try {
        await http.exchange({ tenantId, token, body, onChunk, endpoint: "entries" });
      } catch (error) {
        if (error instanceof CofferError && error.code.startsWith("access/")) session = undefined;
        throw error;
      }
      return concatBytes(...chunks);
    },
  });
}
