/** Which categories a document stands in. */
import { kindOf } from "../expr/index.ts";
import { viewLimits, type CategoryColumn, type ViewDefinition } from "./definition.ts";
import { stepOf, uncategorised, type CategoryValue, type Step } from "./path.ts";
import type { ViewRow } from "./plan.ts";

/** A category column with what it reads. */
interface Category {
  readonly column: CategoryColumn;
  readonly read: (row: ViewRow, origin: number) => unknown;
}

type Path = readonly Step[];

/** steps that are kept to be used again: many documents share a category */
const maxKnown = 10_000;

/**
 * Make what finds the paths of a document: every combination of its categories, one of each column. None: it is not in the view.
 */
export function createPathFinder(
  { uncategorised: none }: ViewDefinition,
  categories: readonly Category[],
): (row: ViewRow, origin: number) => readonly Path[] {
  const find = categories.map(({ column: { separator } }, index) => createStepFinder(index, separator));
  const without = categories.map((_, index): Path => [stepOf(index, uncategorised)]);
  const joined = new JoinedPaths();
  return (row, origin) => {
    let paths: readonly Path[] = [[]];
    for (let index = 0; index < categories.length; index += 1) {
      const value = categories[index]?.read(row, origin);
      const found = branchesOf(value, find[index]) ?? without[index];
      if (found === without[index] && none === "hidden") return [];
      if (found !== undefined) paths = combine(paths, found, joined);
    }
    return paths;
  };
}

/** One path, or several: each of them goes on from each of those so far. */
function combine(
  paths: readonly Path[],
  found: Path | readonly Path[],
  joined: JoinedPaths,
): readonly Path[] {
  const branches = isPath(found) ? [found] : found;
  const [branch] = branches;
  const [path] = paths;
  if (branch !== undefined && path !== undefined && branches.length === 1 && paths.length === 1)
    return [joined.of(path, branch)];
  return paths
    .flatMap((one) => branches.map((other) => joined.of(one, other)))
    .slice(0, viewLimits.placements);
}

function isPath(found: Path | readonly Path[]): found is Path {
  return !Array.isArray(found[0]);
}

/** Paths that are made of others: the same object for the same two, since many documents share a category. */
class JoinedPaths {
  readonly #known = new Map<Path, Map<Path, Path>>();
  #count = 0;

  of(path: Path, branch: Path): Path {
    if (path.length === 0) return branch;
    const known = this.#known.get(path)?.get(branch);
    if (known !== undefined) return known;
    const joined = path.concat(branch).slice(0, viewLimits.levels);
    if (this.#count < maxKnown) {
      this.#count += 1;
      const others = this.#known.get(path) ?? new Map<Path, Path>();
      this.#known.set(path, others.set(branch, joined));
    }
    return joined;
  }
}

type StepFinder = (value: unknown) => Path | undefined;

/** The categories of one value in one column, none twice; `undefined`: it has none. */
function branchesOf(value: unknown, find: StepFinder | undefined): Path | readonly Path[] | undefined {
  if (!Array.isArray(value)) return find?.(value);
  const found = new Map<string, Path>();
  for (const element of value as readonly unknown[]) {
    const steps = find?.(element);
    if (steps === undefined) continue;
    found.set(JSON.stringify(steps.map(({ key }) => key)), steps);
    if (found.size >= viewLimits.placements) break;
  }
  return found.size === 0 ? undefined : [...found.values()];
}

/** Make what finds the levels of one value. */
function createStepFinder(column: number, separator: string | null): StepFinder {
  const known = new Map<unknown, Path | undefined>();
  return (value) => {
    const isKeyed = typeof value === "string" || typeof value === "number";
    if (isKeyed && known.has(value)) return known.get(value);
    const levels = levelsOf(value, separator);
    const steps = levels.length === 0 ? undefined : levels.map((level) => stepOf(column, level));
    if (isKeyed && known.size < maxKnown) known.set(value, steps);
    return steps;
  };
}

function levelsOf(value: unknown, separator: string | null): readonly CategoryValue[] {
  switch (kindOf(value)) {
    case "string":
      return textLevels(value as string, separator);
    case "boolean":
      return [value as boolean];
    case "number":
      return Number.isNaN(value) ? [] : [value as number];
    case "date":
      return Number.isNaN((value as Date).getTime()) ? [] : [value as Date];
    default:
      return [];
  }
}

function textLevels(text: string, separator: string | null): readonly string[] {
  if (separator === null || !text.includes(separator)) return text === "" ? [] : [text];
  const parts = text.split(separator).filter((part) => part !== "");
  const last = viewLimits.segments - 1;
  if (parts.length <= last + 1) return parts;
  return [...parts.slice(0, last), parts.slice(last).join(separator)];
}
