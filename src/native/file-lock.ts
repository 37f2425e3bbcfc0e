/** The addon's functions for file locks. */
export interface FileLockNative {
  /**
   * Takes the exclusive flock(2) of an open file without waiting. Returns 0, or an errno:
   * EWOULDBLOCK while another descriptor holds the lock. Closing the descriptor, or the end of the
   * process, releases the lock.
   */
  tryLockFile(fd: number): number
}
