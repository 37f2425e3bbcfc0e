import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, symlinkSync } from 'node:fs'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { addonPath } from '../../src/native/addon.js'
import { platformName } from '../../src/native/platform.js'
import { packageRoot } from '../../src/package-files.js'
import { temporaryDirectory } from './temporary-directory.js'

/**
 * Copies into `folder` exactly the files that `npm pack` takes, with the addon of this checkout as
 * this platform's prebuilt one.
 */
function copyPackage(folder: string): void {
  const root = packageRoot()
  const packed = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    encoding: 'utf8',
  })
  const [{ files }] = JSON.parse(packed) as [{ files: { path: string }[] }]
  for (const { path: file } of files) cpSync(path.join(root, file), path.join(folder, file))
  cpSync(addonPath(), path.join(folder, 'prebuilds', `${platformName()}.node`))
}

/**
 * A folder of an application that has installed this package, and beside it better-sqlite3 with its
 * dependencies.
 */
export function installPacked(t: Pick<TestContext, 'after'>): string {
  const root = packageRoot()
  const app = temporaryDirectory(t)
  const modules = path.join(app, 'node_modules')
  copyPackage(path.join(modules, 'litestream-ts'))
  for (const name of ['better-sqlite3', 'bindings', 'file-uri-to-path']) {
    const link = path.join(modules, name)
    mkdirSync(path.dirname(link), { recursive: true })
    symlinkSync(path.join(root, 'node_modules', name), link)
  }
  return app
}

/** The package as a tarball; see copyPackage. */
export function packTarball(t: Pick<TestContext, 'after'>): string {
  const folder = temporaryDirectory(t)
  const staged = path.join(folder, 'package')
  copyPackage(staged)
  const packed = execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
    cwd: staged,
    encoding: 'utf8',
  })
  const [{ filename }] = JSON.parse(packed) as [{ filename: string }]
  return path.join(folder, filename)
}
