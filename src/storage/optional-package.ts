import { LitestreamError } from '../errors.js'
import { localRequire } from '../package-files.js'

/**
 * The library of one feature, such as one kind of store. Each library is an optional peer
 * dependency: an application installs it only if it uses that feature.
 */
export interface OptionalPackage {
  /** The npm package name. */
  readonly name: string
  /** The module of the package to load, such as "server/index.js"; default: its main module. */
  readonly module?: string
  /** The feature that needs it, for messages: "a replica on gs://". */
  readonly neededFor: string
  /** Arguments of `npm install` for versions that are known to work: "@google-cloud/storage@7". */
  readonly install: string
}

/**
 * The exports of an optional package. The package is resolved as if this code imported it: beside
 * this package, or beside a bundle with this code. `localRequire` keeps bundlers from including it;
 * it also loads ES modules. Throws PACKAGE_MISSING with the command that installs it, also if the
 * package exists but cannot be loaded.
 */
export function loadOptionalPackage<Exports>({ name, module, neededFor, install }: OptionalPackage): Exports {
  try {
    return localRequire(module === undefined ? name : `${name}/${module}`) as Exports
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

/** Whether the package itself is missing, instead of one of its dependencies or modules. */
function isMissing(error: unknown, name: string): boolean {
  const { code, message } = error as NodeJS.ErrnoException
  return code === 'MODULE_NOT_FOUND' && /'([^']+)'/.exec(message.split('\n', 1)[0]!)?.[1]?.startsWith(name) === true
}
