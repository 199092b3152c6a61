import type { AuthorKey, DbId, TenantId } from "../../src/std/index.ts";
import { encodeFrame, protocolVersion, type Frame } from "../../src/sync/index.ts";
import { CofferError } from "../../src/std/index.ts";
import type { Authenticator } from "./auth.ts";
import type { Directories } from "./directories.ts";
import { answerPull, type PullParts } from "./pull.ts";
import { pushCommits, type PushParts } from "./push.ts";
import type { RelayMetrics } from "./relay-metrics.ts";
import type { Session } from "./sessions.ts";

type FrameOf<Type extends Frame["type"]> = Extract<Frame, { type: Type }>;

/** What became of a log. */
export interface LogChange {
  readonly tenantId: TenantId;
  readonly dbId: DbId;
  /** the device that brought it; nobody where it was not a device of the tenant */
  readonly by?: AuthorKey | undefined;
  /** places of commits that were there, and have what they lacked now */
  readonly filled?: readonly number[];
}

/** What a push gave: the answer, and the word to those who follow the log, to be given once the answer is on its way. */
export interface PushOutcome {
  readonly ack: FrameOf<"ack">;
  /** what must come before some of it can be judged; said before the ACK */
  readonly need: FrameOf<"need"> | undefined;
  readonly announce: () => void;
}

/** Who brings commits: a member's device, or another server, which is nobody of the tenant. */
export type Bringer =
  | Pick<Session, "key" | "tenantId" | "userKey">
  | { readonly tenantId: TenantId; readonly isForwarder: true };

export interface ExchangeParts extends PushParts, PullParts {
  readonly storage: PushParts["storage"];
  readonly directories: Directories;
  readonly authenticator: Authenticator;
  readonly metrics: Pick<RelayMetrics, "pushed">;
  /** somebody whispers to who listens now */
  readonly whisper: (session: Session, frame: FrameOf<"whisper">) => void;
  /** a log is not as it was */
  readonly changed: (change: LogChange) => void;
}

/** Store the commits of the PUSH frames of one database, all at once: a line of the directory and its merge may be more than a frame holds. */
export async function pushTogether(
  parts: ExchangeParts,
  bringer: Bringer,
  replicaId: Uint8Array,
  frames: readonly FrameOf<"push">[],
): Promise<{ readonly acks: readonly FrameOf<"ack">[]; readonly announce: () => void }> {
  const [first] = frames;
  if (first === undefined) return { acks: [], announce: () => undefined };
  const commits = frames.flatMap((frame) => frame.commits);
  const { ack, announce } = await push(parts, bringer, replicaId, { ...first, commits });
  let at = 0;
  const acks = frames.map((frame) => {
    const results = ack.results.slice(at, at + frame.commits.length);
    at += frame.commits.length;
    return { ...ack, results };
  });
  return { acks, announce };
}

/** Store the commits of one PUSH frame. */
export async function push(
  parts: ExchangeParts,
  bringer: Bringer,
  replicaId: Uint8Array,
  { dbId, commits }: FrameOf<"push">,
): Promise<PushOutcome> {
  const { tenantId } = bringer;
  const [by, userKey] = "key" in bringer ? [bringer.key, bringer.userKey] : [];
  const isForwarded = "isForwarder" in bringer;
  const pushed = await pushCommits(parts, { tenantId, dbId, replicaId, userKey, isForwarded, commits });
  const filled = pushed.filter(({ isFilled }) => isFilled).map(({ seq }) => seq);
  const results = pushed.map(({ isFilled: _, wanted: __, ...result }) => result);
  const wanted = [...new Set(pushed.flatMap(({ wanted = [] }) => wanted))].slice(0, maxWanted);
  const isAccepted = (index: number): boolean => results[index]?.status === "accepted";
  const acceptedBytes = commits.reduce((sum, { length }, index) => sum + (isAccepted(index) ? length : 0), 0);
  parts.metrics.pushed(results, acceptedBytes);
  const hasGrown = results.some(({ status }) => status === "accepted");
  return {
    ack: { type: "ack", dbId, results },
    need: wanted.length > 0 ? { type: "need", dbId, commits: wanted } : undefined,
    announce: () => hasGrown && parts.changed({ tenantId, dbId, by, filled }),
  };
}

/**
 * Work on the frames of one HTTP request: HELLO, any number of PUSH, at most one PULL and 16 WHISPER. Pushes come first, those of the
 * directory before all, so that the pull's heads cover them.
 *
 * @returns the answer as chunks of whole frames: an ACK for each push in the order of the request, before it NEED where the past of a cut
 *   is missing, then the pull's, or END
 * @throws `protocol/malformed`, `protocol/version`, `access/…`
 */
export async function exchange(
  parts: ExchangeParts,
  session: Session,
  frames: readonly Frame[],
): Promise<AsyncGenerator<Uint8Array<ArrayBuffer>, void>> {
  const { hello, pushes, pull, whispers } = sortFrames(frames);
  const directory = await parts.directories.read(session.tenantId);
  if (directory === undefined) throw new CofferError("access/unauthenticated");
  const directoryDbId = directory.state.dbId;
  const acks = new Map<FrameOf<"push">, readonly Frame[]>();
  const isDirectory = (frame: FrameOf<"push">): boolean => frame.dbId === directoryDbId;
  const ofDirectory = pushes.filter(isDirectory);
  if (ofDirectory.length > 0) {
    await parts.authenticator.authorize(session);
    const together = await pushTogether(parts, session, hello.replicaId, ofDirectory);
    for (const [index, frame] of ofDirectory.entries()) {
      const ack = together.acks[index];
      if (ack !== undefined) acks.set(frame, [ack]);
    }
    together.announce();
  }
  for (const frame of pushes.filter((one) => !isDirectory(one))) {
    await parts.authenticator.authorize(session);
    const { ack, announce, need } = await push(parts, session, hello.replicaId, frame);
    acks.set(frame, need === undefined ? [ack] : [need, ack]);
    announce();
  }
  const authorize = (): Promise<void> => parts.authenticator.authorize(session);
  await authorize();
  for (const frame of whispers) parts.whisper(session, frame);
  return answer();

  async function* answer(): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
    for (const frame of pushes) for (const one of acks.get(frame) ?? []) yield encodeFrame(one);
    if (pull === undefined) {
      yield encodeFrame({ type: "end", more: false });
      return;
    }
    const request = {
      tenantId: session.tenantId,
      directoryDbId,
      replicaId: hello.replicaId,
      pull,
      authorize,
    };
    yield* answerPull(parts, request, { cursorsByLog: new Map(), isComplete: false });
  }
}

/** of one request */
const maxWhispers = 16;
/** of one frame */
const maxWanted = 256;

interface SortedFrames {
  readonly hello: FrameOf<"hello">;
  readonly pushes: readonly FrameOf<"push">[];
  readonly pull: FrameOf<"pull"> | undefined;
  readonly whispers: readonly FrameOf<"whisper">[];
}

function sortFrames([hello, ...frames]: readonly Frame[]): SortedFrames {
  if (hello?.type !== "hello") throw new CofferError("protocol/malformed");
  if (hello.version !== protocolVersion) throw new CofferError("protocol/version");
  const pushes: FrameOf<"push">[] = [];
  const whispers: FrameOf<"whisper">[] = [];
  let pull: FrameOf<"pull"> | undefined;
  for (const frame of frames) {
    if (frame.type === "push") pushes.push(frame);
    else if (frame.type === "whisper" && whispers.length < maxWhispers) whispers.push(frame);
    else if (frame.type === "pull" && pull === undefined) pull = frame;
    // The token came in the request's header; a frame with it says nothing more.
    else if (frame.type !== "auth") throw new CofferError("protocol/malformed");
  }
  return { hello, pushes, pull, whispers };
}
