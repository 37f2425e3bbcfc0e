import type * as ssh2 from 'ssh2'
import { loadOptionalPackage } from '../optional-package.js'

export type Ssh2 = typeof ssh2

/**
 * Loads the package ssh2. An application installs this package only if it uses SFTP. Throws
 * PACKAGE_MISSING.
 */
export function loadSsh2(): Ssh2 {
  return loadOptionalPackage<Ssh2>({ name: 'ssh2', neededFor: 'a replica on sftp://', install: 'ssh2@1' })
}
