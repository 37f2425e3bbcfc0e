import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { installPacked } from '../support/packed.js'

const app = installPacked({ after: after as TestContext['after'] })

function litestream(...args: string[]) {
  const { NODE_OPTIONS: _, ...env } = process.env
  const main = path.join(app, 'node_modules/litestream-ts/dist/cli/main.js')
  return spawnSync(process.execPath, [main, ...args], { cwd: app, env, encoding: 'utf8', timeout: 60_000 })
}

for (const [url, library, version] of [
  ['gs://bucket/app.db', '@google-cloud/storage', '7'],
  ['abs://account:a2V5@container/app.db', '@azure/storage-blob', '12'],
  ['sftp://user@127.0.0.1:1/app.db', 'ssh2', '1'],
] as const) {
  test(`if the library for ${url.split('/', 1)[0]} is not installed, the error of the opening has the command that installs the library`, () => {
    const { status, stderr } = litestream('ltx', url)
    assert.equal(status, 1, stderr)
    assert.match(stderr, new RegExp(`PACKAGE_MISSING|needs the package ${library}, which is not installed`))
    assert.ok(stderr.includes(`npm install ${library}@${version}`), stderr)
  })
}

test('config check names an optional library that a database needs but the installation lacks', () => {
  const config = path.join(app, 'litestream.yml')
  writeFileSync(config, `dbs:\n  - path: ${app}/app.db\n    replica:\n      url: gs://bucket/app.db\n`)
  const { status, stdout, stderr } = litestream('config', 'check', '-config', config)
  assert.equal(status, 1, stdout + stderr)
  assert.match(stdout + stderr, /a replica on gs:\/\/ needs the package @google-cloud\/storage, which is not installed/)
})

test('config check warns if the optional library of the MCP server is missing', () => {
  const config = path.join(app, 'mcp.yml')
  writeFileSync(
    config,
    `mcp-addr: 127.0.0.1:0\ndbs: [{ path: ${app}/app.db, replica: { url: 'file://${app}/replica' } }]\n`,
  )
  const { status, stderr } = litestream('config', 'check', '-config', config)
  assert.equal(status, 0, stderr)
  assert.match(stderr, /Warning: mcp-addr .* needs the package @modelcontextprotocol\/sdk, which is not installed/)
  assert.ok(stderr.includes('npm install @modelcontextprotocol/sdk@1'), stderr)
})
