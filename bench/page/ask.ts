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

/** Answer the one question this worker is asked. */
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
