/**
 * PCG32 (XSH-RR, 64-bit state): the one source of chance of a simulation.
 *
 * @see M. E. O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms", 2014
 */

const multiplier = 6364136223846793005n;
const mask = (1n << 64n) - 1n;

/** A stream of chance that follows from its seed. */
export interface Random {
  /** The next 32 bits. */
  u32(): number;
  /** An integer from 0 up to, without, `limit`; without bias. */
  below(limit: number): number;
  /** A number in [0, 1). */
  fraction(): number;
  /** Whether something of this probability happens. */
  chance(probability: number): boolean;
  /** One of the items, all of them equally likely. */
  pick<T>(items: readonly T[]): T;
  bytes(sizeBytes: number): Uint8Array<ArrayBuffer>;
  /** A stream of its own: draws from it do not move this one, apart from the one draw that makes it. */
  fork(): Random;
}

/** Create the stream of a seed; streams of one seed differ by `sequence`. */
export function createRandom(seed: number | bigint, sequence: number | bigint = 54): Random {
  const increment = ((BigInt(sequence) << 1n) | 1n) & mask;
  let state = 0n;
  const advance = (): void => {
    state = (state * multiplier + increment) & mask;
  };
  const u32 = (): number => {
    const old = state;
    advance();
    const shifted = Number((((old >> 18n) ^ old) >> 27n) & 0xffffffffn);
    const turn = Number(old >> 59n);
    return ((shifted >>> turn) | (shifted << (-turn & 31))) >>> 0;
  };
  advance();
  state = (state + BigInt(seed)) & mask;
  advance();

  const below = (limit: number): number => {
    const floor = 2 ** 32 % limit;
    for (;;) {
      const drawn = u32();
      if (drawn >= floor) return drawn % limit;
    }
  };
  const fraction = (): number => u32() / 2 ** 32;
  return {
    u32,
    below,
    fraction,
    chance: (probability) => fraction() < probability,
    pick<T>(items: readonly T[]): T {
      if (items.length === 0) throw new Error("there is nothing to pick from");
      return items[below(items.length)] as T;
    },
    bytes(sizeBytes) {
      const bytes = new Uint8Array(sizeBytes);
      for (let i = 0, word = 0; i < sizeBytes; i++, word >>>= 8) {
        if (i % 4 === 0) word = u32();
        bytes[i] = word & 0xff;
      }
      return bytes;
    },
    fork: () => createRandom((BigInt(u32()) << 32n) | BigInt(u32()), u32()),
  };
}
