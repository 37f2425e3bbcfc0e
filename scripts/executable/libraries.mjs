// The libraries of the stores, as they are in the single-file executable.
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { build } from 'esbuild'
import { notices, packagesOf } from '../licences.mjs'

const root = path.join(import.meta.dirname, '../..')

/** The optional packages of package.json, as the modules that are loaded. */
const LIBRARIES = [
  '@azure/identity',
  '@azure/storage-blob',
  '@google-cloud/storage',
  '@modelcontextprotocol/sdk/server/index.js',
  '@modelcontextprotocol/sdk/server/streamableHttp.js',
  '@modelcontextprotocol/sdk/types.js',
  'age-encryption',
  'ssh2',
]

/**
 * Writes into `folder` one file for each library, with everything that the library imports, and the
 * licences of all packages in these files. Addons of other packages are left out, because the
 * libraries work without them.
 */
export async function bundleLibraries(folder) {
  const options = { absWorkingDir: root, bundle: true, platform: 'node', format: 'cjs', target: 'node22' }
  const outputs = {}
  for (const library of LIBRARIES) {
    const { metafile } = await build({
      ...options,
      entryPoints: [library],
      outfile: path.join(folder, library.endsWith('.js') ? library : `${library}/index.js`),
      external: ['*.node', 'cpu-features'],
      metafile: true,
      logLevel: 'error',
    })
    Object.assign(outputs, metafile.outputs)
  }
  writeFileSync(path.join(folder, 'THIRD_PARTY_LICENSES.txt'), notices(packagesOf(outputs)))
}
