import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import { installPacked } from '../support/packed.js'
import { makeSource } from '../support/replica.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { fileOfTool, ifObtainable } from '../support/tool.js'

// Bundles of an application run where the package is installed beside them, and name the setting
// where it is not.

const PROGRAM = `
import { openReplica } from 'litestream-ts'
async function main() {
  const replica = await openReplica(process.argv[2])
  console.log(replica.txid)
  await replica.close()
}
main()`

const app = installPacked({ after: after as TestContext['after'] })
const entry = path.join(app, 'program.mjs')
writeFileSync(entry, PROGRAM)

async function replicaUrl(t: TestContext): Promise<string> {
  const url = pathToFileURL(path.join(temporaryDirectory(t), 'replica')).href
  const { history } = await makeSource(t, { url })
  await history.commit('CREATE TABLE t (v)')
  return url
}

function run(file: string, url: string) {
  const { NODE_OPTIONS: _, ...env } = process.env
  return spawnSync(process.execPath, [file, url], { cwd: path.dirname(file), env, encoding: 'utf8', timeout: 60_000 })
}

async function assertRuns(t: TestContext, file: string): Promise<void> {
  const { status, stdout, stderr } = run(file, await replicaUrl(t))
  assert.deepEqual({ status, stdout }, { status: 0, stdout: '1\n' }, stderr)
}

/** The bundle alone, in a folder without the package. */
async function assertNamesSetting(t: TestContext, file: string): Promise<void> {
  const alone = path.join(temporaryDirectory(t), path.basename(file))
  cpSync(file, alone)
  const { status, signal, stderr } = run(alone, 'file:///nowhere')
  assert.deepEqual({ status, signal }, { status: 1, signal: null }, stderr)
  assert.match(stderr, /NATIVE_MISSING/)
  assert.match(stderr, /esbuild --external:litestream-ts, webpack externals.*Next\.js serverExternalPackages/)
}

for (const format of ['esm', 'cjs'] as const) {
  test(`an esbuild bundle in the format ${format} finds the package, and the error for a missing package names the setting`, async (t) => {
    const outfile = path.join(app, 'out', `esbuild.${format === 'esm' ? 'mjs' : 'cjs'}`)
    const options = { absWorkingDir: app, bundle: true, platform: 'node', format, outfile } as const
    const { errors } = await build({ ...options, entryPoints: [entry], logLevel: 'silent' })
    assert.deepEqual(errors, [])
    await assertRuns(t, outfile)
    await assertNamesSetting(t, outfile)
  })
}

test('an esbuild bundle that keeps the package external is built without a warning, and runs', async (t) => {
  const outfile = path.join(app, 'out', 'external.cjs')
  const { warnings } = await build({
    absWorkingDir: app,
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    format: 'cjs',
    outfile,
    external: ['litestream-ts'],
    logLevel: 'silent',
  })
  assert.deepEqual(warnings, [])
  await assertRuns(t, outfile)
})

interface WebpackStats {
  toJson(options: object): { readonly errors: { readonly message: string }[] }
}
type Webpack = (options: object, callback: (error: Error | null, stats: WebpackStats) => void) => void

for (const [name, externals] of [
  ['includes the package', {}],
  ['keeps the package outside', { 'litestream-ts': 'commonjs litestream-ts' }],
] as const) {
  test(`a webpack bundle that ${name} runs without an error`, async (t) => {
    const tool = ifObtainable(t, 'webpack', () => fileOfTool('webpack', '5.113.0', 'lib/index.js'))
    if (!tool) return
    const webpack = createRequire(tool)(tool) as Webpack
    const filename = `webpack-${name.replaceAll(' ', '-')}.cjs`
    const output = { path: path.join(app, 'out'), filename, library: { type: 'commonjs2' } }
    const stats = await new Promise<WebpackStats>((resolve, reject) => {
      const options = { mode: 'production', target: 'node', context: app, entry, output, externals }
      webpack({ ...options, optimization: { minimize: false } }, (error, stats) =>
        error ? reject(error) : resolve(stats),
      )
    })
    assert.deepEqual(
      stats.toJson({ all: false, errors: true }).errors.map(({ message }) => message),
      [],
    )
    await assertRuns(t, path.join(output.path, filename))
  })
}

interface Tracer {
  nodeFileTrace(files: string[], options: object): Promise<{ readonly fileList: ReadonlySet<string> }>
}

test('if @vercel/nft traces a standalone folder, as Next.js does, the folder has the addon and the worker threads', async (t) => {
  const tool = ifObtainable(t, '@vercel/nft', () => fileOfTool('@vercel/nft', '1.11.5', 'out/index.js'))
  if (!tool) return
  const { nodeFileTrace } = createRequire(tool)(tool) as Tracer
  const { fileList } = await nodeFileTrace([entry], { base: app })
  const standalone = temporaryDirectory(t)
  for (const file of fileList) {
    mkdirSync(path.dirname(path.join(standalone, file)), { recursive: true })
    cpSync(path.join(app, file), path.join(standalone, file))
  }
  await assertRuns(t, path.join(standalone, 'program.mjs'))
})
