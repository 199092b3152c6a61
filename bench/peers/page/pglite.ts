/** PGlite: PostgreSQL in wasm on the page, its files in IndexedDB, with its relaxed durability off. */
import { PGlite } from "@electric-sql/pglite";
import fsBundleUrl from "@electric-sql/pglite/pglite.data?url";
import initdbUrl from "@electric-sql/pglite/initdb.wasm?url";
import wasmUrl from "@electric-sql/pglite/pglite.wasm?url";
import type { Peer, WindowRow } from "./peer.ts";
import type { Task } from "./tasks.ts";

const fields = [
  "title",
  "status",
  "priority",
  "assignee",
  "due",
  "project",
  "estimateHours",
  "isBillable",
  "tag",
  "notes",
] as const;
const columns = ["id", ...fields].map((name) => `"${name}"`).join(", ");

async function openDatabase(name: string): Promise<PGlite> {
  const [wasmModule, initdbWasmModule, fsBundle] = await Promise.all([
    WebAssembly.compileStreaming(fetch(wasmUrl)),
    WebAssembly.compileStreaming(fetch(initdbUrl)),
    fetch(fsBundleUrl).then(async (response) => response.blob()),
  ]);
  const options = { wasmModule, pgliteWasmModule: wasmModule, initdbWasmModule, fsBundle };
  return PGlite.create(`idb://${name}`, options as never);
}

export const peer: Peer = {
  async open(name, isAsked) {
    const db = await openDatabase(name);
    await db.exec(`
      CREATE TABLE IF NOT EXISTS tasks (
        "id" text PRIMARY KEY, "title" text, "status" text, "priority" int, "assignee" text, "due" text,
        "project" text, "estimateHours" float, "isBillable" bool, "tag" text, "notes" text);
      CREATE INDEX IF NOT EXISTS by_status ON tasks ("status");
      CREATE INDEX IF NOT EXISTS by_due ON tasks ("due");
      CREATE INDEX IF NOT EXISTS by_assignee ON tasks ("assignee");`);
    if (isAsked === true) await db.exec('CREATE INDEX IF NOT EXISTS by_question ON tasks ("status", "due")');
    const insertRows = async (tasks: readonly Task[]): Promise<string[]> => {
      const ids = tasks.map(() => crypto.randomUUID());
      const rows = tasks.map((task, index) => ({ id: ids[index], ...task }));
      await db.query(
        `INSERT INTO tasks (${columns}) SELECT ${columns} FROM jsonb_populate_recordset(NULL::tasks, $1::jsonb)`,
        [JSON.stringify(rows)],
      );
      return ids;
    };
    return {
      async insertAll(tasks) {
        await insertRows(tasks);
      },
      insert: async (task) => (await insertRows([task]))[0] ?? "",
      async update(id, title) {
        await db.query(`UPDATE tasks SET "title" = $2 WHERE "id" = $1`, [id, title]);
      },
      async window(limit) {
        const found = await db.query<WindowRow>(
          `SELECT "title", "due" FROM tasks WHERE "status" = 'open' ORDER BY "due" LIMIT $1`,
          [limit],
        );
        return found.rows;
      },
      async ask({ status, from, limit }) {
        const found = await db.query<WindowRow>(
          `SELECT "title", "due" FROM tasks WHERE "status" = $1 AND "due" >= $2 ORDER BY "due" LIMIT $3`,
          [status, from, limit],
        );
        return found.rows;
      },
      async count() {
        return Number((await db.query<{ count: number }>("SELECT count(*) FROM tasks")).rows[0]?.count ?? 0);
      },
      close: async () => db.close(),
    };
  },
};
