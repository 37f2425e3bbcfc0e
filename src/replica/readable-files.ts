import type { LtxFileInfo } from '../storage/replica-client.js'
import { fileLabel } from './file-table.js'

/** The listing without one file, named by its label (`level/name`). */
export function readableFiles(files: readonly (readonly LtxFileInfo[])[], without?: string): LtxFileInfo[][] {
  return files.map((level) => level.filter((file) => fileLabel(file) !== without))
}
