import { getSystemErrorMap } from 'node:util'

/**
 * Returns the error that node:fs would throw if the system call `syscall` failed with `errno`
 * (positive, as in C).
 */
export function systemError(errno: number, syscall: string): NodeJS.ErrnoException {
  const [code, text] = getSystemErrorMap().get(-errno) ?? [`E${errno}`, `system error ${errno}`]
  return Object.assign(new Error(`${code}: ${text}, ${syscall}`), { code, errno: -errno, syscall })
}
