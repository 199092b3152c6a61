/**
 * sim: many peers in one process, from one seed. For tests only.
 *
 * Guarantees
 * - the product is the real one, from the worker's contract down to the server's handler; simulated are the clock, chance, locks,
 *   channels, timers, disks, the network, and when each of them answers
 * - only the scheduler lets anything happen, one event at a time, in the order that the seed chose; the same seed tells the same
 *   story, which the hash of its trace proves
 * - what must hold is asked of every story (`oracles.ts`), and the oracles catch products that are broken on purpose (`mutants.ts`)
 *
 * It measures no time, draws no pages, and has no browser: what IndexedDB, WebCrypto and Web Locks really do is for the contract
 * suites and the end-to-end tests.
 */
export { loadEngine } from "./load-engine.ts";
export { describeOutcome, simulate, type Outcome, type SimulationOptions } from "./simulate.ts";
