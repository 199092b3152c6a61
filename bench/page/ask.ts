/** Ask a worker of the bench one question. The worker lives as long as the answer takes, so that every run begins cold. */

export type Answer<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: string };

/** Spawn the worker, post the question, give the answer, end the worker. */
export async function askWorker<T>(script: string, question: unknown): Promise<T> {
  const worker = new Worker(script, { type: "module" });
  try {
    const answer = await new Promise<Answer<T>>((resolve, reject) => {
      worker.addEventListener("message", (event: MessageEvent<Answer<T>>) => resolve(event.data));
      worker.addEventListener("error", (event) => reject(new Error(`${script}: ${event.message}`)));
      worker.postMessage(question);
    });
    if (!answer.ok) throw new Error(`${script}: ${answer.reason}`);
    return answer.value;
  } finally {
    worker.terminate();
  }
}

/** Ask a worker one question again and again: how long each answer took. The first is not counted: it starts the worker. */
export async function askAgain(script: string, question: unknown, count: number): Promise<readonly number[]> {
  const worker = new Worker(script, { type: "module" });
  const times: number[] = [];
  try {
    for (let asked = 0; asked <= count; asked += 1) {
      const startMs = performance.now();
      await new Promise<void>((resolve, reject) => {
        worker.addEventListener("message", () => resolve(), { once: true });
        worker.addEventListener("error", (event) => reject(new Error(`${script}: ${event.message}`)), {
          once: true,
        });
        worker.postMessage(question);
      });
      if (asked > 0) times.push(performance.now() - startMs);
    }
    return times;
  } finally {
    worker.terminate();
  }
}

/** Answer each question this worker is asked. */
export function answerOnce<Question, T>(run: (question: Question) => Promise<T>): void {
  self.addEventListener("message", (event: MessageEvent<Question>) => {
    const post = (answer: Answer<T>): void => self.postMessage(answer);
    run(event.data).then(
      (value) => post({ ok: true, value }),
      (cause: unknown) =>
        post({ ok: false, reason: cause instanceof Error ? (cause.stack ?? cause.message) : String(cause) }),
    );
  });
}
