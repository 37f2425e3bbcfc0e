import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { addonPath } from '../../src/native/addon.js'
import { platformName } from '../../src/native/platform.js'
import { packageRoot } from '../../src/package-files.js'
import { temporaryDirectory } from './temporary-directory.js'

/**
 * A folder of an application that has installed this package: exactly the files that `npm pack` takes, with the addon of this
 * checkout as the prebuilt one of this platform, and beside them better-sqlite3, with its dependencies.
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
  cpSync(addonPath(), path.join(installed, 'prebuilds', `${platformName()}.node`))
  for (const name of ['better-sqlite3', 'bindings', 'file-uri-to-path']) {
    const link = path.join(modules, name)
    mkdirSync(path.dirname(link), { recursive: true })
    symlinkSync(path.join(root, 'node_modules', name), link)
  }
  return app
}
