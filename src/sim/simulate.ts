/** One simulation from one seed: a world, a story, the end of all faults, and what must hold then. */
import type { DocEngine } from "../doc/index.ts";
import {
  checkAlarms,
  checkConverged,
  checkQuiet,
  checkReopened,
  checkSecrecy,
  checkServerLog,
} from "./oracles.ts";
import { createRandom } from "./pcg32.ts";
import { drawPlan } from "./plan.ts";
import { Story } from "./story.ts";
import { tellSteps, type Violation } from "./telling.ts";
import { createWorld, type World, type WorldOptions } from "./world.ts";

/** How a simulation differs from the usual one. */
export interface SimulationOptions {
  readonly operationCount?: number;
  /** break something, once the world is set up: for tests of the oracles */
  readonly sabotage?: (world: World) => void;
  readonly mutateCrypto?: WorldOptions["mutateCrypto"];
}

/** How a simulation ended. */
export interface Outcome {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly traceHash: string;
  readonly trace: readonly string[];
  readonly eventCount: number;
  readonly acknowledgedCount: number;
  /** how often each operation ended in which way */
  readonly counts: ReadonlyMap<string, number>;
}

const defaultOperationCount = 40;

/** Run one seed. What goes wrong is in the outcome; a thrown error is one of the simulator itself. */
export async function simulate(
  seed: number,
  engine: DocEngine,
  options: SimulationOptions = {},
): Promise<Outcome> {
  const random = createRandom(seed, 1);
  const memberCount = random.pick([2, 2, 3, 4]);
  const plan = drawPlan(random, options.operationCount ?? defaultOperationCount);
  const world = await createWorld(seed, engine, { memberCount, mutateCrypto: options.mutateCrypto });
  const story = new Story(world, plan);
  const check = async (): Promise<void> => {
    await checkConverged(world, story);
    if (story.violations.length === 0) {
      checkAlarms(world, story);
      await checkServerLog(world, story);
      await checkReopened(world, story);
    }
    await checkQuiet(world, story);
    await checkSecrecy(world, story);
  };
  const tell = async (): Promise<void> => {
    options.sabotage?.(world);
    await story.tell();
  };
  await tellSteps(story, tell, () => story.heal(), check);
  const { scheduler } = world;
  return {
    seed,
    violations: story.violations,
    traceHash: scheduler.traceHash(),
    trace: scheduler.trace(),
    eventCount: scheduler.eventCount,
    acknowledgedCount: story.acknowledged.length,
    counts: story.counts,
  };
}

/** What a person needs to see of a seed that failed. */
export function describeOutcome({ seed, violations, trace, traceHash }: Outcome, lineCount = 60): string {
  const found = violations.map(({ oracle, message }) => `${oracle}: ${message}`);
  return [
    `SEED=${seed}`,
    `trace ${traceHash}`,
    ...found,
    "the last events:",
    ...trace.slice(-lineCount),
  ].join("\n");
}
