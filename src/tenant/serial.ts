/** Runs asynchronous steps one after the other, in the order they were asked for. */
export class Serial {
  #tail: Promise<unknown> = Promise.resolve();
  #askedCount = 0;

  /** How many steps were asked for so far: unchanged since a step was asked for, that step is the last in line. */
  get askedCount(): number {
    return this.#askedCount;
  }

  /** Run `step` after everything asked for before; a failed step does not stop later ones. */
  run<T>(step: () => Promise<T>): Promise<T> {
    this.#askedCount += 1;
    const result = this.#tail.then(step, step);
    this.#tail = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }
}
