import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { packageRoot } from '../../src/native/addon.js'
import { temporaryDirectory } from './temporary-directory.js'

/**
 * A folder of an application that has installed this package: exactly the files that `npm pack` takes, the compiled addon, and beside
 * them the packages that it depends on, none of those that only its development needs.
 */
export function installPacked(t: Pick<TestContext, 'after'>): string {
  const root = packageRoot()
  const app = temporaryDirectory(t)
  const modules = path.join(app, 'node_modules')
  const installed = path.join(modules, 'litestream-ts')
  const packed = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
  })
  const [{ files }] = JSON.parse(packed) as [{ files: { path: string }[] }]
  for (const { path: file } of files) cpSync(path.join(root, file), path.join(installed, file))
  symlinkSync(path.join(root, 'build'), path.join(installed, 'build'))
  const { dependencies } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  for (const name of Object.keys(dependencies)) {
    const link = path.join(modules, name)
    mkdirSync(path.dirname(link), { recursive: true })
    symlinkSync(path.join(root, 'node_modules', name), link)
  }
  return app
}
