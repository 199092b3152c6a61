/**
 * Check the types of every project. DOM and WebWorker types clash, so each thread of execution is a project of its own;
 * a project without sources is passed over.
 */
import { existsSync, readdirSync } from "node:fs";
import process from "node:process";
import { fromRoot } from "../build/paths.mjs";
import { runTool } from "./run.mjs";

/** Each project, with the folder or file that must hold a source before there is anything to check. */
const projects = [
  { config: "tsconfig.json", source: "src" },
  { config: "src/page/tsconfig.json", source: "src/page" },
  { config: "src/extract/tsconfig.json", source: "src/extract" },
  { config: "worker/tsconfig.json", source: "worker" },
  { config: "sw/tsconfig.json", source: "sw" },
  { config: "server/tsconfig.json", source: "server" },
  { config: "demo/tsconfig.json", source: "demo" },
  { config: "demo/tsconfig.sw.json", source: "demo/sw.ts" },
  { config: "e2e/tsconfig.json", source: "e2e" },
  { config: "bench/tsconfig.json", source: "bench" },
  { config: "build/tsconfig.json", source: "build" },
];

/** @param {string} path */
function holdsSources(path) {
  if (!existsSync(path)) return false;
  if (/\.tsx?$/.test(path)) return true;
  const names = readdirSync(path, { recursive: true, encoding: "utf8" });
  return names.some((name) => /\.tsx?$/.test(name) && !/(^|[\\/])(node_modules|dist)[\\/]/.test(name));
}

const failed = [];
for (const { config, source } of projects) {
  if (!holdsSources(fromRoot(source))) {
    console.log(`types: ${config} has no sources yet`);
    continue;
  }
  const code = await runTool("typescript", [
    "-p",
    fromRoot(config),
    "--pretty",
    String(process.stdout.isTTY === true),
  ]);
  console.log(`types: ${config} ${code === 0 ? "is right" : "FAILED"}`);
  if (code !== 0) failed.push(config);
}
if (failed.length > 0) {
  console.error(`types: wrong in ${failed.join(", ")}`);
  process.exitCode = 1;
}
