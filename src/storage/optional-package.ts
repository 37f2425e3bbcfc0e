import { LitestreamError } from '../errors.js'
import { localRequire } from '../package-files.js'

/**
 * A library that one optional feature needs, such as one kind of store. Each such library is an
 * optional peer dependency, so an application installs it only if the application uses the feature.
 */
export interface OptionalPackage {
  /** Name of the npm package. */
  readonly name: string
  /**
   * The module of the package to load, such as "server/index.js". If `module` is undefined, the
   * main module of the package is loaded.
   */
  readonly module?: string
  /** The feature that needs the package, as a phrase for messages, such as "a replica on gs://". */
  readonly neededFor: string
  /**
   * Argument of `npm install` that installs a compatible version, such as
   * "@google-cloud/storage@7".
   */
  readonly install: string
}

/**
 * Loads an optional package and returns its exports. Node.js resolves the package as if
 * optional-package.ts imported it. Node.js therefore searches beside litestream-ts, or beside a
 * bundle that contains litestream-ts. The call through `localRequire` also loads ES modules, and
 * bundlers do not include the package. Throws PACKAGE_MISSING if the package is missing or cannot
 * be loaded. The error PACKAGE_MISSING contains the command that installs the package.
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

/** Whether the package itself is missing, and not only a dependency or a module of the package. */
function isMissing(error: unknown, name: string): boolean {
  const { code, message } = error as NodeJS.ErrnoException
  return code === 'MODULE_NOT_FOUND' && /'([^']+)'/.exec(message.split('\n', 1)[0]!)?.[1]?.startsWith(name) === true
}
