/**
 * Every test there is: `npm test`.
 *
 * It installs what is missing, runs each stage with its own output on the terminal, goes on after a failing stage, and counts
 * through the runners' own reports. A stage that ran nothing has failed. The failed tests are named once more at the end; the last
 * line is exactly `N passed, N failed`.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { stripVTControlCharacters } from "node:util";
import { fromRoot } from "../build/paths.mjs";
import { installChromium, installDependencies, installPostgres } from "./install.mjs";
import { run, runTool } from "./run.mjs";

/** @typedef {{ passed: number, failed: number, skipped: number, failures: string[] }} Count */
/** @typedef {{ status: string, fullName: string, failureMessages?: string[] }} VitestResult */
/** @typedef {{ name: string, status: string, message?: string, assertionResults: VitestResult[] }} VitestFile */
/** @typedef {{ results: { error?: { message?: string } }[] }} PlaywrightTest */
/** @typedef {{ specs?: { file: string, title: string, ok: boolean, tests: PlaywrightTest[] }[], suites?: PlaywrightSuite[] }} PlaywrightSuite */
/** @typedef {{ name: string, go: (reportPath: string) => Promise<Count> }} Stage */

/**
 * A stage that is one test: it succeeds or it does not.
 *
 * @param {string} name
 * @param {() => Promise<number>} runIt
 * @returns {Stage}
 */
const single = (name, runIt) => ({
  name,
  async go() {
    const code = await runIt();
    return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0, failures: [] };
  },
});

/**
 * A Vitest project.
 *
 * @param {string} project
 * @returns {Stage}
 */
const vitest = (project) => ({
  name: `vitest ${project}`,
  async go(reportPath) {
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${reportPath}`];
    const code = await runTool("vitest", ["run", "--project", project, ...reporters]);
    return judge(code, reportPath, countVitest);
  },
});

/**
 * A Playwright project.
 *
 * @param {string} project
 * @param {...string} options
 * @returns {Stage}
 */
const playwright = (project, ...options) => ({
  name: `playwright ${project}`,
  async go(reportPath) {
    const args = ["test", "--project", project, ...options, "--reporter=list,json"];
    const env = { PLAYWRIGHT_JSON_OUTPUT_FILE: reportPath, PLAYWRIGHT_JSON_OUTPUT_NAME: reportPath };
    const code = await runTool("@playwright/test", args, { env });
    return judge(code, reportPath, countPlaywright);
  },
});

/** @type {Stage[]} */
const stages = [
  single("types", () => run(process.execPath, [fromRoot("scripts", "typecheck.mjs")])),
  single("lint", () => runTool("oxlint", ["--type-aware", "--deny-warnings"])),
  single("format", () => runTool("oxfmt", ["--check", "."])),
  vitest("node"),
  vitest("browser"),
  vitest("sim"),
  single("build", () => run(process.execPath, [fromRoot("scripts", "build.mjs")])),
  playwright("packages"),
  playwright("readme"),
  // Mostly waiting: two at a time.
  playwright("faults", "--workers=2"),
  playwright("e2e"),
];

/**
 * Read a runner's report, and distrust it: a bad exit code without a failed test, and a run without tests, are failures.
 *
 * @param {number} code
 * @param {string} reportPath
 * @param {(report: any) => Count} count
 * @returns {Count}
 */
function judge(code, reportPath, count) {
  if (!existsSync(reportPath))
    return { passed: 0, failed: 1, skipped: 0, failures: [`no report, exit code ${code}`] };
  const counted = count(JSON.parse(readFileSync(reportPath, "utf8")));
  const isSilentFailure = code !== 0 && counted.failed === 0;
  const isEmpty = counted.passed + counted.failed === 0;
  if (!isSilentFailure && !isEmpty) return counted;
  const why = isEmpty ? "no test ran" : `exit code ${code} without a failed test`;
  return { ...counted, failed: counted.failed + 1, failures: [...counted.failures, why] };
}

/**
 * A test file that could not even be loaded holds no tests; it counts as one that failed.
 *
 * @param {{ testResults: VitestFile[] }} report
 * @returns {Count}
 */
function countVitest({ testResults }) {
  const results = testResults.flatMap(({ assertionResults }) => assertionResults);
  const having = (/** @type {string[]} */ ...statuses) =>
    results.filter(({ status }) => statuses.includes(status)).length;
  const failures = testResults.flatMap(({ status, name, message, assertionResults }) => {
    const failed = assertionResults.filter((result) => result.status === "failed");
    if (status === "failed" && failed.length === 0) return [failureLine(name, message)];
    return failed.map((result) => failureLine(`${name} › ${result.fullName}`, result.failureMessages?.[0]));
  });
  const passed = having("passed");
  return { passed, failed: failures.length, skipped: results.length - passed - having("failed"), failures };
}

/**
 * A failed test in one line.
 *
 * @param {string} name
 * @param {string} [message]
 */
const failureLine = (name, message = "") =>
  `${name.replace(fromRoot(), ".")}: ${stripVTControlCharacters(message).split("\n")[0]}`;

/**
 * Playwright's `unexpected` are the failed ones; errors outside tests (a broken set-up, a file that does not load) come extra.
 *
 * @param {{ stats: { expected: number, unexpected: number, flaky: number, skipped: number }, suites?: PlaywrightSuite[], errors?: { message?: string }[] }} report
 * @returns {Count}
 */
function countPlaywright({ stats, suites = [], errors = [] }) {
  const failed = stats.unexpected + (stats.unexpected === 0 ? errors.length : 0);
  const failures = [
    ...suites.flatMap(failedSpecs),
    ...errors.map(({ message }) => failureLine("outside of the tests", message)),
  ];
  return { passed: stats.expected + stats.flaky, failed, skipped: stats.skipped, failures };
}

/**
 * The failed tests of a suite and those within it.
 *
 * @param {PlaywrightSuite} suite
 * @returns {string[]}
 */
function failedSpecs({ specs = [], suites = [] }) {
  const failed = specs.filter(({ ok }) => !ok);
  const lines = failed.map(({ file, title, tests }) => {
    const results = tests.flatMap((one) => one.results);
    return failureLine(
      `${file} › ${title}`,
      results.find(({ error }) => error !== undefined)?.error?.message,
    );
  });
  return [...lines, ...suites.flatMap(failedSpecs)];
}

async function main() {
  process.chdir(fromRoot());
  const total = { passed: 0, failed: 0, skipped: 0 };
  if (!(await installDependencies()) || !(await installChromium())) {
    console.error("What the tests need could not be installed.");
    total.failed += 1;
  }
  if (!(await installPostgres()))
    console.error(
      "There is no PostgreSQL, and none could be installed: the tests of several nodes are skipped.",
    );
  const wanted = process.argv.slice(2);
  const reportFolder = mkdtempSync(join(tmpdir(), "cofferdb-reports-"));
  const lines = [];
  /** @type {string[]} */
  const failures = [];
  for (const [index, { name, go }] of stages.entries()) {
    if (wanted.length > 0 && !wanted.includes(name)) continue;
    console.log(`\n=== ${name} ===`);
    const startedMs = Date.now();
    const count = await go(join(reportFolder, `${index}.json`));
    const seconds = ((Date.now() - startedMs) / 1000).toFixed(0);
    const skipped = count.skipped === 0 ? "" : `, ${count.skipped} skipped`;
    lines.push(`${name}: ${count.passed} passed, ${count.failed} failed${skipped} (${seconds} s)`);
    total.passed += count.passed;
    total.failed += count.failed;
    failures.push(...count.failures.map((line) => `${name}: ${line}`));
  }
  rmSync(reportFolder, { recursive: true, force: true });
  if (lines.length === 0) total.failed += 1;
  console.log(`\n${lines.join("\n")}\n`);
  if (failures.length > 0) console.log(`Failed:\n${failures.join("\n")}\n`);
  console.log(`${total.passed} passed, ${total.failed} failed`);
  process.exitCode = total.failed === 0 ? 0 : 1;
}

await main().catch((error) => {
  console.error(error);
  console.log("0 passed, 1 failed");
  process.exitCode = 1;
});
