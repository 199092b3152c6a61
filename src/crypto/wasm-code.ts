/**
 * WebAssembly as it is written here: functions of expressions become the bytes of a module. An expression is its operands' instructions,
 * and its own behind them. So no binary file and no compiler stands between what is read and what runs.
 *
 * @see WebAssembly Core Specification 2.0, §5: the binary format
 */

/** Instructions that leave one value, or none. */
export type Code = readonly (number | Code)[];

const typeCodes = { i32: 0x7f, i64: 0x7e, v128: 0x7b } as const;
/** The type of a value. */
export type ValueType = keyof typeof typeCodes;

/** A function: exported under its name, called by its place in the module. */
export interface WasmFunction {
  readonly name: string;
  readonly parameters: readonly ValueType[];
  readonly result?: ValueType;
  /** numbered behind the parameters */
  readonly locals: readonly ValueType[];
  readonly body: Code;
}

/** Make the bytes of a module of functions over one memory of so many pages of 64 KiB. */
export function encodeModule(functions: readonly WasmFunction[], pageCount: number): Uint8Array<ArrayBuffer> {
  const typesOf = (types: readonly ValueType[]): Code => list(types.map((type) => [typeCodes[type]]));
  const signatures = functions.map(({ parameters, result }) => [
    0x60,
    typesOf(parameters),
    typesOf(result === undefined ? [] : [result]),
  ]);
  const bodies = functions.map(({ locals, body }) =>
    sized([list(locals.map((type) => [1, typeCodes[type]])), body, 0x0b]),
  );
  const exported = functions.map(({ name }, index) => [text(name), 0, unsigned(index)]);
  return new Uint8Array(
    flat([
      [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
      section(1, signatures),
      section(
        3,
        functions.map((_, index) => unsigned(index)),
      ),
      section(5, [[0, unsigned(pageCount)]]),
      section(7, [[text("memory"), 2, 0], ...exported]),
      section(10, bodies),
    ]),
  );
}

function flat(code: Code): number[] {
  const bytes: number[] = [];
  const add = (item: number | Code): void => {
    if (typeof item === "number") bytes.push(item);
    else for (const part of item) add(part);
  };
  add(code);
  return bytes;
}

/** LEB128. */
function unsigned(value: number): Code {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return [...bytes, rest];
}

/** Signed LEB128. */
function signed(value: bigint): Code {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 63n || rest < -64n; rest >>= 7n) bytes.push(Number(rest & 127n) + 128);
  return [...bytes, Number(rest & 127n)];
}

function sized(code: Code): Code {
  const bytes = flat(code);
  return [unsigned(bytes.length), bytes];
}

const list = (items: readonly Code[]): Code => [unsigned(items.length), items];
const section = (id: number, items: readonly Code[]): Code => [id, sized(list(items))];
const text = (value: string): Code => sized(Array.from(value, (character) => character.charCodeAt(0)));

/** The value of a local. */
export const get = (local: number): Code => [0x20, unsigned(local)];
/** Give a local a value. */
export const set = (local: number, value: Code): Code => [value, 0x21, unsigned(local)];
/** Add to a local. */
export const advance = (local: number, by: number): Code => set(local, i32.add(get(local), i32.of(by)));
/** Call a function by its place. */
export const call = (place: number, ...operands: readonly Code[]): Code => [operands, 0x10, unsigned(place)];
/** Run a body, and again as long as the condition holds. */
export const loopWhile = (condition: Code, body: Code): Code => [0x03, 0x40, body, condition, 0x0d, 0, 0x0b];
/** Run a body if the condition holds. */
export const when = (condition: Code, body: Code): Code => [condition, 0x04, 0x40, body, 0x0b];
/** Run a body as long as the condition holds. */
export const whilst = (condition: Code, body: Code): Code => when(condition, loopWhile(condition, body));

type Two = (a: Code, b: Code) => Code;
/** Two operands, or more of what may be joined in any order. */
type Join = (...operands: readonly Code[]) => Code;
/** An address with what is added to it. */
type Load = (at: Code, offset: number) => Code;
type Store = (at: Code, offset: number, value: Code) => Code;

const two =
  (...opcode: readonly number[]): Two =>
  (a, b) => [a, b, opcode];
const join =
  (...opcode: readonly number[]): Join =>
  (...operands) =>
    operands.map((operand, index) => (index === 0 ? operand : [operand, opcode]));
const load =
  (...opcode: readonly number[]): Load =>
  (at, offset) => [at, opcode, 0, unsigned(offset)];
const store =
  (...opcode: readonly number[]): Store =>
  (at, offset, value) => [at, value, opcode, 0, unsigned(offset)];

/** Integers of 32 bits; comparing and shifting right take them for unsigned. */
export const i32 = {
  of: (value: number): Code => [0x41, signed(BigInt(Math.trunc(value) | 0))],
  load: load(0x28),
  store: store(0x36),
  storeByte: store(0x3a),
  add: join(0x6a),
  sub: two(0x6b),
  and: join(0x71),
  or: join(0x72),
  xor: join(0x73),
  shl: two(0x74),
  shr: two(0x76),
  rotr: two(0x78),
  atLeast: two(0x4f),
  below: two(0x49),
  isZero: (value: Code): Code => [value, 0x45],
};

/** Integers of 64 bits. */
export const i64 = {
  of: (value: bigint): Code => [0x42, signed(BigInt.asIntN(64, value))],
  load: load(0x29),
  store: store(0x37),
  mul: two(0x7e),
  and: join(0x83),
  or: join(0x84),
  xor: join(0x85),
  shl: two(0x86),
  shr: two(0x88),
  fromI32: (value: Code): Code => [value, 0xad],
};

/** Vectors of 16 bytes. */
export const v128 = {
  of: (bytes: readonly number[]): Code => [0xfd, 12, bytes],
  load: load(0xfd, 0),
  store: store(0xfd, 11),
  and: join(0xfd, 0x4e),
  or: join(0xfd, 0x50),
  xor: join(0xfd, 0x51),
  add: two(0xfd, 0x6e),
  /** all ones in each byte that is less, signed */
  less: two(0xfd, 0x25),
  /** each byte of an index names a byte of the table; 16 and more give 0 */
  swizzle: two(0xfd, 14),
  /** bytes in another order */
  order: (value: Code, order: readonly number[]): Code => [value, value, 0xfd, 13, order],
  /** shift within pairs of bytes */
  shl: (value: Code, bits: number): Code => [value, i32.of(bits), 0xfd, 0x8b, 1],
  shr: (value: Code, bits: number): Code => [value, i32.of(bits), 0xfd, 0x8d, 1],
  /** four times the same 32 bits */
  splat32: (value: Code): Code => [value, 0xfd, 0x11],
  /** low half, high half */
  ofHalves: (low: Code, high: Code): Code => [low, 0xfd, 0x12, high, 0xfd, 0x1e, 1],
  half: (value: Code, half: 0 | 1): Code => [value, 0xfd, 0x1d, half],
  first32: (value: Code): Code => [value, 0xfd, 0x1b, 0],
  withLast32: (value: Code, last: Code): Code => [value, last, 0xfd, 0x1c, 3],
};

/** The bytes of an i32 local the other way round. */
export const swap32 = (local: number): Code =>
  i32.or(
    i32.and(i32.rotr(get(local), i32.of(24)), i32.of(0x00ff00ff)),
    i32.and(i32.rotr(get(local), i32.of(8)), i32.of(0xff00ff00)),
  );
