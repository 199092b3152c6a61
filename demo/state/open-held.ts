/** Opening a space without asking: its session was kept, or another tab of this browser has it open. */
import type { KnownTenant, UnlockWay } from "cofferdb";
import { theCoffer } from "./coffer.ts";
import { enterSpace, isLeft, space } from "./space.ts";

/** The attempt under way, or the last one; it never fails. */
let attempt = Promise.resolve();

/** Try the space opened last, unless one was left by choice. What cannot be opened stays on the first screen and asks. */
export async function openWithoutPassword(tenants: readonly KnownTenant[]): Promise<void> {
  const last = tenants.toSorted((a, b) => b.lastOpenedAtMs - a.lastOpenedAtMs)[0];
  if (last === undefined || isLeft.peek()) return;
  attempt = open(last.id).catch(() => undefined);
  await attempt;
}

/** Open a space with what its user gives. An attempt without one is waited for: it may make this needless, and must not cross it. */
export async function openAs(
  id: string,
  options: UnlockWay & { readonly keepSession: boolean },
): Promise<void> {
  await attempt;
  if (space.peek()?.tenant.id !== id) await enterSpace(await theCoffer().openTenant(id, options));
}

async function open(id: string): Promise<void> {
  const tenant = await theCoffer().openTenant(id);
  // Somebody may have been quicker with another space.
  if (space.peek() === undefined) await enterSpace(tenant);
  else tenant.dispose();
}
