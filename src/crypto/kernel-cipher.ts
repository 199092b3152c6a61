/**
 * AES-256-GCM in WebAssembly, for sealing only: `expand(at)` takes a key of 32 bytes, `seal(nonceAt, dataAt, …)` encrypts in place and
 * writes the tag behind.
 *
 * No branch and no address depends on a key or a plaintext, so that nothing leaks by time or cache:
 * - the S-box is computed in GF(2^4) by swizzles of vectors, four blocks at a time; what it lacks, 0x63, stands in the round keys
 * - GHASH multiplies by integer multiplication of numbers whose bits stand four apart, so that no carry reaches the next
 *
 * @see NIST SP 800-38D; M. Hamburg, "Accelerating AES with Vector Permute Instructions", CHES 2009; T. Pornin, BearSSL, `ghash_ctmul64`
 */
import {
  advance,
  call,
  get,
  i32,
  i64,
  loopWhile,
  set,
  swap32,
  v128,
  when,
  whilst,
  type Code,
  type ValueType,
  type WasmFunction,
} from "./wasm-code.ts";

/** Where the functions keep what they work with, and how many bytes of it. */
export interface CipherPlaces {
  /** {@link cipherTables}, 16 bytes each */
  readonly tables: number;
  /** 16: nonce, and four bytes of counter */
  readonly nonce: number;
  /** 64: four blocks of the key stream */
  readonly stream: number;
  /** 240: the round keys */
  readonly keys: number;
  /** 192: the hash key's forms */
  readonly hashKeys: number;
  /** 16: the sum of GHASH */
  readonly sum: number;
  /** behind 16 bytes of ones, with 16 of zeros behind it */
  readonly maskEnd: number;
}

const hexTables = {
  inverse: "8001080d0f06050e020c0b0a09030704",
  scaledInverse: "80070b0f060a0401090805020c0e0d03",
  inputLow: "00702a5a98e8b2c20878225290e0baca",
  inputHigh: "004d7c317d30014c81ccfdb0fcb180cd",
  outputFirst: "00c7bd6f176dd2d078a802c57abfaa15",
  outputSecond: "006abb5fa574e4cffa352b41d1901e8e",
  reversedBits: "0008040c020a060e0109050d030b070f",
} as const;
type TableName = keyof typeof hexTables;
const tableNames = Object.keys(hexTables) as readonly TableName[];

/** What stands at `tables`. */
export const cipherTables = tableNames.flatMap((name) =>
  Array.from({ length: 16 }, (_, index) =>
    Number.parseInt(hexTables[name].slice(2 * index, 2 * index + 2), 16),
  ),
);

const zero = i32.of(0);
const bytes = (of: (index: number) => number): readonly number[] =>
  Array.from({ length: 16 }, (_, index) => of(index));
const every = (byte: number): Code => v128.of(bytes(() => byte));
const affineConstant = 0x63;
const roundCount = 14;
const backwards = bytes((index) => 15 - index);
const halvesBackwards = bytes((index) => (index & 8) + 7 - (index & 7));
const shiftedRows = bytes((index) => 4 * (((index >> 2) + (index & 3)) & 3) + (index & 3));
const turnedColumns = (by: number): readonly number[] => bytes((index) => (index & ~3) + ((index + by) & 3));
const vectors = (count: number): readonly ValueType[] => Array.from({ length: count }, () => "v128");
const integers = (count: number): readonly ValueType[] => Array.from({ length: count }, () => "i64");

const low = (value: Code): Code => v128.and(value, every(15));
const high = (value: Code): Code => low(v128.shr(value, 4));
const look = ({ tables }: CipherPlaces, name: TableName, index: Code): Code =>
  v128.swizzle(v128.load(zero, tables + 16 * tableNames.indexOf(name)), index);

/** The functions, for a module that has them from `first` on: key stream, substitution, key, hash, sealing. */
export function cipherFunctions(first: number, places: CipherPlaces): readonly WasmFunction[] {
  const [stream, substitute, , absorb] = [first, first + 1, first + 2, first + 3];
  return [
    streamFunction(places),
    substituteFunction(places),
    expandFunction(places, { stream, substitute }),
    absorbFunction(places),
    sealFunction(places, { stream, absorb }),
  ];
}

/** The S-box but for its constant, on the bytes of a local. Three more are written over. */
function substituted(
  places: CipherPlaces,
  x: number,
  [i, k, scaled]: readonly [number, number, number],
): Code {
  const inverse = (of: Code): Code => look(places, "inverse", of);
  return [
    set(x, v128.xor(look(places, "inputLow", low(get(x))), look(places, "inputHigh", high(get(x))))),
    set(i, high(get(x))),
    set(k, low(get(x))),
    set(scaled, look(places, "scaledInverse", get(k))),
    set(k, v128.xor(get(k), get(i))),
    set(x, v128.xor(inverse(v128.xor(inverse(get(i)), get(scaled))), get(k))),
    set(k, v128.xor(inverse(v128.xor(inverse(get(k)), get(scaled))), get(i))),
    set(x, v128.xor(look(places, "outputFirst", get(x)), look(places, "outputSecond", get(k)))),
  ];
}

/** Four blocks of the key stream, from a counter on. */
function streamFunction(places: CipherPlaces): WasmFunction {
  const { nonce, keys, stream } = places;
  const [counter, key, word, i, k, scaled, roundKey] = [0, 1, 2, 7, 8, 9, 10];
  const blocks = [3, 4, 5, 6] as const;
  const substitute = (block: number): Code => [
    substituted(places, block, [i, k, scaled]),
    set(block, v128.order(get(block), shiftedRows)),
  ];
  const doubled = (value: Code): Code =>
    v128.xor(v128.add(value, value), v128.and(v128.less(value, every(0)), every(0x1b)));
  const mixed = (block: number): Code => [
    set(i, v128.order(get(block), turnedColumns(1))),
    set(k, v128.xor(get(block), get(i))),
    set(block, v128.xor(doubled(get(k)), get(i), v128.order(get(k), turnedColumns(2)), get(roundKey))),
  ];
  const body: Code = [
    blocks.map((block) => [
      set(word, swap32(counter)),
      set(block, v128.xor(v128.withLast32(v128.load(zero, nonce), get(word)), v128.load(zero, keys))),
      advance(counter, 1),
    ]),
    set(key, i32.of(16)),
    loopWhile(i32.below(get(key), i32.of(16 * roundCount)), [
      set(roundKey, v128.load(get(key), keys)),
      blocks.map(substitute),
      blocks.map(mixed),
      advance(key, 16),
    ]),
    blocks.map((block, index) => [
      substitute(block),
      v128.store(zero, stream + 16 * index, v128.xor(get(block), v128.load(zero, keys + 16 * roundCount))),
    ]),
  ];
  return { name: "stream", parameters: ["i32"], locals: ["i32", "i32", ...vectors(8)], body };
}

/** The S-box on the four bytes of a word of the key. */
function substituteFunction(places: CipherPlaces): WasmFunction {
  const body: Code = [
    set(1, v128.splat32(get(0))),
    substituted(places, 1, [2, 3, 4]),
    i32.xor(v128.first32(get(1)), i32.of(0x01010101 * affineConstant)),
  ];
  return { name: "substitute", parameters: ["i32"], result: "i32", locals: vectors(4), body };
}

/** Take a key: its round keys, and the hash key that is the cipher of a block of zeros. */
function expandFunction(
  places: CipherPlaces,
  { stream, substitute }: { readonly stream: number; readonly substitute: number },
): WasmFunction {
  const { nonce, keys, hashKeys } = places;
  const [at, block, forms] = [0, 1, 2];
  const wordAt = (index: number): Code => i32.load(zero, keys + 4 * index);
  const word = (index: number): Code => {
    const before = wordAt(index - 1);
    if (index % 8 === 4) return call(substitute, before);
    if (index % 8 !== 0) return before;
    return i32.xor(call(substitute, i32.rotr(before, i32.of(8))), i32.of(1 << (index / 8 - 1)));
  };
  const rounds = Array.from({ length: roundCount }, (_, index) => keys + 16 * (index + 1));
  const body: Code = [
    [0, 16].map((offset) => v128.store(zero, keys + offset, v128.load(get(at), offset))),
    Array.from({ length: 4 * roundCount - 4 }, (_, index) =>
      i32.store(zero, keys + 4 * (index + 8), i32.xor(wordAt(index), word(index + 8))),
    ),
    rounds.map((place) => v128.store(zero, place, v128.xor(v128.load(zero, place), every(affineConstant)))),
    v128.store(zero, nonce, every(0)),
    call(stream, zero),
    set(block, v128.load(zero, places.stream)),
    halvesOf(places, block, forms),
    formsOf(forms).map((form, number) =>
      quarters.map((quarter, index) =>
        i64.store(zero, hashKeys + 32 * number + 8 * index, i64.and(form, i64.of(quarter))),
      ),
    ),
  ];
  return { name: "expand", parameters: ["i32"], locals: ["v128", ...integers(4)], body };
}

/** Numbers whose bits stand four apart. */
const quarters = [0x1n, 0x2n, 0x4n, 0x8n].map((digit) => digit * 0x1111_1111_1111_1111n);

/** The halves of a block, low and high, and both with their bits in reverse: into four locals. The block is written over. */
function halvesOf(places: CipherPlaces, block: number, into: number): Code {
  const turned = into + 2;
  return [
    set(into, v128.half(v128.order(get(block), backwards), 0)),
    set(into + 1, v128.half(v128.order(get(block), backwards), 1)),
    set(block, reversedBits(places, get(block))),
    set(turned, v128.half(get(block), 1)),
    set(turned + 1, v128.half(get(block), 0)),
  ];
}

/** Of such halves what is multiplied, as Karatsuba does: low, high, their sum; and the same in reverse. */
function formsOf(halves: number): readonly Code[] {
  const three = (at: number): readonly Code[] => [get(at), get(at + 1), i64.xor(get(at), get(at + 1))];
  return [...three(halves), ...three(halves + 2)];
}

/** The bits of each byte in reverse. */
const reversedBits = (places: CipherPlaces, value: Code): Code =>
  v128.or(v128.shl(look(places, "reversedBits", low(value)), 4), look(places, "reversedBits", high(value)));

/** Add a block to the sum of GHASH, and multiply by the hash key. */
function absorbFunction(places: CipherPlaces): WasmFunction {
  const { sum, hashKeys } = places;
  const [block, halves, parts, products, out] = [0, 1, 5, 9, 15];
  const product = (form: Code, number: number): Code => [
    quarters.map((quarter, index) => set(parts + index, i64.and(form, i64.of(quarter)))),
    set(
      products + number,
      i64.or(
        ...quarters.map((quarter, digit) => {
          const term = (index: number): Code =>
            i64.mul(
              get(parts + index),
              i64.load(zero, hashKeys + 32 * number + 8 * ((digit - index + 4) % 4)),
            );
          return i64.and(i64.xor(term(0), term(1), term(2), term(3)), i64.of(quarter));
        }),
      ),
    ),
  ];
  const [lowest, highest, middle, turnedLowest, turnedHighest, turnedMiddle] = [0, 1, 2, 3, 4, 5].map(
    (number) => products + number,
  ) as [number, number, number, number, number, number];
  const turnBack = (a: number, b: number): Code => [
    set(block, v128.order(reversedBits(places, v128.ofHalves(get(a), get(b))), halvesBackwards)),
    set(a, i64.shr(v128.half(get(block), 0), i64.of(1n))),
    set(b, i64.shr(v128.half(get(block), 1), i64.of(1n))),
  ];
  const body: Code = [
    set(block, v128.xor(get(block), v128.load(zero, sum))),
    halvesOf(places, block, halves),
    formsOf(halves).map(product),
    set(middle, i64.xor(get(middle), get(lowest), get(highest))),
    set(turnedMiddle, i64.xor(get(turnedMiddle), get(turnedLowest), get(turnedHighest))),
    turnBack(turnedLowest, turnedHighest),
    turnBack(turnedMiddle, turnedMiddle),
    set(out, get(lowest)),
    set(out + 1, i64.xor(get(turnedLowest), get(middle))),
    set(out + 2, i64.xor(get(highest), get(turnedMiddle))),
    set(out + 3, get(turnedHighest)),
    reduced(out),
    v128.store(zero, sum, v128.order(v128.ofHalves(get(out + 2), get(out + 3)), backwards)),
  ];
  return { name: "absorb", parameters: ["v128"], locals: integers(18), body };
}

/** A product of 255 bits in four locals becomes its remainder by x^128 + x^7 + x^2 + x + 1 in the upper two. */
function reduced(from: number): Code {
  const shifted = (local: number, count: number): Code => i64.shr(get(local), i64.of(BigInt(count)));
  const fold = (local: number): Code => [
    set(
      local + 2,
      i64.xor(get(local + 2), get(local), shifted(local, 1), shifted(local, 2), shifted(local, 7)),
    ),
    set(
      local + 1,
      i64.xor(get(local + 1), ...[63n, 62n, 57n].map((count) => i64.shl(get(local), i64.of(count)))),
    ),
  ];
  return [
    [3, 2, 1].map((index) =>
      set(from + index, i64.or(i64.shl(get(from + index), i64.of(1n)), shifted(from + index - 1, 63))),
    ),
    set(from, i64.shl(get(from), i64.of(1n))),
    fold(from),
    fold(from + 1),
  ];
}

/** Encrypt in place, and write the tag behind: nonce (12 bytes), data, its size, additional data, its size. */
function sealFunction(
  { sum, nonce, stream, maskEnd }: CipherPlaces,
  { stream: nextBlocks, absorb }: { readonly stream: number; readonly absorb: number },
): WasmFunction {
  const [nonceAt, dataAt, dataBytes, moreAt, moreBytes, left, number, block, mask] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8,
  ];
  const isBlockLeft = i32.atLeast(get(left), i32.of(16));
  const firstOnly = (value: Code): Code => v128.and(value, v128.load(i32.sub(i32.of(maskEnd), get(left)), 0));
  const encrypted: Code = [
    advance(number, 1),
    when(i32.isZero(i32.and(get(number), i32.of(3))), call(nextBlocks, i32.add(get(number), i32.of(1)))),
    set(block, v128.load(i32.shl(i32.and(get(number), i32.of(3)), i32.of(4)), stream)),
    set(block, v128.xor(get(block), v128.load(get(dataAt), 0))),
  ];
  const enter: Code = [v128.store(get(dataAt), 0, get(block)), call(absorb, get(block))];
  const bits = (size: number): Code => i64.shl(i64.fromI32(get(size)), i64.of(3n));
  const body: Code = [
    v128.store(zero, sum, every(0)),
    v128.store(zero, nonce, v128.load(get(nonceAt), 0)),
    set(left, get(moreBytes)),
    whilst(isBlockLeft, [call(absorb, v128.load(get(moreAt), 0)), advance(moreAt, 16), advance(left, -16)]),
    when(get(left), call(absorb, firstOnly(v128.load(get(moreAt), 0)))),
    // The first block of the stream hides the tag.
    call(nextBlocks, i32.of(1)),
    set(mask, v128.load(zero, stream)),
    set(left, get(dataBytes)),
    whilst(isBlockLeft, [encrypted, enter, advance(dataAt, 16), advance(left, -16)]),
    when(get(left), [
      encrypted,
      set(block, firstOnly(get(block))),
      enter,
      set(dataAt, i32.add(get(dataAt), get(left))),
    ]),
    call(absorb, v128.order(v128.ofHalves(bits(dataBytes), bits(moreBytes)), backwards)),
    v128.store(get(dataAt), 0, v128.xor(get(mask), v128.load(zero, sum))),
  ];
  return {
    name: "seal",
    parameters: ["i32", "i32", "i32", "i32", "i32"],
    locals: ["i32", "i32", "v128", "v128"],
    body,
  };
}
