import type { Decrypter, Encrypter, Stanza } from 'age-encryption'
import { loadOptionalPackage } from '../optional-package.js'

/**
 * The parts of the package age-encryption that this package uses to write and decrypt the headers
 * of age files.
 */
export interface AgeLibrary {
  readonly Encrypter: new () => Encrypter
  readonly Decrypter: new () => Decrypter
  readonly Stanza: new (args: string[], body: Uint8Array) => Stanza
  readonly identityToRecipient: (identity: string) => Promise<string>
}

/** Loads the package age-encryption. Throws PACKAGE_MISSING. */
export function loadAge(): AgeLibrary {
  return loadOptionalPackage<AgeLibrary>({
    name: 'age-encryption',
    neededFor: 'an encrypted replica',
    install: 'age-encryption@0.3',
  })
}
