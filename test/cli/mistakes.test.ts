import assert from 'node:assert/strict'
import { chmodSync, readdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import Database from 'better-sqlite3'
import { runScript } from '../support/child.js'
import { temporaryDirectory } from '../support/temporary-directory.js'
import { ordinaryUser, run } from './run.js'

// Each mistake of a newcomer ends with status 1, an error that names the subject, and the next step.

interface Ended {
  readonly status: number
  readonly output: string
  readonly errors: string
}

/** Runs command lines one after another in one process, which is much cheaper than one for each. */
async function runAll(t: TestContext, directory: string, lines: readonly (readonly string[])[]): Promise<Ended[]> {
  const child = runScript(
    t,
    `const { run } = await import(src + '/cli/program.js')
     process.chdir(process.env.DIRECTORY)
     const results = []
     const streams = { output: process.stdout, errors: process.stderr }
     for (const line of JSON.parse(process.env.LINES)) {
       const result = { output: '', errors: '' }
       const before = Object.entries(streams).map(([name, stream]) => {
         const { write } = stream
         stream.write = (text) => { result[name] += text; return true }
         return () => { stream.write = write }
       })
       result.status = await run(line)
       for (const undo of before) undo()
       results.push(result)
     }
     process.stdout.write(JSON.stringify(results), () => process.exit(0))`,
    {
      DIRECTORY: directory,
      LINES: JSON.stringify(lines),
      LITESTREAM_CONFIG: undefined,
      AWS_ACCESS_KEY_ID: 'key',
      AWS_SECRET_ACCESS_KEY: 'secret-access-key',
    },
  )
  assert.deepEqual([await child.ended, child.errors()], [0, ''])
  return JSON.parse(child.output()) as Ended[]
}

type Mistake = readonly [line: readonly string[], error: RegExp, next: RegExp]

async function checkAll(t: TestContext, directory: string, mistakes: readonly Mistake[]): Promise<void> {
  const before = readdirSync(directory).sort()
  const all = await runAll(
    t,
    directory,
    mistakes.map(([line]) => line),
  )
  for (const [i, { status, output, errors }] of all.entries()) {
    const [line, error, next] = mistakes[i]!
    const shown = `${line.join(' ')}\n${output}${errors}`
    assert.equal(status, 1, shown)
    const [, message = '', hint = ''] = /^Error: ([\s\S]*)\nTry: (.*)\n$/.exec(errors) ?? []
    assert.match(message, error, shown)
    assert.match(hint, next, shown)
    assert.doesNotMatch(errors, /\n\s+at /, 'no stack')
    assert.equal(output, '', shown)
  }
  assert.deepEqual(readdirSync(directory).sort(), before, 'nothing was written')
}

function fixture(t: TestContext) {
  const directory = temporaryDirectory(t)
  const db = new Database(path.join(directory, 'app.db'))
  db.exec('CREATE TABLE t (v); INSERT INTO t VALUES (1)')
  db.close()
  return directory
}

test('each mistake on the command line gets an error with the next step', async (t) => {
  const directory = fixture(t)
  writeFileSync(path.join(directory, 'my.yml'), `dbs: [{ path: ${directory}/app.db, replica: { url: "file:///x" } }]`)
  const url = `file://${directory}/replica`
  await checkAll(t, directory, [
    [['replicate', 'app.db'], /at least one replica URL for app\.db/, /replicate app\.db file:\/\/\//],
    [['replicate', url, 'app.db'], /URL of the replica comes after the database/, /replicate app\.db file:\/\//],
    [['replicate', 'my.yml'], /my\.yml is not a database/, /-config my\.yml/],
    [['replicate', 'config', 'my.yml'], /config is not a database/, /replicate -config my\.yml/],
    [['replicate', 'app.db', 'backup'], /not a replica URL: "backup"/, /file:\/\/.*\/backup/],
    [['replicate', 'app.db', 's3//bucket/app'], /not a replica URL/, /colon after the scheme: s3:\/\/bucket\/app/],
    [['replicate', 'app.db', url, url], /multiple replicas/, /mirror/],
    [['replicate', '-config', 'my.yml', 'app.db', url], /replica URL and a config file/, /either -config/],
    [['-config', 'my.yml', 'replicate'], /-config is before the command/, /replicate -config/],
    [['--config=my.yml', 'restore', 'app.db'], /--config is before the command/, /restore --config/],
    [['replicate', '-onec', 'app.db', url], /--onec'\n\(Did you mean --once\?\)/, /replicate -h/],
    [['replciate', 'app.db'], /'replciate'\n\(Did you mean replicate\?\)/, /litestream-ts -h/],
    [['help', 'replicat'], /'replicat'\n\(Did you mean replicate\?\)/, /litestream-ts -h/],
    [['mcp'], /unknown command 'mcp'/, /mcp-addr/],
    [['replicate', '-verbose', 'app.db', url], /unknown option '--verbose'/, /-log-level debug/],
    [['replicate', '-log-level', 'verbose', 'app.db', url], /invalid log level: "verbose"/, /trace, debug/],
    [['replicate', '-exec', '', 'app.db', url], /argument '' is invalid/, /replicate -h/],
    [['restore'], /missing required argument/, /-all/],
    [['restore', url], /output path required/, /with -o/],
    [['restore', 'app.db', 'out.db'], /too many arguments/, /restore -o FILE/],
    [['restore', '-output', 'out.db', url], /unknown option '--output'/, /output file with -o/],
    [['restore', 'out.db', '-o', url], /output must be a file, not the URL file:\/\//, /restore -o app\.db URL/],
    [['restore', '-o', 's3://key:secret-key@b/x', url], /not the URL s3:\/\/\*\*\*/, /restore -o/],
    [['restore', '-generation', '0123456789abcdef', '-o', 'x', url], /--generation/, /Litestream 0\.3.*-timestamp/],
    [['restore', '-o', 'x.db', url], /no backup files found/, /Check the replica URL/],
    [['restore', '-o', 'app.db', url], /output path already exists: .*app\.db/, /-force/],
    [['restore', '-o', 'x', '-timestamp', '2026-01-01', url], /'2026-01-01' is invalid.*RFC 3339/, /restore -h/],
    [['restore', '-o', 'x', '-txid', '5', url], /'5' is invalid.*16 hexadecimal digits/, /restore -h/],
    [['restore', '-o', 'x', '-parallelism', '0', url], /'0' is invalid.*1 to 1000/, /restore -h/],
    [['restore', '-f', '-txid', '0000000000000001', '-o', 'x', url], /cannot use -f with -txid/, /Remove -txid/],
    [['query', url, 'select', '1'], /too many arguments/, /in quotes/],
    [['query', url], /missing required argument 'sql'/, /in quotes/],
    [['mirror', url], /missing required argument 'destination'/, /SOURCE_URL DESTINATION_URL/],
    [['register', 'app.db'], /required option '--replica <url>'/, /register -h/],
    [['stop', 'app.db', '-socket', `${directory}/none.sock`], /no litestream-ts process listens/, /socket:/],
    [['status', '-config', 'my.yml', 'other.db'], /database not found in config: .*other\.db/, /app\.db/],
    [['ltx', 'info', 'app.db'], /app\.db: an SQLite database, not an LTX file/, /Name an LTX file/],
    [['ltx', 'info', 'none.ltx'], /no such file: none\.ltx/, /Check the path/],
    [['completion', 'tcsh'], /'tcsh' is invalid.*bash, zsh, fish/, /completion -h/],
  ])
})

test('each mistyped URL gets an error with the corrected form of the URL', async (t) => {
  const directory = fixture(t)
  const wrong = (url: string, error: RegExp, next: RegExp): Mistake => [['ltx', url], error, next]
  await checkAll(t, directory, [
    wrong("'s3://bucket/x'", /is not the URL/, /Remove the quotes or spaces around the URL: s3:\/\/bucket\/x/),
    wrong(' s3://bucket/x ', /is not the URL/, /Remove the quotes or spaces around the URL: s3:\/\/bucket\/x/),
    wrong('“s3://bucket/x”', /is not the URL/, /Remove the quotes or spaces around the URL: s3:\/\/bucket\/x/),
    wrong('<s3://bucket/x>', /is not the URL/, /Remove the quotes or spaces around the URL: s3:\/\/bucket\/x/),
    wrong('s3:/bucket/x', /"s3:\/bucket\/x" is not the URL/, /two slashes after the scheme: s3:\/\/bucket\/x/),
    wrong('s3:\\\\bucket\\x', /is not the URL/, /two slashes after the scheme: s3:\/\/bucket\/x/),
    wrong('S3//bucket/x', /is not the URL/, /colon after the scheme: s3:\/\/bucket\/x/),
    wrong('file:backups/x', /is not the URL/, /two slashes after the scheme: file:\/\/backups\/x/),
    wrong('bucket/x', /is not the URL/, /s3:\/\/bucket\/x or file:\/\//),
    wrong('s3://', /the bucket is missing/, /s3:\/\/BUCKET\/PATH/),
    wrong('s3:///x', /the bucket is missing/, /s3:\/\/BUCKET\/PATH/),
    wrong('minio://bucket/x', /"minio" is not a scheme/, /s3:\/\/BUCKET\/PATH\?endpoint=/),
    wrong('r2://bucket/x', /"r2" is not a scheme/, /s3:\/\/BUCKET\/PATH\?endpoint=/),
    wrong('gcs://bucket/x', /"gcs" is not a scheme/, /gs:\/\/BUCKET/),
    wrong('azure://bucket/x', /"azure" is not a scheme/, /abs:\/\/CONTAINER/),
    wrong('https://bucket.s3.amazonaws.com/x', /"https" is not a scheme/, /endpoint=https:/),
    wrong('s3://bucket/x?endpont=http://127.0.0.1:1', /"endpont" is not a parameter/, /Did you mean endpoint\?/),
    wrong('s3://bucket/x?endpoint=ftp://127.0.0.1:1', /"ftp:\/\/127\.0\.0\.1:1" is not an endpoint/, /https:\/\/HOST/),
    wrong('sftp://127.0.0.1/x', /needs a user/, /Set `user`/),
    wrong('', /argument value '' is invalid/, /ltx -h/),
  ])
})

test('each mistake in the configuration file gets an error with the line and column of the mistake and the next step', async (t) => {
  const directory = fixture(t)
  const database = `path: ${directory}/app.db`
  const cases: readonly (readonly [text: string, error: RegExp, next: RegExp])[] = [
    [`dbs:\n\t- ${database}\n`, /:2:1: Tabs are not allowed/, /tabs of the indentation by spaces/],
    [
      `dbs:\n  - ${database}\n    replicas:\n      url: file:///x\n`,
      /:4:7: dbs\[0\]\.replicas: expected a list/,
      /"- "/,
    ],
    [`dbs:\n  ${database}\n  replica: { url: file:///x }\n`, /:2:3: dbs: expected a list/, /"- "/],
    [`dbs:\n  - ${database}\n    replica: file:///x\n`, /replica: expected a section/, /`url: …`/],
    [`dbs:\n  - ${database}\n    replica:\n      - url: file:///x\n`, /replica: expected a section/, /Remove the "- "/],
    [`dbs:\n  - ${directory}/app.db\n`, /dbs\[0\]: expected a section/, /`path: …`/],
    [
      `dbs:\n  - ${database}\n    replica: { url: file:///x, retention: 24 }\n`,
      /"24", which has no unit/,
      /24h for hours/,
    ],
    [`snapshot: { interval: 1day }\n`, /snapshot\.interval: expected a duration.*got "1day"/, /./],
    [
      `dbs:\n  - ${database}\n    replica: { url: file:///x, sync-intervall: 1s }\n`,
      /sync-intervall/,
      /`sync-interval`/,
    ],
    [`acces-key-id: foo\n`, /unknown key `acces-key-id` at the top/, /`access-key-id`/],
    [`db:\n  - ${database}\n`, /unknown key `db` at the top/, /`dbs`/],
    [`dbs:\n  - ${database}\ndbs: []\n`, /a second time/, /Join the two entries/],
    [`dbs:\n  - ${database}\n    replica: { type: s3, path: x }\n`, /bucket required/, /`bucket`/],
    [
      `dbs:\n  - ${database}\n    replica: { type: S4, bucket: x }\n`,
      /unknown replica type in config: "S4"/,
      /file, s3/,
    ],
    [`dbs:\n  - ${database}\n    replica: { url: "s3:/bucket/x" }\n`, /s3:\/bucket\/x/, /s3:\/\//],
    [
      `dbs:\n  - ${database}\n    replica: { url: file:///x }\n  - path: ${directory}/../${path.basename(directory)}/app.db\n    replica: { url: file:///y }\n`,
      /is already database config #1/,
      /Delete one/,
    ],
    [
      `dbs:\n  - ${database}\n    replica: { url: "file://${directory}/r" }\n  - path: ${directory}/b.db\n    replica: { url: "file://${directory}/r/" }\n`,
      /\d+\.yml: the replica of .*b\.db .*are the same path/,
      /a path outside of the others/,
    ],
    [`addr: 9090\n`, /:1:\d+: must specify port for bind address: "9090"/, /127\.0\.0\.1:9090/],
    [`mcp-addr: localhost\n`, /:1:\d+: must specify port for bind address: "localhost"/, /host:port/],
    [`logging: { level: loud }\n`, /loud/, /./],
    [`[dbs]\npath = "x"\n`, /:2:1: /, /indentation and quotes/],
    [`dbs:\n\0`, /NUL characters/, /UTF-8/],
  ]
  const mistakes = cases.map(([text, error, next], i): Mistake => {
    const file = path.join(directory, `${i}.yml`)
    writeFileSync(file, text)
    return [
      ['config', 'check', '-config', file],
      new RegExp(`${i}\\.yml[\\s\\S]*${error.source}|${error.source}`),
      next,
    ]
  })
  await checkAll(t, directory, mistakes)
  // Forms that are right, although another program wrote them.
  const good = `dbs:\r\n  - ${database}\r\n    replica:\r\n      url: file://${directory}/replica\r\n`
  writeFileSync(path.join(directory, 'windows.yml'), `\ufeff${good}`)
  writeFileSync(path.join(directory, 'good.json'), JSON.stringify({ dbs: [{ path: `${directory}/app.db` }] }))
  const check = (file: string) => ['config', 'check', '-config', file]
  const [windows] = await runAll(t, directory, [check('windows.yml')])
  assert.equal(windows!.status, 0, windows!.errors)
})

test('an error about missing permissions names the file, and replicate -once logs this error only once', async (t) => {
  const directory = fixture(t)
  if (ordinaryUser.uid === undefined) return
  chmodSync(directory, 0o755)
  const file = path.join(directory, 'app.db')
  const once = async () => {
    const args = ['replicate', '-once', file, `file://${directory}/replica`]
    const { status, stderr } = await run(args, { ordinary: true })
    assert.equal(status, 1)
    const errors = stderr.split('\n').filter((line) => line.includes('level=ERROR'))
    assert.equal(errors.length, 1, stderr)
    return errors[0]!
  }
  chmodSync(file, 0o600)
  assert.match(await once(), /this user cannot read and write the file.*ACCESS_DENIED.*Run the process as the user/)
  chmodSync(file, 0o644)
  assert.match(await once(), /this user cannot read and write the file.*ACCESS_DENIED/)
  chmodSync(file, 0o666)
  assert.match(await once(), /this user cannot read and write the directory.*ACCESS_DENIED/)
})

test('if one failure affects several parts of replicate -once, the failure is logged as an error only once', async (t) => {
  const directory = fixture(t)
  const args = ['replicate', '-once', path.join(directory, 'app.db'), `file://${directory}/replica`]
  const { status, stderr } = await run(args, { env: { LITESTREAM_ADDON: `${directory}/none.node` } })
  assert.equal(status, 1, stderr)
  assert.equal(stderr.match(/level=(ERROR|WARN)/g)?.length, 1, stderr)
  assert.match(stderr, /level=ERROR msg="sync failed".*none\.node does not exist/)
})
