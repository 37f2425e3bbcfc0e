export const NOBODY = 65534

/**
 * Runs `act` with the rights of the user and group `nobody`, for all threads of this process.
 * Requires root.
 */
export async function asNobody<T>(act: () => Promise<T>): Promise<T> {
  process.setegid!(NOBODY)
  process.seteuid!(NOBODY)
  try {
    return await act()
  } finally {
    process.seteuid!(0)
    process.setegid!(0)
  }
}
