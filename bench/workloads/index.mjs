/** The workloads, in the order in which they run. */
import { attachments, largeAttachment } from "./attachments.mjs";
import { blocking } from "./blocking.mjs";
import { edit } from "./edit.mjs";
import { idle } from "./idle.mjs";
import { importing } from "./import.mjs";
import { memory } from "./memory.mjs";
import { peersSync } from "./peers-sync.mjs";
import { peers } from "./peers.mjs";
import { people } from "./people.mjs";
import { query } from "./query.mjs";
import { reopen } from "./reopen.mjs";
import { scroll } from "./scroll.mjs";
import { search } from "./search.mjs";
import { single } from "./single.mjs";
import { sizes } from "./sizes.mjs";
import { sync } from "./sync.mjs";
import { view } from "./view.mjs";

/**
 * One workload: it measures in the world it is given, and gives its samples by the names of the metrics.
 *
 * @typedef {{ name: string, title: string, measure: (world: import("../world.mjs").World) => Promise<Record<string, number[]>> }} Workload
 */

/** @type {readonly Workload[]} */
export const workloads = [
  sizes,
  importing,
  single,
  blocking,
  edit,
  reopen,
  idle,
  sync,
  query,
  view,
  search,
  scroll,
  people,
  memory,
  attachments,
  largeAttachment,
  peers,
  peersSync,
];
