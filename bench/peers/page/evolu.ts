/** Evolu: SQLite in OPFS behind a worker, with its own encrypted history for sync. No relay is connected. */
import { SimpleName, createEvolu, type InferType, type String as Text } from "@evolu/common";
import { evoluWebDeps } from "@evolu/web";
import { Schema, rowOf, type TaskId } from "./evolu-schema.ts";
import type { Peer, Question } from "./peer.ts";
import type { Task } from "./tasks.ts";

export const peer: Peer = {
  async open(name, isAsked) {
    const evolu = createEvolu(evoluWebDeps)(Schema, {
      name: SimpleName.orThrow(name),
      transports: [],
      indexes: (create) => [
        create("taskStatus").on("task").column("status"),
        create("taskDue").on("task").column("due"),
        create("taskAssignee").on("task").column("assignee"),
        ...(isAsked === true ? [create("taskQuestion").on("task").columns(["status", "due"])] : []),
      ],
    });
    const complete = (start: (onComplete: () => void) => { readonly ok: boolean }): Promise<void> =>
      new Promise((resolve, reject) => {
        if (!start(resolve).ok) reject(new Error("Evolu refused a row"));
      });
    const insert = (task: Task, onComplete?: () => void) =>
      evolu.insert("task", rowOf(task), onComplete === undefined ? {} : { onComplete });
    const windowOf = (limit: number) =>
      evolu.createQuery((db) =>
        db
          .selectFrom("task")
          .select(["title", "due"])
          .where("status", "=", "open")
          .orderBy("due")
          .limit(limit),
      );
    const answerOf = ({ status, from, limit }: Question) =>
      evolu.createQuery((db) =>
        db
          .selectFrom("task")
          .select(["title", "due"])
          .where("status", "=", status as InferType<typeof Text>)
          .where("due", ">=", from as InferType<typeof Text>)
          .orderBy("due")
          .limit(limit),
      );
    const counted = evolu.createQuery((db) => db.selectFrom("task").select(["id"]));
    return {
      async insertAll(tasks) {
        const last = tasks.at(-1);
        if (last === undefined) return;
        for (const task of tasks.slice(0, -1)) insert(task);
        await complete((onComplete) => insert(last, onComplete));
      },
      async insert(task) {
        let made = "";
        await complete((onComplete) => {
          const result = insert(task, onComplete);
          if (result.ok) made = result.value.id;
          return result;
        });
        return made;
      },
      async update(taskId, title) {
        await complete((onComplete) => evolu.update("task", { id: taskId as TaskId, title }, { onComplete }));
      },
      async window(limit) {
        const rows = await evolu.loadQuery(windowOf(limit));
        return rows.map(({ title, due }) => ({ title: String(title), due: String(due) }));
      },
      async ask(question) {
        const rows = await evolu.loadQuery(answerOf(question));
        return rows.map(({ title, due }) => ({ title: String(title), due: String(due) }));
      },
      count: async () => (await evolu.loadQuery(counted)).length,
      async watch(taskId, listener) {
        const query = evolu.createQuery((db) =>
          db
            .selectFrom("task")
            .select(["title"])
            .where("id", "=", taskId as TaskId),
        );
        await evolu.loadQuery(query);
        return evolu.subscribeQuery(query)(() => listener(String(evolu.getQueryRows(query)[0]?.["title"])));
      },
      // This version cannot be closed: the page's end does it.
      close: async () => undefined,
    };
  },
};
