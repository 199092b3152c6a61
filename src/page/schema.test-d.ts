import { type } from "arktype";
import * as v from "valibot";
import { expectTypeOf, it } from "vitest";
import { z } from "zod";
import { field } from "../expr/index.ts";
import type { Database, Tenant } from "./types.ts";

interface Contact {
  name: string;
  tags?: string[] | undefined;
}

declare const tenant: Tenant;

it("a schema gives its type to the database", () => {
  const zod = z.object({ name: z.string(), tags: z.array(z.string()).optional() });
  const valibot = v.object({ name: v.string(), tags: v.optional(v.array(v.string())) });
  const arktype = type({ name: "string", tags: "string[] | undefined" });
  expectTypeOf(tenant.openDB("contacts", { schema: zod })).resolves.toEqualTypeOf<Database<Contact>>();
  expectTypeOf(tenant.openDB("contacts", { schema: valibot })).resolves.toEqualTypeOf<Database<Contact>>();
  expectTypeOf(tenant.openDB("contacts", { schema: arktype })).resolves.toEqualTypeOf<
    Database<{ name: string; tags: string[] | undefined }>
  >();
});

it("a type of the application's own stands where there is no schema", () => {
  expectTypeOf(tenant.openDB<Contact>("contacts")).resolves.toEqualTypeOf<Database<Contact>>();
  expectTypeOf(tenant.openDB("contacts")).resolves.toEqualTypeOf<Database>();
  const options = { defaults: { tags: [] }, migrations: [{ to: 1, set: { name: field("first") } }] };
  expectTypeOf(tenant.openDB<Contact>("contacts", options)).resolves.toEqualTypeOf<Database<Contact>>();
  // @ts-expect-error a default of another type
  void tenant.openDB<Contact>("contacts", { defaults: { tags: "none" } });
  // @ts-expect-error a migration without its version
  void tenant.openDB<Contact>("contacts", { migrations: [{ set: {} }] });
  // @ts-expect-error a schema of another type
  void tenant.openDB<Contact>("contacts", { schema: z.object({ name: z.number() }) });
});
