/**
 * Sums that do not drift: adding and removing in any order gives, bit for bit, what adding the rest afresh gives.
 *
 * The sum is kept exactly, as a list of numbers that do not overlap, from the smallest on (Shewchuk 1997, "Adaptive precision
 * floating-point arithmetic", grow-expansion), and rounded once, to even, when it is read. Numbers so large that adding them
 * could overflow are kept apart as one integer of units of 2^848.
 */
const hugeFrom = 2 ** 900;
const hugeUnit = 2 ** 848;
/** Every finite number is a multiple of 2^-1074. */
const unitBits = 1074n;

/** The exact sum of finite numbers. */
export class ExactSum {
  readonly #parts: number[] = [];
  #huge = 0n;

  /** Add a finite number; adding its negative removes it. */
  add(added: number): void {
    if (Math.abs(added) >= hugeFrom) {
      this.#huge += BigInt(added / hugeUnit);
      return;
    }
    const parts = this.#parts;
    let sum = added;
    let kept = 0;
    for (let index = 0; index < parts.length; index += 1) {
      const part = parts[index] ?? 0;
      const isLarger = Math.abs(sum) >= Math.abs(part);
      const large = isLarger ? sum : part;
      const small = isLarger ? part : sum;
      sum = large + small;
      const lost = small - (sum - large);
      if (lost !== 0) parts[kept++] = lost;
    }
    parts.length = kept;
    if (sum !== 0) parts.push(sum);
  }

  /** The sum, rounded to the nearest number; ±Infinity where it is too large for one. */
  get value(): number {
    return this.#huge === 0n ? roundParts(this.#parts) : roundUnits(this.#units());
  }

  #units(): bigint {
    let units = (this.#huge * BigInt(hugeUnit)) << unitBits;
    for (const part of this.#parts) units += unitsOf(part);
    return units;
  }
}

/** The parts' sum, rounded once: what lies below half a step decides ties only. */
function roundParts(parts: readonly number[]): number {
  let index = parts.length - 1;
  let high = parts[index] ?? 0;
  let low = 0;
  while (index > 0 && low === 0) {
    index -= 1;
    const part = parts[index] ?? 0;
    const sum = high + part;
    low = part - (sum - high);
    high = sum;
  }
  const below = index > 0 ? (parts[index - 1] ?? 0) : 0;
  if ((low < 0 && below < 0) || (low > 0 && below > 0)) {
    const twice = low * 2;
    const sum = high + twice;
    if (sum - high === twice) high = sum;
  }
  return high;
}

/** A finite number as a count of units of 2^-1074. */
function unitsOf(of: number): bigint {
  // A power of two divides exactly; what is left is below 2^900 in size, and may have a fraction.
  let units = 0n;
  let rest = of;
  let bits = unitBits;
  while (rest !== 0) {
    const whole = Math.trunc(rest);
    units += BigInt(whole) << bits;
    rest -= whole;
    if (rest === 0) break;
    const step = bits < 512n ? bits : 512n;
    rest *= 2 ** Number(step);
    bits -= step;
  }
  return units;
}

/** Round a count of units to the nearest number. */
function roundUnits(units: bigint): number {
  const size = units < 0n ? -units : units;
  const spare = size.toString(16).length * 4 - 64;
  const shift = BigInt(Math.max(0, spare));
  const top = size >> shift;
  const isInexact = top << shift !== size;
  // The last bit stands for all that was shifted out: it decides ties, and nothing else at this width.
  const rounded = Number(isInexact ? top | 1n : top) * 2 ** (Number(shift) - Number(unitBits));
  return units < 0n ? -rounded : rounded;
}
