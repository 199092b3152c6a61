/** What page and worker say to each other about the entries of a database. */

/** One of the specification's calls on a store; which, and what it takes, is in src/page/store-types.ts. */
export interface StoreCalls {
  /**
   * Run a call on the log of an open database, or of its tenant's directory: this device's, or with `server`, the address of a link,
   * that server's.
   *
   * @throws `input/invalid`, `input/too-large`, `input/unknown-id` when there is no such link, `access/…`, `net/…`, `protocol/malformed`
   */
  callStore(
    database: number,
    of: { readonly server: string | undefined; readonly directory: boolean },
    call: string,
    given: readonly unknown[],
  ): Promise<unknown>;
}
