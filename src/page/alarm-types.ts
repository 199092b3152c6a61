/** What an application is told of a tenant that should not have happened, or that nobody may see. */
export interface AlarmEvent {
  readonly kind:
    | "gap"
    | "rollback"
    | "fork"
    | "withheld"
    | "equivocation"
    | "id-conflict"
    | "quarantined"
    | "wiped";
  readonly atMs: number;
  readonly detail: string;
  /** of a fork of the directory: the ends of all lines, that of the line which counts first; kept up to date while it is open */
  readonly heads?: readonly string[];
  /** when the fork was closed */
  readonly endedAtMs?: number;
}

export interface QuarantinedCommit {
  readonly commitHash: string;
  readonly reason: string;
  readonly atMs: number;
}
