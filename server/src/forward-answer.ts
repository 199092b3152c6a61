import { CofferError, idToBytes, type DbId } from "../../src/std/index.ts";
import { decodeFrames, encodeFrames, protocolVersion, type Frame } from "../../src/sync/index.ts";
import { answerReconcile } from "../../src/sync/index.ts";
import { pushTogether, type ExchangeParts } from "./exchange.ts";
import { forwardReplica } from "./forward-auth.ts";
import type { LogSets } from "./log-sets.ts";
import type { Session } from "./sessions.ts";

/** What answering needs of a relay. */
export interface ForwardAnswerParts extends ExchangeParts {
  readonly logSets: LogSets;
}

type FrameOf<Type extends Frame["type"]> = Extract<Frame, { type: Type }>;

/** of an answer: what is here without some ciphertexts */
const maxIncomplete = 256;

/**
 * Take what another server forwards: HELLO and any number of PUSH; or HELLO and one RANGES, see `forward-compare.ts`. All commits of one database are judged together, those of the directory
 * first: the cut of who was revoked may come with its past.
 *
 * @returns HEAD of the directory as it was before, an ACK for each PUSH in the order of the request, END; or HEAD, RANGES, NEED where
 *   commits of that log lack ciphertexts here, END
 * @throws `protocol/malformed`, `protocol/version`, `input/unknown-id` when the tenant is not here
 */
export async function answerForward(
  parts: ForwardAnswerParts,
  { key, tenantId }: Pick<Session, "key" | "tenantId">,
  body: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  const { asked, pushes } = readRequest(decodeFrames(body));
  const directory = await parts.directories.read(tenantId);
  const directoryDbId = directory?.state.dbId;
  const log = directoryDbId && (await parts.storage.readLog(tenantId, directoryDbId));
  if (log === undefined) throw new CofferError("input/unknown-id");
  const head = await parts.heads.headAt(tenantId, log);
  if (asked !== undefined)
    return encodeFrames([{ type: "head", ...head }, ...(await compared(parts, tenantId, asked))]);
  const replicaId = forwardReplica(parts.crypto, idToBytes(key));
  const acks = new Map<FrameOf<"push">, FrameOf<"ack">>();
  for (const together of byDatabase(pushes, log.dbId)) {
    const pushed = await pushTogether(parts, { tenantId, isForwarder: true }, replicaId, together);
    for (const [index, frame] of together.entries()) {
      const ack = pushed.acks[index];
      if (ack !== undefined) acks.set(frame, ack);
    }
    pushed.announce();
  }
  const answers = pushes.flatMap((frame) => acks.get(frame) ?? []);
  return encodeFrames([{ type: "head", ...head }, ...answers, { type: "end", more: false }]);
}

/** Answer RANGES; what the other one lacks is not handed out. */
async function compared(
  { crypto, logSets }: ForwardAnswerParts,
  tenantId: Session["tenantId"],
  { dbId, ranges, salt }: FrameOf<"ranges">,
): Promise<readonly Frame[]> {
  const { incomplete, set } = await logSets.read(tenantId, dbId);
  const answer = answerReconcile(crypto, set, salt, ranges);
  const commits = [...incomplete].slice(-maxIncomplete);
  return [
    { type: "ranges", dbId, salt, ranges: answer.ranges },
    ...(commits.length === 0 ? [] : [{ type: "need", dbId, commits } as const]),
    { type: "end", more: false },
  ];
}

interface ForwardRequest {
  readonly asked: FrameOf<"ranges"> | undefined;
  readonly pushes: readonly FrameOf<"push">[];
}

function readRequest(frames: readonly Frame[] | undefined): ForwardRequest {
  const [hello, ...rest] = frames ?? [];
  if (hello?.type !== "hello") throw new CofferError("protocol/malformed");
  if (hello.version !== protocolVersion) throw new CofferError("protocol/version");
  const [asked] = rest;
  if (asked?.type === "ranges" && rest.length === 1) return { asked, pushes: [] };
  const pushes = rest.map((frame) => {
    if (frame.type !== "push") throw new CofferError("protocol/malformed");
    return frame;
  });
  return { asked: undefined, pushes };
}

function byDatabase(
  pushes: readonly FrameOf<"push">[],
  directoryDbId: DbId,
): readonly (readonly FrameOf<"push">[])[] {
  const framesByDb = new Map<DbId, FrameOf<"push">[]>([[directoryDbId, []]]);
  for (const frame of pushes) framesByDb.set(frame.dbId, [...(framesByDb.get(frame.dbId) ?? []), frame]);
  return [...framesByDb.values()];
}
