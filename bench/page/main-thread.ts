/** How long the main thread was busy at a stretch. */

export interface MainThreadReport {
  /** the longest task that Chromium reports; it reports those over 50 ms only, so 0 means that there was none */
  readonly longestTaskMs: number;
  readonly longTaskCount: number;
  /** the latest that a timer of 5 ms came; includes the time the system gave to other processes */
  readonly longestDelayMs: number;
}

const beatMs = 5;

/** Watch from now on. */
export function watchMainThread(): { end(): Promise<MainThreadReport> } {
  const durations: number[] = [];
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) durations.push(entry.duration);
  });
  observer.observe({ type: "longtask" });
  let lastMs = performance.now();
  let longestDelayMs = 0;
  const timer = setInterval(() => {
    const nowMs = performance.now();
    longestDelayMs = Math.max(longestDelayMs, nowMs - lastMs - beatMs);
    lastMs = nowMs;
  }, beatMs);
  return {
    async end() {
      clearInterval(timer);
      // Entries come a little after their task.
      await new Promise((resolve) => setTimeout(resolve, 200));
      for (const entry of observer.takeRecords()) durations.push(entry.duration);
      observer.disconnect();
      return { longestTaskMs: Math.max(0, ...durations), longTaskCount: durations.length, longestDelayMs };
    },
  };
}
