import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import type { TestContext } from 'node:test'
import Database from 'better-sqlite3'
import { main } from '../cli/run.js'
import { freePort } from '../support/servers/free-port.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const root = path.resolve(import.meta.dirname, '../../..')

/**
 * A directory in which the snippets of a document run, with a database `app.db` and this package.
 * Unavailable parts are replaced: the bucket by a folder, /var by that directory, port 9090 by a
 * free one, the fixed date by the current time.
 */
export async function createSandbox(t: TestContext) {
  const dir = temporaryDirectory(t)
  const port = await freePort()
  const modules = path.join(dir, 'node_modules')
  const own = path.join(modules, 'litestream-ts')
  mkdirSync(own, { recursive: true })
  for (const name of ['better-sqlite3', 'drizzle-orm', 'kysely', 'prom-client'])
    symlinkSync(path.join(root, 'node_modules', name), path.join(modules, name))
  const exports = { '.': './index.js', './metrics': './metrics.js' }
  writeFileSync(path.join(own, 'package.json'), JSON.stringify({ name: 'litestream-ts', type: 'module', exports }))
  writeFileSync(path.join(own, 'index.js'), `export * from ${JSON.stringify(path.join(root, 'dist/index.js'))}\n`)
  writeFileSync(
    path.join(own, 'metrics.js'),
    `export * from ${JSON.stringify(path.join(root, 'dist/status/index.js'))}\n`,
  )
  const bin = path.join(dir, 'bin')
  mkdirSync(bin)
  writeFileSync(path.join(bin, 'litestream-ts'), `#!/bin/sh\nexec ${process.execPath} ${main} "$@"\n`, { mode: 0o755 })
  const db = new Database(path.join(dir, 'app.db'))
  db.exec("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT); INSERT INTO users (name) VALUES ('Ada'), ('Grace')")
  db.close()
  mkdirSync(path.join(dir, 'lib/app'), { recursive: true })
  mkdirSync(path.join(dir, 'cache'))
  const here = (text: string) =>
    text
      .replaceAll('s3://bucket', `file://${dir}/bucket`)
      .replaceAll('/var/', `${dir}/`)
      .replaceAll('127.0.0.1:9090', `127.0.0.1:${port}`)
      .replaceAll('2026-01-31T15:04:05Z', new Date(Date.now() + 1000).toISOString())
  const config = here('addr: 127.0.0.1:9090\ndbs: [{ path: app.db, replica: { url: s3://bucket/app.db } }]')
  writeFileSync(path.join(dir, 'litestream.yml'), config.replace('app.db,', `${dir}/app.db,`))
  const env = { ...process.env, PATH: `${bin}:${path.dirname(process.execPath)}:${process.env.PATH}` }
  return { dir, here, env }
}
