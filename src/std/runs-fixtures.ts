/** How often a property is tried that says so itself: one place, so that the long form reaches all of them. */

const asked = Number(process.env["COFFER_RUNS"] ?? "");
/** as often as the library tries a property that says nothing; `COFFER_RUNS` is of those */
const ordinary = 100;

/** `quick` tries; in the long form as many times more as `COFFER_RUNS` is more than an ordinary property has. */
export function runsOf(quick: number): number {
  return Number.isInteger(asked) && asked > 0 ? Math.ceil((quick * asked) / ordinary) : quick;
}
