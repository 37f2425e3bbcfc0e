import { nodeOfVersion } from './node-version.js'

/**
 * The path of a Node.js with node:sqlite without a flag: TEST_CURRENT_NODE, or one that npm
 * fetches.
 */
export function currentNode(): string {
  return process.env.TEST_CURRENT_NODE ?? nodeOfVersion('24')
}
