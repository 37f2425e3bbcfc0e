/** The addon's functions for file locks. */
export interface FileLockNative {
  /**
   * Tries to take the exclusive flock(2) lock of an open file without waiting. Returns 0 or an
   * errno. If another descriptor holds the lock, the errno is EWOULDBLOCK. Closing the descriptor,
   * or the end of the process, releases the lock.
   */
  tryLockFile(fd: number): number
}
