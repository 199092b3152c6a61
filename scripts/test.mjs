/**
 * Every test there is: `npm test`.
 *
 * It installs what is missing, runs each stage with its own output on the terminal, goes on after a failing stage, and counts
 * through the runners' own reports. A stage that ran nothing has failed. The last line is exactly `N passed, N failed`.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fromRoot } from "../build/paths.mjs";
import { installChromium, installDependencies, installPostgres } from "./install.mjs";
import { run, runTool } from "./run.mjs";

/** @typedef {{ passed: number, failed: number, skipped: number }} Count */
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
    return { passed: code === 0 ? 1 : 0, failed: code === 0 ? 0 : 1, skipped: 0 };
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
  if (!existsSync(reportPath)) return { passed: 0, failed: 1, skipped: 0 };
  const counted = count(JSON.parse(readFileSync(reportPath, "utf8")));
  const isSilentFailure = code !== 0 && counted.failed === 0;
  const isEmpty = counted.passed + counted.failed === 0;
  return isSilentFailure || isEmpty ? { ...counted, failed: counted.failed + 1 } : counted;
}

/**
 * A test file that could not even be loaded holds no tests; it counts as one that failed.
 *
 * @param {{ testResults: { status: string, assertionResults: { status: string }[] }[] }} report
 * @returns {Count}
 */
function countVitest({ testResults }) {
  const count = { passed: 0, failed: 0, skipped: 0 };
  for (const { status, assertionResults } of testResults) {
    const statuses = assertionResults.map((result) => result.status);
    const failed = statuses.filter((each) => each === "failed").length;
    count.passed += statuses.filter((each) => each === "passed").length;
    count.failed += status === "failed" && failed === 0 ? 1 : failed;
    count.skipped += statuses.filter((each) => !["passed", "failed"].includes(each)).length;
  }
  return count;
}

/**
 * Playwright's `unexpected` are the failed ones; errors outside tests (a broken set-up, a file that does not load) come extra.
 *
 * @param {{ stats: { expected: number, unexpected: number, flaky: number, skipped: number }, errors?: unknown[] }} report
 * @returns {Count}
 */
function countPlaywright({ stats, errors = [] }) {
  const failed = stats.unexpected + (stats.unexpected === 0 ? errors.length : 0);
  return { passed: stats.expected + stats.flaky, failed, skipped: stats.skipped };
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
  }
  rmSync(reportFolder, { recursive: true, force: true });
  if (lines.length === 0) total.failed += 1;
  console.log(`\n${lines.join("\n")}\n`);
  console.log(`${total.passed} passed, ${total.failed} failed`);
  process.exitCode = total.failed === 0 ? 0 : 1;
}

await main().catch((error) => {
  console.error(error);
  console.log("0 passed, 1 failed");
  process.exitCode = 1;
});
