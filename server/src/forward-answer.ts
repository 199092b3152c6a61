import { CofferError, idToBytes, type DbId } from "../../src/std/index.ts";
import { decodeFrames, encodeFrames, protocolVersion, type Frame } from "../../src/sync/index.ts";
import { pushTogether, type ExchangeParts } from "./exchange.ts";
import { forwardReplica } from "./forward-auth.ts";
import type { Session } from "./sessions.ts";

type FrameOf<Type extends Frame["type"]> = Extract<Frame, { type: Type }>;

/**
 * Take what another server forwards: HELLO and any number of PUSH. All commits of one database are judged together, those of the directory
 * first: the cut of who was revoked may come with its past.
 *
 * @returns HEAD of the directory as it was before, an ACK for each PUSH in the order of the request, END
 * @throws `protocol/malformed`, `protocol/version`, `input/unknown-id` when the tenant is not here
 */
export async function answerForward(
  parts: ExchangeParts,
  { key, tenantId }: Pick<Session, "key" | "tenantId">,
  body: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  const pushes = readPushes(decodeFrames(body));
  const directory = await parts.directories.read(tenantId);
  const directoryDbId = directory?.state.dbId;
  const log = directoryDbId && (await parts.storage.readLog(tenantId, directoryDbId));
  if (log === undefined) throw new CofferError("input/unknown-id");
  const head = await parts.heads.headAt(tenantId, log);
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

function readPushes(frames: readonly Frame[] | undefined): readonly FrameOf<"push">[] {
  const [hello, ...pushes] = frames ?? [];
  if (hello?.type !== "hello") throw new CofferError("protocol/malformed");
  if (hello.version !== protocolVersion) throw new CofferError("protocol/version");
  return pushes.map((frame) => {
    if (frame.type !== "push") throw new CofferError("protocol/malformed");
    return frame;
  });
}

function byDatabase(
  pushes: readonly FrameOf<"push">[],
  directoryDbId: DbId,
): readonly (readonly FrameOf<"push">[])[] {
  const framesByDb = new Map<DbId, FrameOf<"push">[]>([[directoryDbId, []]]);
  for (const frame of pushes) framesByDb.set(frame.dbId, [...(framesByDb.get(frame.dbId) ?? []), frame]);
  return [...framesByDb.values()];
}
