import { LitestreamError } from '../errors.js'
import { localRequire } from '../package-files.js'

/** The client library of one kind of store. It is a peer dependency: the application installs it only if it uses that store. */
export interface OptionalPackage {
  /** As npm calls it. */
  readonly name: string
  /** What cannot be done without it, for messages: "a replica on gs://". */
  readonly neededFor: string
  /** Arguments of `npm install` that install it, with the versions that are known to work: "@google-cloud/storage@7". */
  readonly install: string
}

/**
 * The exports of an optional package. It is looked for where Node.js looks for a package that this code imports: beside this package,
 * or beside a bundle that holds this code. `localRequire` keeps bundlers from asking for it; it loads ES modules, too. Throws
 * PACKAGE_MISSING with the command that installs it, also where the package is there and cannot be loaded.
 */
export function loadOptionalPackage<Exports>({ name, neededFor, install }: OptionalPackage): Exports {
  try {
    return localRequire(name) as Exports
  } catch (cause) {
    const [reason] = (cause as Error).message.split('\n', 1)
    const missing = isMissing(cause, name)
    throw new LitestreamError(
      'PACKAGE_MISSING',
      missing
        ? `${neededFor} needs the package ${name}, which is not installed`
        : `${neededFor} needs the package ${name}, which cannot be loaded: ${reason}`,
      {
        cause,
        file: name,
        hint: `Run \`npm install ${install}\` where litestream-ts is installed (with -g, if that was installed with -g).`,
      },
    )
  }
}

/** Whether the package itself is not there, rather than something that it needs. */
function isMissing(error: unknown, name: string): boolean {
  const { code, message } = error as NodeJS.ErrnoException
  return code === 'MODULE_NOT_FOUND' && message.split('\n', 1)[0]!.includes(`'${name}'`)
}
