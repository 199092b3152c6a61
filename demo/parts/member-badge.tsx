/** A person at a glance: initials on a colour of their own, never the colour alone. */
import { initials } from "../text/format.ts";

const hues = 6;

/** Show a person's initials; the colour depends on the key only. */
export function MemberBadge({ userKey, name }: { readonly userKey: string; readonly name: string }) {
  // Keys are random, so that two of their characters spread people over the colours well enough.
  const sum = userKey.charCodeAt(0) + userKey.charCodeAt(1);
  return (
    <span class={`badge badge-${sum % hues}`} aria-hidden="true">
      {initials(name)}
    </span>
  );
}
