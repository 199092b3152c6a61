/** The table of tasks in Evolu, which has no truth values of its own. */
import { String as Text, id, Number as Numeric, type InferType } from "@evolu/common";
import type { Task } from "./tasks.ts";

const TaskId = id("Task");
export type TaskId = InferType<typeof TaskId>;
export const Schema = {
  task: {
    id: TaskId,
    title: Text,
    status: Text,
    priority: Numeric,
    assignee: Text,
    due: Text,
    project: Text,
    estimateHours: Numeric,
    isBillable: Numeric,
    tag: Text,
    notes: Text,
  },
};

export const rowOf = (task: Task) => ({ ...task, isBillable: task.isBillable ? 1 : 0 });
