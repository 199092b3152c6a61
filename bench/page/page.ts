/** The bench's page: everything that the runner asks it to do, as `window.bench`. */
import * as attachments from "./attachments.ts";
import * as edit from "./edit.ts";
import * as idle from "./idle.ts";
import * as imports from "./import.ts";
import * as kept from "./kept.ts";
import * as memory from "./memory.ts";
import * as people from "./people.ts";
import * as query from "./query.ts";
import * as reopen from "./reopen.ts";
import * as search from "./search.ts";
import * as single from "./single.ts";
import * as sync from "./sync.ts";
import * as view from "./view.ts";

const bench = {
  ...attachments,
  ...edit,
  ...idle,
  ...imports,
  ...kept,
  ...memory,
  ...people,
  ...query,
  ...reopen,
  ...search,
  ...single,
  ...sync,
  ...view,
};

/** The functions a runner may call by name. */
export type Bench = typeof bench;

Object.assign(window, { bench });
