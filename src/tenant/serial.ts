/** Runs asynchronous steps one after the other, in the order they were asked for. */
export class Serial {
  #tail: Promise<unknown> = Promise.resolve();

  /** Run `step` after everything asked for before; a failed step does not stop later ones. */
  run<T>(step: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(step, step);
    this.#tail = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }
}
