import { constants, writeSync } from 'node:fs'
import { fsError } from './fs-error.js'
import { openRegularSync } from './open-regular-sync.js'

const { O_APPEND, O_CREAT, O_WRONLY } = constants

/**
 * Opens a file to which a log is appended; every user can read it. Returns the function that
 * appends a line. Both throw errors that name the file.
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
