import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { version } from '../../../src/version.js'
import { temporaryDirectory } from '../../support/temporary-directory.js'
import { run } from '../run.js'

test('config check prints the effective configuration, or each fault with its line and column', async (t) => {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'litestream.yml')
  writeFileSync(
    file,
    'access-key-id: id\nsecret-access-key: hush\ndbs:\n  - path: $DB\n    replicas:\n      - url: s3://b/p\n',
  )
  const env = { LITESTREAM_CONFIG: file, DB: '/data/a.db' }
  const good = await run(['config', 'check'], { env })
  assert.equal(good.status, 0)
  assert.match(good.stdout, / {2}- path: \/data\/a\.db\n/)
  assert.match(good.stderr, /^Warning: .*litestream\.yml:6:7: the 'replicas' list is the form of Litestream 0\.3/)
  assert.ok(!good.stdout.includes('hush'))
  const json = JSON.parse((await run(['config', 'check', '-json'], { env })).stdout)
  assert.equal(json.dbs[0].replica.url, 's3://b/p')
  const literal = JSON.parse((await run(['config', 'check', '-json', '-no-expand-env', '-config', file])).stdout)
  assert.equal(path.basename(literal.dbs[0].path), '$DB')
  writeFileSync(file, 'dbs:\n  - pth: a\n')
  const bad = await run(['config', 'check', '-config', file])
  assert.deepEqual([bad.status, bad.stdout], [1, ''])
  assert.equal(bad.stderr, `Error: ${file}:2:5: unknown key \`pth\` in dbs[0]\nTry: Did you mean \`path\`?\n`)
})

test('config schema prints the JSON Schema for editors', async () => {
  const schema = JSON.parse((await run(['config', 'schema'])).stdout)
  assert.equal(schema.additionalProperties, false)
  assert.ok(schema.properties.dbs.items.properties.replica.properties.url)
})

test('the databases command lists the configured databases', async (t) => {
  const dir = temporaryDirectory(t)
  const file = path.join(dir, 'litestream.yml')
  writeFileSync(file, 'dbs: [{ path: /a.db, replica: { url: s3://b/p } }, { path: /b.db, replica: { path: /r } }]')
  const table = await run(['databases', '-config', file])
  assert.equal(table.stdout, 'path   replica\n/a.db  s3\n/b.db  file\n')
  const json = await run(['databases', '-config', file, '-json'])
  assert.deepEqual(JSON.parse(json.stdout), [
    { path: '/a.db', replica: 's3' },
    { path: '/b.db', replica: 'file' },
  ])
})

test('the version command prints the version and the installed parts, as text or as JSON', async () => {
  assert.equal((await run(['version'])).stdout, `${version}\n`)
  const fields = JSON.parse((await run(['version', '-json'])).stdout)
  assert.deepEqual([fields.version, fields.node], [version, process.versions.node])
  assert.match((await run(['version', '-verbose'])).stdout, /^version: +\S+\nnode: +\S+\nsqlite: +3\./)
})
