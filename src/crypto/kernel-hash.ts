/**
 * SHA-256 in WebAssembly: `digest(at, sizeBytes, to)` writes the 32 bytes. Its functions stand in a module from `first` on; every round
 * is written out, and a round's eight words change their names instead of their places.
 *
 * @see FIPS 180-4 §6.2
 */
import {
  advance,
  call,
  get,
  i32,
  set,
  swap32,
  v128,
  when,
  whilst,
  type Code,
  type WasmFunction,
} from "./wasm-code.ts";

/** Where the functions keep what they work with: 32 bytes of state, 128 of the last blocks, and where a mask of so many bytes ends. */
export interface HashPlaces {
  readonly state: number;
  readonly tail: number;
  readonly maskEnd: number;
}

const zero = i32.of(0);
const wordCount = 8;

/** The first bits behind the point of the roots of the first primes. */
function fractions(count: number, root: (prime: number) => number): readonly number[] {
  const primes: number[] = [];
  for (let candidate = 2; primes.length < count; candidate++)
    if (primes.every((prime) => candidate % prime !== 0)) primes.push(candidate);
  return primes.map((prime) => Math.floor((root(prime) % 1) * 2 ** 32));
}

const initialState = fractions(wordCount, Math.sqrt);
const roundConstants = fractions(64, Math.cbrt);

/** The functions, for a module that has them from `first` on: one block, and a whole message. */
export function hashFunctions(first: number, places: HashPlaces): readonly WasmFunction[] {
  return [blockFunction(places), messageFunction(first, places)];
}

function blockFunction({ state }: HashPlaces): WasmFunction {
  const at = 0;
  const stateWord = (index: number): number => 1 + ((index + 64) % wordCount);
  const scheduled = (round: number): number => 1 + wordCount + (round % 16);
  const rotated = (local: number, ...counts: readonly number[]): Code =>
    i32.xor(...counts.map((count) => i32.rotr(get(local), i32.of(count))));
  const schedule = (round: number): Code => {
    const [early, late] = [scheduled(round - 15), scheduled(round - 2)];
    const low = i32.xor(rotated(early, 7, 18), i32.shr(get(early), i32.of(3)));
    const high = i32.xor(rotated(late, 17, 19), i32.shr(get(late), i32.of(10)));
    return set(scheduled(round), i32.add(get(scheduled(round)), low, get(scheduled(round - 7)), high));
  };
  const round = (number: number): Code => {
    const word = (index: number): number => stateWord(index - number);
    const [a, b, c, d, e, f, g, h] = [0, 1, 2, 3, 4, 5, 6, 7].map(word) as [
      number,
      number,
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    const choice = i32.xor(get(g), i32.and(get(e), i32.xor(get(f), get(g))));
    const majority = i32.or(i32.and(get(a), get(b)), i32.and(get(c), i32.or(get(a), get(b))));
    const constant = i32.of(roundConstants[number] ?? 0);
    return [
      number < 16 ? [] : schedule(number),
      set(h, i32.add(get(h), constant, get(scheduled(number)), choice, rotated(e, 6, 11, 25))),
      set(d, i32.add(get(d), get(h))),
      set(h, i32.add(get(h), rotated(a, 2, 13, 22), majority)),
    ];
  };
  const words = Array.from({ length: wordCount }, (_, index) => index);
  const body: Code = [
    words.map((index) => set(stateWord(index), i32.load(zero, state + 4 * index))),
    Array.from({ length: 16 }, (_, index) => [
      set(scheduled(index), i32.load(get(at), 4 * index)),
      set(scheduled(index), swap32(scheduled(index))),
    ]),
    Array.from({ length: 64 }, (_, number) => round(number)),
    words.map((index) =>
      i32.store(zero, state + 4 * index, i32.add(get(stateWord(index)), i32.load(zero, state + 4 * index))),
    ),
  ];
  return {
    name: "block",
    parameters: ["i32"],
    locals: Array.from({ length: wordCount + 16 }, () => "i32"),
    body,
  };
}

function messageFunction(block: number, { state, tail, maskEnd }: HashPlaces): WasmFunction {
  const [at, sizeBytes, to, left, end, word] = [0, 1, 2, 3, 4, 5];
  const words = Array.from({ length: wordCount }, (_, index) => index);
  const body: Code = [
    initialState.map((value, index) => i32.store(zero, state + 4 * index, i32.of(value))),
    set(left, get(sizeBytes)),
    whilst(i32.atLeast(get(left), i32.of(64)), [call(block, get(at)), advance(at, 64), advance(left, -64)]),
    words.map((index) => v128.store(zero, tail + 16 * index, v128.of(Array.from({ length: 16 }, () => 0)))),
    set(end, i32.of(tail)),
    whilst(i32.atLeast(get(left), i32.of(16)), [
      v128.store(get(end), 0, v128.load(get(at), 0)),
      advance(at, 16),
      advance(end, 16),
      advance(left, -16),
    ]),
    v128.store(
      get(end),
      0,
      v128.and(v128.load(get(at), 0), v128.load(i32.sub(i32.of(maskEnd), get(left)), 0)),
    ),
    i32.storeByte(i32.add(get(end), get(left)), 0, i32.of(0x80)),
    set(end, i32.of(tail)),
    when(i32.atLeast(i32.and(get(sizeBytes), i32.of(63)), i32.of(56)), [
      call(block, get(end)),
      advance(end, 64),
    ]),
    set(word, i32.shr(get(sizeBytes), i32.of(29))),
    i32.store(get(end), 56, swap32(word)),
    set(word, i32.shl(get(sizeBytes), i32.of(3))),
    i32.store(get(end), 60, swap32(word)),
    call(block, get(end)),
    words.map((index) => [
      set(word, i32.load(zero, state + 4 * index)),
      i32.store(get(to), 4 * index, swap32(word)),
    ]),
  ];
  return { name: "digest", parameters: ["i32", "i32", "i32"], locals: ["i32", "i32", "i32"], body };
}
