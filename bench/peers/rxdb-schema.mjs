/** The schema of the tasks in RxDB, for its pages and its server: a primary key and three indexes, and one more where questions are asked. */

/** @param {number} maxLength */
const text = (maxLength) => ({ type: "string", maxLength });

/** @param {boolean} isAsked */
export const schemaOf = (isAsked) => ({
  version: 0,
  primaryKey: "id",
  type: "object",
  properties: {
    id: text(40),
    title: { type: "string" },
    status: text(12),
    priority: { type: "number" },
    assignee: text(20),
    due: text(30),
    project: { type: "string" },
    estimateHours: { type: "number" },
    isBillable: { type: "boolean" },
    tag: { type: "string" },
    notes: { type: "string" },
  },
  required: ["id", "status", "due", "assignee"],
  indexes: ["status", "due", "assignee", ...(isAsked ? [["status", "due"]] : [])],
});
