/** Set how often each property is tried: `COFFER_RUNS`, or the library's own number. */
import fc from "fast-check";

const runs = Number(process.env["COFFER_RUNS"]);
if (Number.isInteger(runs) && runs > 0) fc.configureGlobal({ ...fc.readConfigureGlobal(), numRuns: runs });
