/**
 * tidy: the guide's rules about layout, imports, gates, sizes and names, as functions from sources to findings.
 *
 * Guarantees
 * - nothing here reads the disk: the caller hands sources in, so that each rule can be shown to fail
 * - rooms that do not exist yet break no rule
 *
 * It does not judge types or style: the compiler and the linter do.
 */
export { checkGlobalGates, checkPackageGates } from "./gates.ts";
export { checkCycles, checkReach, checkRows } from "./imports.ts";
export { checkDocstrings, checkErrorCodes, checkNames, checkSizes, checkWords, limits } from "./shape.ts";
export { parseSource, type Finding, type Source } from "./source.ts";
