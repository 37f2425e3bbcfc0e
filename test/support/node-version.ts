import { fileOfTool } from './tool.js'

/**
 * The path of a Node.js binary of another version. It is not a dependency, because npm would put
 * its `node` on the path of every script.
 */
export function nodeOfVersion(version: string): string {
  return fileOfTool(`node-${process.platform}-${process.arch}`, version, 'bin/node')
}
