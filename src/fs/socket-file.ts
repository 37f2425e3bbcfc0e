import { chmodSync, lstatSync } from 'node:fs'
import { LitestreamError } from '../errors.js'
import { kindOf } from './kind.js'

/**
 * Sets the mode of a Unix socket, and returns the inode of the socket. Only trusted users may have
 * write access to the folder of the socket, because another user could replace the socket file.
 */
export function setSocketMode(path: string, mode: number): number {
  const stats = lstatSync(path)
  if (!stats.isSocket()) {
    throw new LitestreamError('STORAGE_FAILED', `${path} is ${kindOf(stats)}, not the socket that was created there`, {
      file: path,
      hint: 'Put the socket into a folder to which no other user can write.',
    })
  }
  chmodSync(path, mode)
  return stats.ino
}
