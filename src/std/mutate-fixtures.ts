/**
 * Everything that fuzzing does to bytes and texts, and the loop that does it: one place, so that a mutation that finds something
 * is tried on every format.
 *
 * What a mutation draws follows from its seed alone; a failure names the seed. `COFFER_RUNS` asks for the long form, `COFFER_SEED`
 * for other seeds.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { createRandom, type Random } from "../sim/pcg32.ts";
import { bytesToBase64url, parseBase64url } from "./base64url.ts";
import { concatBytes } from "./bytes.ts";

const interesting = [0, 1, 2, 3, 8, 16, 31, 32, 33, 63, 64, 65, 127, 128, 200, 254, 255];
const counts = [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000, 0x7fff_ffff, 0xffff_fffe, 0xffff_ffff];

type Mutation = (bytes: Uint8Array, random: Random, others: readonly Uint8Array[]) => Uint8Array;

/** A place to begin and a size that fits behind it. */
function range(bytes: Uint8Array, random: Random, most = 64): readonly [number, number] {
  const at = random.below(bytes.length + 1);
  return [at, random.below(Math.min(most, bytes.length - at) + 1)];
}

const cutOut = (bytes: Uint8Array, at: number, size: number, now: Uint8Array): Uint8Array =>
  concatBytes(bytes.subarray(0, at), now, bytes.subarray(at + size));

const over = (bytes: Uint8Array, at: number, now: Uint8Array): Uint8Array =>
  cutOut(bytes, at, now.length, now).subarray(0, bytes.length);

const mutations: readonly Mutation[] = [
  function flipBit(bytes, random) {
    const at = random.below(bytes.length);
    return bytes.with(at, (bytes[at] ?? 0) ^ (1 << random.below(8)));
  },
  function setByte(bytes, random) {
    return bytes.with(random.below(bytes.length), random.pick(interesting));
  },
  function addToByte(bytes, random) {
    const at = random.below(bytes.length);
    return bytes.with(at, ((bytes[at] ?? 0) + random.pick([1, 2, 254, 255])) & 255);
  },
  function setCount(bytes, random) {
    const field = new DataView(new ArrayBuffer(4));
    const size = random.pick([1, 2, 4]);
    field.setUint32(0, random.pick(counts), random.chance(0.3));
    return over(bytes, random.below(bytes.length), new Uint8Array(field.buffer, 4 - size));
  },
  function setVarint(bytes, random) {
    const size = 1 + random.below(9);
    const varint = new Uint8Array(size).fill(random.pick([0x80, 0xff])).with(size - 1, random.below(128));
    return over(bytes, random.below(bytes.length), varint);
  },
  function remove(bytes, random) {
    const [at, size] = range(bytes, random);
    return cutOut(bytes, at, size, new Uint8Array(0));
  },
  function truncate(bytes, random) {
    return bytes.slice(0, random.below(bytes.length));
  },
  function insert(bytes, random) {
    return cutOut(bytes, random.below(bytes.length + 1), 0, random.bytes(random.below(40)));
  },
  function append(bytes, random) {
    return concatBytes(bytes, random.bytes(1 + random.below(80)));
  },
  function repeat(bytes, random) {
    const [at, size] = range(bytes, random);
    const part = bytes.slice(at, at + size);
    return cutOut(bytes, at, 0, concatBytes(...Array.from({ length: 1 + random.below(4) }, () => part)));
  },
  function swapRanges(bytes, random) {
    const [a, size] = range(bytes, random, 32);
    const b = random.below(bytes.length + 1 - size);
    return over(over(bytes, a, bytes.slice(b, b + size)), b, bytes.slice(a, a + size));
  },
  function erase(bytes, random) {
    const [at, size] = range(bytes, random);
    return over(bytes, at, new Uint8Array(size).fill(random.pick([0, 255])));
  },
  function scramble(bytes, random) {
    const [at, size] = range(bytes, random);
    return over(bytes, at, random.bytes(size));
  },
  function graftInPlace(bytes, random, others) {
    const other = random.pick(others);
    const [at, size] = range(other, random, 256);
    return over(bytes, Math.min(at, bytes.length), other.slice(at, at + size));
  },
  function graftHead(bytes, random, others) {
    const other = random.pick(others);
    const at = random.below(Math.min(bytes.length, other.length) + 1);
    return concatBytes(other.subarray(0, at), bytes.subarray(at));
  },
];

/** Change bytes in one to four ways, or make them up; never longer than twice the longest of `corpus`, and a bit. */
export function mutateBytes(random: Random, corpus: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  if (random.chance(0.02)) return random.bytes(random.below(400));
  const most = 2 * Math.max(...corpus.map(({ length }) => length)) + 256;
  let bytes: Uint8Array = random.pick(corpus);
  for (let left = 1 + random.below(4); left > 0; left--)
    bytes =
      bytes.length === 0 ? random.bytes(8) : random.pick(mutations)(bytes, random, corpus).slice(0, most);
  return new Uint8Array(bytes);
}

/** {@link mutateBytes} for a property: what it draws follows from one number. */
export function mutationsOf(...corpus: readonly Uint8Array[]): fc.Arbitrary<Uint8Array<ArrayBuffer>> {
  return fc.nat().map((seed) => mutateBytes(createRandom(seed, 7), corpus));
}

const characters = [
  " ",
  "\n",
  "=",
  "+",
  "/",
  "-",
  "_",
  "A",
  "%00",
  "%2e",
  "\0",
  "ａ",
  "\ud800",
  "😀",
  ":",
  "?x=1",
  "#a",
];

/** Change an address of the form `prefix ‖ base64url`: its bytes, or its characters. */
export function mutateUri(random: Random, corpus: readonly string[]): string {
  const uri = random.pick(corpus);
  const start = uri.lastIndexOf("/") + 1;
  if (random.chance(0.6)) {
    const bodies = corpus.map(
      (text) => parseBase64url(text.slice(text.lastIndexOf("/") + 1)) ?? new Uint8Array(1),
    );
    const prefix = random.chance(0.9) ? uri.slice(0, start) : random.pick(corpus).slice(0, start);
    return prefix + bytesToBase64url(mutateBytes(random, bodies));
  }
  let text = uri;
  for (let left = 1 + random.below(3); left > 0; left--) {
    const at = random.below(text.length + 1);
    const removed = random.chance(0.7) ? random.below(4) : random.below(text.length + 1);
    const added = random.chance(0.5) ? random.pick(characters) : random.chance(0.1) ? text : "";
    text = text.slice(0, at) + added + text.slice(at + removed);
  }
  return random.chance(0.05) ? text.toUpperCase() : text;
}

const asked = Number(process.env["COFFER_RUNS"] ?? "");
const isLong = Number.isInteger(asked) && asked > 0;
const firstSeed = Number(process.env["COFFER_SEED"] ?? "1");

/** How many mutations are tried: `quick` of them, or in the long form `share` for each of `COFFER_RUNS`. */
export function fuzzRuns(quick: number, share: number): number {
  return isLong ? Math.ceil(asked * share) : quick;
}

/** What one target went through. */
export interface FuzzReport {
  readonly runs: number;
  /** processor time of the slowest one */
  readonly slowestMs: number;
  /** memory in use after all of them, less that after the first tenth */
  readonly grownBytes: number;
}

/** No single input may take more of the processor: what hangs is found, whatever else the machine does. */
const mostMs = 1000;
/** What may stay behind of any number of inputs: caches that are bounded, and what the collector leaves. */
const mostGrownBytes = 32 * 1024 * 1024;

/**
 * Try a target with the seeds from the first on.
 *
 * @param judge throws when the target did not do what it must
 * @throws with the seed of what failed, hung, or left memory behind
 */
export async function fuzz(
  name: string,
  runs: number,
  judge: (random: Random) => unknown,
): Promise<FuzzReport> {
  let slowestMs = 0;
  let startBytes = 0;
  for (let run = 0; run < runs; run++) {
    const seed = firstSeed + run;
    const before = process.cpuUsage();
    try {
      await judge(createRandom(seed, 7));
    } catch (cause) {
      throw new Error(`${name}: COFFER_SEED=${seed} fails`, { cause });
    }
    const { system, user } = process.cpuUsage(before);
    const tookMs = (system + user) / 1000;
    if (tookMs > mostMs) throw new Error(`${name}: COFFER_SEED=${seed} took ${tookMs} ms`);
    slowestMs = Math.max(slowestMs, tookMs);
    if (run === Math.floor(runs / 10)) startBytes = usedBytes();
  }
  const grownBytes = usedBytes() - startBytes;
  if (grownBytes > mostGrownBytes) throw new Error(`${name}: ${grownBytes} bytes stayed behind`);
  if (isLong)
    process.stdout.write(`${name}: ${runs} mutations, slowest ${slowestMs} ms, memory ${grownBytes} bytes\n`);
  return { runs, slowestMs, grownBytes };
}

function usedBytes(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}
