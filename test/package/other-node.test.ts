import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { nodeOfVersion } from '../support/node-version.js'
import { installPacked } from '../support/packed.js'
import { makeSource } from '../support/replica.js'
import { s3Bucket, s3Server, s3Url } from '../support/s3.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { ifObtainable } from '../support/tool.js'

// The package is installed by the Node.js that runs this test, and then run by others.

const app = installPacked({ after: after as TestContext['after'] })
const installed = path.join(app, 'node_modules/litestream-ts')

test('the package has no install script and no file that a package manager compiles, so installing it runs no code', () => {
  const { scripts } = JSON.parse(readFileSync(path.join(installed, 'package.json'), 'utf8'))
  assert.deepEqual(
    ['preinstall', 'install', 'postinstall'].filter((name) => name in scripts),
    [],
  )
  assert.ok(!existsSync(path.join(installed, 'binding.gyp')))
})

const [major] = process.versions.node.split('.')
/**
 * Of the same major version, for which better-sqlite3 is compiled; 20.19.0 is the oldest supported
 * release.
 */
const OTHERS = major === '20' ? ['20.19.6', '20.19.0'] : [`${major}.2.0`]

const OPEN = `
  import { openReplica } from 'litestream-ts'
  const replica = await openReplica(process.argv.at(-1))
  console.log(replica.txid)
  await replica.close()`

for (const version of OTHERS) {
  test(`Node.js ${version} runs restore, ltx, replicate and openReplica (folder and S3) from a package that another Node.js version installed`, async (t) => {
    const node = ifObtainable(t, `Node.js ${version}`, () => nodeOfVersion(version))
    if (node === undefined) return
    const { accessKeyId, secretAccessKey } = s3Server()
    const env = { ...process.env, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey }
    const run = (...args: string[]) => {
      const { status, signal, stdout, stderr } = spawnSync(node, args, { cwd: app, env, encoding: 'utf8' })
      assert.deepEqual({ status, signal }, { status: 0, signal: null }, `${args.join(' ')}: ${stderr}`)
      return stdout
    }
    const cli = (...args: string[]) => run(path.join(installed, 'dist/cli/main.js'), ...args)
    const directory = temporaryDirectory(t)
    for (const url of [pathToFileURL(path.join(directory, 'replica')).href, s3Url(await s3Bucket(t))]) {
      const { history } = await makeSource(t, { url })
      await history.commit(`CREATE TABLE t (v TEXT); INSERT INTO t VALUES ('a'), ('b')`)
      const restored = path.join(directory, `${new URL(url).protocol}db`)
      cli('restore', '-o', restored, url)
      assert.match(cli('ltx', url), /0000000000000001/)
      assert.match(run('--input-type=module', '-e', OPEN, url), /^0*1n?$/m)
      const copy = new URL(url)
      copy.pathname += '-copy'
      cli('replicate', '-once', restored, copy.href)
    }
  })
}
