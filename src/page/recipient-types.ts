/** Documents for some people alone, as an application sees them. */
import type { AdminOptions } from "./directory-types.ts";
import type { Doc } from "./types.ts";

/** What a database does for documents that some people alone read. */
export interface RecipientLists<T extends object> {
  /**
   * Create a document that only these users, those who are in these groups now, and this user can read. Its key has no name and is wrapped
   * for each of them.
   *
   * @throws input/unknown-id for who is no member
   */
  createDocumentFor(
    recipients: { readonly users?: readonly string[]; readonly groups?: readonly string[] },
    value: T,
    options: AdminOptions,
  ): Promise<Doc<T>>;
  /** Keys of the users who can read what is written to a document now, as far as the directory and this device know. */
  getRecipients(doc: Doc<T> | string): Promise<readonly string[]>;
  /**
   * Who comes can read the document with its past. Who goes can read nothing that is written from then on; what they could read they keep.
   *
   * @throws input/invalid for a document that was not made for a list, and for going oneself; input/unknown-id; key/missing
   */
  changeRecipients(
    doc: Doc<T> | string,
    options: AdminOptions & { readonly add?: readonly string[]; readonly remove?: readonly string[] },
  ): Promise<void>;
}
