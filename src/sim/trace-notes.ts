/** Where a run is asked to, it notes how each story went, for another process to be held against: `npm run sim:twice`. */
import { appendFileSync } from "node:fs";

const path = process.env["SIM_TRACES"];

/** Note the hash of a story's trace. */
export function noteTrace(
  kind: "story" | "logs" | "files" | "peers" | "revoked",
  seed: number,
  traceHash: string,
): void {
  if (path !== undefined) appendFileSync(path, `${kind} ${seed} ${traceHash}\n`);
}
