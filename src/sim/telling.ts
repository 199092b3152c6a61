/** How a story is told, whatever it is of, and what a person is shown of one that failed. */

/** What did not hold. */
export interface Violation {
  readonly oracle: string;
  readonly message: string;
}

/** What a person needs to see of a story. */
interface Told {
  readonly seed: number;
  readonly violations: readonly Violation[];
  readonly trace: readonly string[];
}

/** Tell a story, step after step. What is thrown, and what nobody catches, is told to it as something that did not hold. */
export async function tellSteps(
  story: { violate(oracle: string, message: string): void },
  ...steps: readonly (() => Promise<void>)[]
): Promise<void> {
  const onUnhandled = (reason: unknown): void => story.violate("rejections", textOf(reason));
  process.on("unhandledRejection", onUnhandled);
  try {
    for (const step of steps) await step();
  } catch (error) {
    story.violate("simulation", textOf(error));
  } finally {
    process.off("unhandledRejection", onUnhandled);
  }
}

/** A story that failed, in words. */
export function describeStory({ seed, trace, violations }: Told, lineCount = 60): string {
  const found = violations.map(({ oracle, message }) => `${oracle}: ${message}`);
  return [`SEED=${seed}`, ...found, "the last events:", ...trace.slice(-lineCount)].join("\n");
}

/** What a thrown value says. */
export const textOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error);
