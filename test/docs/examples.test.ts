import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { test } from 'node:test'
import Database from 'better-sqlite3'
import { parseAllDocuments } from 'yaml'
import { normalizeFlags } from '../../src/cli/go-flags.js'
import { createProgram } from '../../src/cli/program.js'
import { configFromText } from '../../src/config/load.js'
import { parseReplicaUrl } from '../../src/storage/url.js'
import { run } from '../cli/run.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const root = path.resolve(import.meta.dirname, '../../..')
const example = (name: string) => readFileSync(path.join(root, 'docs/examples', name), 'utf8')

/** Throws if the command line does not parse. */
async function parses(argv: readonly string[]): Promise<void> {
  const program = await createProgram()
  const silence = (command: typeof program): void => {
    command.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} })
    if (command.commands.length === 0) command.action(() => {})
    for (const child of command.commands) silence(child as typeof program)
  }
  silence(program)
  program.parse(normalizeFlags(program, argv), { from: 'user' })
}

test('the example container restores the database, runs the program and returns the program’s exit status', async (t) => {
  const dir = temporaryDirectory(t)
  const [program, ...args] = JSON.parse(/^CMD (\[.*\])$/m.exec(example('app.Dockerfile'))![1]!) as string[]
  assert.equal(program, 'node_modules/.bin/litestream-ts')
  const start = async (status: number) => {
    const config = example('app.litestream.yml').replaceAll('/data', dir).replace('0.0.0.0:9090', '127.0.0.1:0')
    writeFileSync(path.join(dir, 'app.litestream.yml'), config)
    writeFileSync(path.join(dir, 'server.js'), `process.exit(${status})`)
    return run(args, { cwd: dir, env: { REPLICA_URL: `file://${dir}/replica` } })
  }
  const file = path.join(dir, 'app.db')
  const db = new Database(file)
  db.exec('CREATE TABLE t (v)')
  db.close()
  assert.equal((await start(0)).status, 0)
  assert.ok(existsSync(path.join(dir, 'replica')))
  assert.equal((await start(7)).status, 7)
})

interface Container {
  readonly name: string
  readonly args?: string[]
  readonly volumeMounts: readonly { readonly name: string }[]
}

test('the Kubernetes manifest has a valid configuration, valid command lines and one primary', async () => {
  const documents = parseAllDocuments(example('kubernetes.yaml'))
  assert.deepEqual(
    documents.flatMap((document) => document.errors),
    [],
  )
  const [map, set] = documents.map((document) => document.toJS())
  const config = configFromText(map.data['litestream.yml'], 'kubernetes.yaml')
  assert.equal(config.databases.length, 1)
  assert.equal(set.kind, 'StatefulSet')
  assert.equal(set.spec.replicas, 1)
  const { spec } = set.spec.template
  assert.ok(spec.terminationGracePeriodSeconds * 1000 > config.shutdownSyncTimeout)
  const volumes = ['data', ...spec.volumes.map(({ name }: { name: string }) => name)]
  for (const container of [...spec.initContainers, ...spec.containers] as Container[]) {
    if (container.args) await parses(container.args)
    for (const { name } of container.volumeMounts) assert.ok(volumes.includes(name), name)
  }
})

test('the example files for PM2 and Fly.io run one primary and give the primary time for its last sync', async () => {
  const pm2 = createRequire(import.meta.url)(path.join(root, 'docs/examples/ecosystem.config.cjs')) as {
    readonly apps: readonly { name: string; args?: string[]; instances?: number; kill_timeout?: number }[]
  }
  const app = pm2.apps.find(({ name }) => name === 'litestream-ts')!
  await parses(app.args!)
  assert.equal(app.instances, 1)
  assert.ok(app.kill_timeout! > 30_000)
  const fly = example('fly.toml')
  assert.equal(parseReplicaUrl(/REPLICA_URL = "(.*)"/.exec(fly)![1]!).type, 's3')
  assert.match(fly, /^kill_timeout = "45s"$/m)
  assert.match(fly, /auto_stop_machines = "off"/)
  const port = /^addr: .*:(\d+)$/m.exec(example('app.litestream.yml'))![1]
  assert.match(fly, new RegExp(`port = ${port}\\n {2}path = "/healthz"`))
})

test('the example IAM policy allows the requests of a primary, but only below the path of the replica', () => {
  const { Statement } = JSON.parse(example('iam-policy.json')) as {
    Statement: { Effect: string; Action: string | string[]; Resource: string }[]
  }
  const actions = Statement.flatMap(({ Action }) => Action)
  for (const action of ['ListBucket', 'GetObject', 'PutObject', 'DeleteObject'])
    assert.ok(actions.includes(`s3:${action}`))
  for (const { Resource } of Statement) assert.match(Resource, /^arn:aws:s3:::bucket(\/app\.db\/\*)?$/)
})

test('llms.txt names only documents that exist', () => {
  const text = readFileSync(path.join(root, 'llms.txt'), 'utf8')
  const named = [...text.matchAll(/\]\(([^)]+)\)/g)].map(([, file]) => file!)
  assert.ok(named.length > 10)
  for (const file of named) assert.ok(existsSync(path.join(root, file)), file)
})
