/** What one side says before it waits for the other. */
export const peerLimits = {
  /** commits of one answer, or of one question; one commit more may pass it */
  commitBytes: 4 * 1024 * 1024,
  /** all that is said at once, frames and ranges included */
  messageBytes: 8 * 1024 * 1024,
} as const;
