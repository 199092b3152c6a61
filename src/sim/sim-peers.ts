/**
 * Channels between workers of different devices, with weather.
 *
 * | fault | what happens |
 * |---|---|
 * | split | what was posted arrives in pieces, which end anywhere |
 * | cut | after any number of bytes the way breaks: both ends hear of it, each in its own time |
 * | lost | after any number of bytes nothing arrives any more, and nobody hears of it |
 * | death | a worker dies: its end falls silent, and the other one may hear of it or not |
 *
 * What arrives keeps its order, and both ways have what they were given until the fault: so a channel promises, see std/peer-channel.ts.
 */
import { copyBytes, createArrival, type PeerChannel } from "../std/index.ts";
import type { Random } from "./pcg32.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SimWorkerEnv } from "./sim-env.ts";

/** How likely each fault is for a channel, and how long bytes take at most. */
export interface PeerWeather {
  readonly latencyMs: number;
  readonly cut: number;
  readonly lost: number;
}

/** Nothing goes wrong. */
export const fairPeers: PeerWeather = { latencyMs: 20, cut: 0, lost: 0 };

/** up to this many bytes of either direction pass before a fault */
const faultWithinBytes = 12_000;
/** until the end of whoever died is noticed */
const deathHeardMs = 5000;

/** What a channel is opened between, and under what. */
export interface PeerWire {
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly weather: PeerWeather;
  /** everything that crossed */
  readonly crossed: Uint8Array[];
}

interface End {
  readonly worker: SimWorkerEnv;
  readonly arrival: ReturnType<typeof createArrival>;
  isClosed: boolean;
  lastAtMs: number;
}

/** Open a channel between two workers. */
export function openPeerWire(
  wire: PeerWire,
  here: SimWorkerEnv,
  there: SimWorkerEnv,
): readonly [PeerChannel, PeerChannel] {
  const { crossed, random, scheduler, weather } = wire;
  const ends = [here, there].map((worker): End => {
    return { worker, arrival: createArrival(), isClosed: false, lastAtMs: 0 };
  });
  const [a, b] = ends;
  if (a === undefined || b === undefined) throw new Error("a channel has two ends");
  const fate = random.chance(weather.cut) ? "cut" : random.chance(weather.lost) ? "lost" : "whole";
  let leftBytes = fate === "whole" ? Infinity : random.below(faultWithinBytes);

  const deliver = (to: End, label: string, run: () => void): void => {
    const { nowMs } = scheduler;
    to.lastAtMs = Math.max(nowMs + random.fraction() * weather.latencyMs, to.lastAtMs + 0.001);
    scheduler.after(to.lastAtMs - nowMs, `${to.worker.name} ${label}`, () => {
      if (!to.isClosed && to.worker.isAlive) run();
    });
  };
  const endAt = (to: End): void => deliver(to, "hears the end of a peer", () => to.arrival.end());
  const breakOff = (): void => {
    if (fate === "cut") for (const end of [a, b]) endAt(end);
  };
  for (const [own, other] of [
    [a, b],
    [b, a],
  ] as const)
    own.worker.onDeath(() => {
      if (!own.isClosed && random.chance(0.5))
        scheduler.after(random.fraction() * deathHeardMs, "a peer is gone", () => endAt(other));
    });

  const channelOf = (own: End, other: End): PeerChannel => ({
    post(message) {
      if (own.isClosed || !own.worker.isAlive || leftBytes <= 0) return;
      const bytes = copyBytes(message.subarray(0, leftBytes));
      leftBytes -= message.length;
      crossed.push(bytes);
      for (const piece of pieces(random, bytes))
        deliver(other, `hears ${piece.length} bytes of a peer`, () => other.arrival.arrive(piece));
      if (leftBytes <= 0) breakOff();
    },
    onMessage: own.arrival.onMessage,
    onClose: own.arrival.onClose,
    close() {
      if (own.isClosed) return;
      own.isClosed = true;
      own.arrival.stop();
      if (leftBytes > 0) endAt(other);
    },
  });
  return [channelOf(a, b), channelOf(b, a)];
}

function* pieces(random: Random, bytes: Uint8Array): Generator<Uint8Array> {
  const at = random.chance(0.3) ? random.below(bytes.length + 1) : 0;
  for (const piece of [bytes.subarray(0, at), bytes.subarray(at)]) if (piece.length > 0) yield piece;
}
