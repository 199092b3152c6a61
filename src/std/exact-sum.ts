/**
 * Sums of doubles that do not drift: what was added and taken away again leaves no trace, in whatever order.
 *
 * A double is m · 2^e with whole m below 2^53. The sum is kept exactly, as limbs of 32 bits over a fixed point at 2^−1088:
 *
 * ```
 *   limb      …  33        34        35   …        sum = Σ limb[i] · 2^(32·i − 1088)
 *   weight      2^−32      1        2^32
 * ```
 *
 * Each number goes into three limbs, as signed parts below 2^32; carries wait until they could grow past what a double counts exactly.
 */

const limbBits = 32;
const limb = 2 ** limbBits;
/** of the lowest bit, so that the smallest double, 2^−1074, is whole */
const pointBits = 1088;
/** so many additions of parts below 2^32 stay below 2^52 */
const carryAfter = 2 ** 20;
/** the limb of 2^32, where most numbers begin */
const usualTop = pointBits / limbBits + 1;

/** An exact sum of finite doubles. */
export class ExactSum {
  readonly #limbs: number[] = [];
  #base = 0;
  #uncarried = 0;

  /** Add a number; one that is not finite is left out. */
  add(number: number): void {
    this.#enter(number, 1);
  }

  /** Take away a number that was added. */
  subtract(number: number): void {
    this.#enter(number, -1);
  }

  /** Add all that was added to another sum. */
  addAll(other: ExactSum): void {
    // Carried, each limb of it is below 2^32 in size, as the parts of a number are.
    other.#carry();
    for (const [index, part] of other.#limbs.entries())
      if (part !== 0) this.#enterPart(other.#base + index, part);
    this.#uncarried += 1;
    if (this.#uncarried >= carryAfter) this.#carry();
  }

  /** The double that is nearest to the sum, ties to even; past the largest double, ±Infinity. Never −0. */
  get value(): number {
    this.#carry();
    let whole = 0n;
    for (let index = this.#limbs.length - 1; index >= 0; index--)
      whole = (whole << 32n) + BigInt(this.#limbs[index] ?? 0);
    return toDouble(whole, this.#base * limbBits - pointBits);
  }

  #enter(number: number, sign: 1 | -1): void {
    if (number === 0 || !Number.isFinite(number)) return;
    const magnitude = Math.abs(number);
    const isUsual = magnitude < 2 ** 63 && magnitude >= 2 ** -64;
    let index = isUsual ? usualTop : topOf(magnitude);
    // In units of its limb, what is left of it. Scaling by powers of two and taking away what was taken out never rounds.
    let rest = isUsual ? magnitude / limb : scale(magnitude, pointBits - index * limbBits);
    const signed = number < 0 ? -sign : sign;
    for (; rest > 0; index--) {
      const part = Math.floor(rest);
      rest = (rest - part) * limb;
      if (part > 0) this.#enterPart(index, signed * part);
    }
    this.#uncarried += 1;
    if (this.#uncarried >= carryAfter) this.#carry();
  }

  #enterPart(index: number, part: number): void {
    const limbs = this.#limbs;
    if (limbs.length === 0) this.#base = index;
    while (index < this.#base) {
      limbs.unshift(0);
      this.#base -= 1;
    }
    while (limbs.length <= index - this.#base) limbs.push(0);
    limbs[index - this.#base] = (limbs[index - this.#base] ?? 0) + part;
  }

  /** Afterwards every limb but the last is below 2^32 in size. */
  #carry(): void {
    this.#uncarried = 0;
    let carried = 0;
    for (let index = 0; index < this.#limbs.length; index++) {
      const sum = (this.#limbs[index] ?? 0) + carried;
      carried = Math.trunc(sum / limb);
      this.#limbs[index] = sum - carried * limb;
    }
    if (carried !== 0) this.#limbs.push(carried);
  }
}

/** The sum of numbers, exactly rounded. */
export function exactSum(numbers: Iterable<number>): number {
  const sum = new ExactSum();
  for (const number of numbers) sum.add(number);
  return sum.value;
}

/** The limb that a number begins in, or the one above. */
function topOf(magnitude: number): number {
  const exponent = Math.max(-1074, Math.floor(Math.log2(magnitude)));
  return Math.floor((exponent + pointBits + 1) / limbBits);
}

/** Times a power of two, in steps that neither overflow nor round on the way. */
function scale(number: number, bits: number): number {
  const half = Math.trunc(bits / 2);
  return number * 2 ** half * 2 ** (bits - half);
}

/** The nearest double to whole · 2^exponent. */
function toDouble(whole: bigint, exponent: number): number {
  if (whole === 0n) return 0;
  const magnitude = whole < 0n ? -whole : whole;
  // Bits below 2^−1074, and below the 53 highest, are rounded away.
  const size = magnitude.toString(2).length;
  const dropped = Math.max(size - 53, -1074 - exponent, 0);
  let kept = magnitude >> BigInt(dropped);
  const rest = magnitude - (kept << BigInt(dropped));
  const half = dropped === 0 ? 0n : 1n << BigInt(dropped - 1);
  if (dropped > 0 && (rest > half || (rest === half && (kept & 1n) === 1n))) kept += 1n;
  const shift = exponent + dropped;
  const double = shift > 971 ? Number.POSITIVE_INFINITY : scale(Number(kept), shift);
  return whole < 0n ? -double : double;
}
