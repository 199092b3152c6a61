/** Chunks of files on a simulated network, with a note of what became of each request. */
import { bytesToBase64url, bytesToUtf8, CofferError, concatBytes, utf8ToBytes } from "../std/index.ts";
import type { ChunkRequest, ChunkTransport } from "../sync/index.ts";
import type { Random } from "./pcg32.ts";
import type { SimWorkerEnv } from "./sim-env.ts";
import type { Ask } from "./sim-network.ts";

/** What the network did to a request about a chunk. */
export type ChunkFault = "lost" | "refused" | "deaf" | "cut" | "short" | "portal";

/** What became of one request about a chunk. */
export interface ChunkNote {
  /** the device that asked */
  readonly device: string;
  readonly method: "GET" | "PUT";
  /** what it was about: the hash, and for a PUT the entry that names it */
  readonly name: string;
  /** its bytes set out for the server */
  hasTravelled: boolean;
  fault: ChunkFault | undefined;
  /** `undefined` while nobody was told how it ended: whoever asked may be gone */
  outcome: "ok" | "failed" | undefined;
}

type Carry = (request: Ask) => Promise<void>;

/** The chunks of files as one worker moves them. */
export function openSimChunks(worker: SimWorkerEnv, carry: Carry, notes: ChunkNote[]): ChunkTransport {
  const [device = ""] = worker.name.split(".");
  const ask = async <T>(
    about: Pick<ChunkNote, "method" | "name">,
    request: ChunkRequest,
    { read, ...more }: Pick<Ask, "path" | "body"> & { readonly read: (bytes: Uint8Array<ArrayBuffer>) => T },
  ): Promise<T> => {
    const note: ChunkNote = { ...about, device, hasTravelled: false, fault: undefined, outcome: undefined };
    notes.push(note);
    const { signal, token } = request;
    const headers = {
      "content-type": "application/octet-stream",
      authorization: `Bearer ${bytesToBase64url(token)}`,
    };
    const taken: Uint8Array[] = [];
    try {
      await carry({
        ...more,
        method: about.method,
        headers,
        signal,
        note,
        onChunk: (chunk) => void taken.push(chunk),
      });
      const answer = read(concatBytes(...taken));
      note.outcome = "ok";
      return answer;
    } catch (error) {
      note.outcome = "failed";
      throw error;
    }
  };
  const pathOf = ({ hash, tenantId }: ChunkRequest): string =>
    `/v1/t/${tenantId}/blob/${bytesToBase64url(hash)}`;
  return {
    put: (request) => {
      const name = `${bytesToBase64url(request.hash)} ${request.query}`;
      const more = { path: `${pathOf(request)}?${request.query}`, body: request.body, read: parseJson };
      return ask({ method: "PUT", name }, request, more);
    },
    get: (request) => {
      const about = { method: "GET", name: bytesToBase64url(request.hash) } as const;
      return ask(about, request, { path: pathOf(request), read: (bytes) => bytes });
    },
  };
}

/** Read JSON that came over the network. @throws `protocol/malformed` */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(bytesToUtf8(bytes) ?? "") as unknown;
  } catch {
    throw new CofferError("protocol/malformed", { reason: "json" });
  }
}

/** What something between a device and its server answers in its place: it looks like a receipt. */
export function portalAnswer(random: Random): Uint8Array<ArrayBuffer> {
  return utf8ToBytes(JSON.stringify({ receipt: bytesToBase64url(random.bytes(64)) }));
}
