import { type ErrorCode, LitestreamError } from '../errors.js'

const CODES: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  ENOENT: ['NOT_FOUND', 'Check the path.'],
  ENOTDIR: ['STORAGE_FAILED', 'A part of the path is a file where a directory is needed; check the path.'],
  EISDIR: ['STORAGE_FAILED', 'A directory stands where a file is needed; check the path.'],
  EACCES: ['ACCESS_DENIED', 'Give the user that runs this process access to it.'],
  EPERM: ['ACCESS_DENIED', 'Give the user that runs this process access to it.'],
  EROFS: ['ACCESS_DENIED', 'The file system is mounted read-only.'],
  EEXIST: ['PRECONDITION_FAILED', 'Something else wrote it first.'],
  ENOSPC: ['DISK_FULL', 'Make room on the file system.'],
  EDQUOT: ['DISK_FULL', 'Make room within the quota.'],
  EMFILE: ['UNAVAILABLE', 'Raise the limit of open files (ulimit -n).'],
  ENFILE: ['UNAVAILABLE', 'Raise the limit of open files of the system.'],
  ESTALE: ['UNAVAILABLE', 'The network file system lost the file; look at its mount.'],
  EIO: ['STORAGE_FAILED', 'The disk failed; look at the system log.'],
}

/** The LitestreamError for what `node:fs` threw while `doing` (such as "reading") something to `file`. */
export function fsError(error: unknown, doing: string, file: string): LitestreamError {
  if (error instanceof LitestreamError) return error
  const { code = '', message } = error as NodeJS.ErrnoException
  const [ours, hint] = CODES[code] ?? ['STORAGE_FAILED', undefined]
  return new LitestreamError(ours, `${doing} ${file} failed: ${message}`, { cause: error, file, hint })
}

export function isErrno(error: unknown, ...codes: string[]): boolean {
  return error instanceof Error && codes.includes((error as NodeJS.ErrnoException).code ?? '')
}
