/** Builders: small functions that write columns. They check nothing; `parseViewDefinition` does. */
import type { ColumnInput, ColumnReading, TotalFunction } from "./definition.ts";

type Options<Role extends ColumnInput["role"]> = Omit<
  Extract<ColumnInput, { readonly role: Role }>,
  "role" | "name" | "total"
>;

const column =
  <const Role extends "category" | "sorted" | "display">(role: Role) =>
  (name: string, options?: Options<Role>): ColumnInput =>
    ({ role, name, ...options }) as ColumnInput;

/** Group by a column: `category("department")`, `category("year", { expr: year("closedAt"), order: "desc" })`. */
export const category = column("category");

/** Order the documents by a column. */
export const sorted = column("sorted");

/** Show a column: `display("email")`, or what an expression gives: `display("due", { expr: … })`. */
export const display = column("display");

/** Sum a field up, or what an expression gives; `total("*", "count")` counts documents. Its name is `sum(salary)`, unless told. */
export const total = (
  field: string,
  how: TotalFunction,
  options?: Omit<ColumnReading, "field"> & { readonly name?: string },
): ColumnInput => ({ role: "total", name: `${how}(${field})`, total: how, field, ...options });
