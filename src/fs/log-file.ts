import { constants, writeSync } from 'node:fs'
import { fsError } from './fs-error.js'
import { openRegularSync } from './open-regular-sync.js'

const { O_APPEND, O_CREAT, O_WRONLY } = constants

/**
 * Opens or creates a log file that every user can read. Returns a function that appends a line to
 * the log file. Errors of `openLogFile` and of the returned function contain the path of the file.
 */
export function openLogFile(file: string): (line: string) => void {
  let fd: number
  try {
    fd = openRegularSync(file, O_WRONLY | O_APPEND | O_CREAT, 0o644)
  } catch (error) {
    throw fsError(error, 'opening the log', file)
  }
  return (line) => {
    try {
      writeSync(fd, line)
    } catch (error) {
      throw fsError(error, 'writing the log', file)
    }
  }
}
