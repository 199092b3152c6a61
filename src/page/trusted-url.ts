/** Script addresses for pages that demand Trusted Types. */

interface TrustedTypesLike {
  createPolicy(
    name: string,
    rules: { createScriptURL: (url: string) => string },
  ): { createScriptURL(url: string): unknown };
}

let policy: { createScriptURL(url: string): unknown } | undefined;

/**
 * Give a script address the form that the page's policy demands: a `TrustedScriptURL` of the policy "coffer"
 * where there are Trusted Types, the text elsewhere. A page that names its policies must list "coffer", or
 * hand in a worker of its own making.
 */
export function trustedScriptUrl(url: string): string {
  const types = (globalThis as { trustedTypes?: TrustedTypesLike }).trustedTypes;
  try {
    policy ??= types?.createPolicy("coffer", { createScriptURL: (own) => own });
  } catch {
    // The page's own list of policies leaves this one out; whether plain text passes is for the browser to
    // say.
  }
  // The DOM's types know addresses as texts only, and every sink takes the trusted form as well.
  return (policy?.createScriptURL(url) ?? url) as string;
}
