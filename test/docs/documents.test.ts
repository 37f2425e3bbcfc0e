import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { normalizeFlags } from '../../src/cli/go-flags.js'
import { createProgram } from '../../src/cli/program.js'
import { configFromText } from '../../src/config/load.js'
import { replicateOnce } from '../../src/index.js'
import { currentNode } from '../support/current-node.js'
import { fileOfTool, ifObtainable } from '../support/tool.js'
import { until } from '../support/until.js'
import { createSandbox } from './sandbox.js'
import { type Snippet, snippetsOf } from './snippets.js'

// The documents are executed from top to bottom, each in its own directory with a database
// `app.db`. Unavailable parts are replaced: the bucket by a folder, /var by that directory, port
// 9090 by a free one, the fixed date by the current time.

const root = path.resolve(import.meta.dirname, '../../..')
const generated = ['api.md', 'commands.md', 'configuration.md']
const written = [
  'README.md',
  ...readdirSync(path.join(root, 'docs'))
    .filter((f) => f.endsWith('.md'))
    .map((f) => `docs/${f}`),
]
/** The pages whose snippets are executed, and the pages of the subfolders of docs/. */
const linked = [
  ...written,
  'CONTRIBUTING.md',
  'llms.txt',
  ...readdirSync(path.join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((f) => f.endsWith('.md') && f.includes('/'))
    .map((f) => `docs/${f}`),
]

/** Packages that snippets import and that are no dependency: npm fetches them once. */
const TOOLS: Readonly<Record<string, string>> = { knex: '3.3.0', typeorm: '0.3.31', libsql: '0.5.29' }

/**
 * Links the packages of TOOLS that the snippets import into `modules`. Returns those that cannot be
 * had.
 */
function linkTools(t: TestContext, modules: string, snippets: readonly Snippet[]): string[] {
  const wanted = Object.entries(TOOLS).filter(([name]) => snippets.some(({ text }) => text.includes(`from '${name}'`)))
  return wanted.flatMap(([name, version]) => {
    const file = ifObtainable(t, name, () => fileOfTool(name, version, 'package.json'))
    if (file === undefined) return [name]
    symlinkSync(path.dirname(file), path.join(modules, name))
    return []
  })
}

for (const name of written.filter((file) => !generated.includes(path.basename(file)))) {
  const snippets = snippetsOf(path.join(root, name))
  test(`${name}: its ${snippets.length} code snippets run without an error`, async (t) => {
    const { dir, here, env } = await createSandbox(t)
    const missing = linkTools(t, path.join(dir, 'node_modules'), snippets)
    const background: ChildProcess[] = []
    t.after(() => {
      for (const child of background) child.kill('SIGKILL')
    })
    const firstReader = snippets.find(({ mode }) => mode !== 'norun')
    if (firstReader && firstReader.mode === 'run' && !/litestream-ts replicate|replicate\(/.test(firstReader.text)) {
      await replicateOnce(path.join(dir, 'app.db'), `file://${dir}/bucket/app.db`)
    }
    for (const snippet of snippets) {
      const text = here(snippet.text)
      const where = `${name}:${snippet.line}`
      if (missing.some((tool) => text.includes(`from '${tool}'`))) continue
      try {
        if (snippet.language === 'yaml') assert.ok(configFromText(text, where).databases.length > 0)
        else if (snippet.language === 'sh' && snippet.mode === 'background') {
          const child = spawn('bash', ['-euc', `exec ${text.trim()}`], {
            cwd: dir,
            env,
            stdio: ['ignore', 'ignore', 'pipe'],
          })
          background.push(child)
          let log = ''
          child.stderr.setEncoding('utf8').on('data', (part: string) => {
            log += part
          })
          await until(`${where} replicates`, () => log.includes('ltx file uploaded'))
        } else if (snippet.language === 'sh' && snippet.mode === 'run') {
          await promisify(execFile)('bash', ['-euo', 'pipefail', '-c', text], { cwd: dir, env, timeout: 60_000 })
        } else if (snippet.language === 'ts' && snippet.mode === 'run') {
          const file = path.join(dir, 'snippet.mjs')
          writeFileSync(file, text)
          const node = text.includes("'node:sqlite'") ? currentNode() : process.execPath
          await promisify(execFile)(node, [file], { cwd: dir, env, timeout: 60_000 })
        }
      } catch (error) {
        const { message, stderr = '', signal = '' } = error as Error & { stderr?: string; signal?: string }
        assert.fail(`${where}: ${message} ${signal}\n${stderr}`)
      }
    }
    for (const child of background) {
      child.kill('SIGTERM')
      const [status] = await once(child, 'exit')
      assert.equal(status, 0, name)
    }
  })
}

test('every command line in the documents is valid', async () => {
  for (const name of written) {
    for (const { language, text, line } of snippetsOf(path.join(root, name))) {
      if (language !== 'sh') continue
      for (const command of text.split('\n')) {
        const match = /^(?:npx )?litestream-ts (.*?)(?: +#.*| >.*)?$/.exec(command)
        if (match) await parses(match[1]!, `${name}:${line}`)
      }
    }
  }
})

async function parses(line: string, where: string): Promise<void> {
  const argv = line.match(/"[^"]*"|'[^']*'|\S+/g)!
  const program = await createProgram()
  const silence = (command: typeof program): void => {
    command.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} })
    if (command.commands.length === 0) command.action(() => {})
    for (const child of command.commands) silence(child as typeof program)
  }
  silence(program)
  assert.doesNotThrow(
    () => program.parse(normalizeFlags(program, argv), { from: 'user' }),
    `${where}: litestream-ts ${line}`,
  )
}

test('every link in the documents has a target', () => {
  for (const name of linked) {
    const text = readFileSync(path.join(root, name), 'utf8')
    for (const [, target] of text.matchAll(/\]\(([^)]+)\)/g)) {
      if (/^https?:/.test(target!)) continue
      const [file, anchor] = target!.split('#')
      const to = file ? path.resolve(root, path.dirname(name), file) : path.join(root, name)
      assert.ok(existsSync(to), `${name}: ${target}`)
      if (anchor === undefined) continue
      const headings = [...readFileSync(to, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
        heading!
          .toLowerCase()
          .replace(/[^\w -]/g, '')
          .replaceAll(' ', '-'),
      )
      assert.ok(headings.includes(anchor), `${name}: ${target}`)
    }
  }
})

test('the commands in the systemd unit and in the container image are valid command lines', async () => {
  const unit = readFileSync(path.join(root, 'docs/examples/litestream-ts.service'), 'utf8')
  const exec = /^ExecStart=\S*\/litestream-ts (.*)$/m.exec(unit)![1]!
  await parses(exec, 'litestream-ts.service')
  for (const section of ['Unit', 'Service', 'Install']) assert.ok(unit.includes(`[${section}]`))
  const image = readFileSync(path.join(root, 'docs/examples/Dockerfile'), 'utf8')
  assert.match(image, /dist\/cli\/main\.js/)
  const [, cmd] = /^CMD (\[.*\])$/m.exec(image)!
  await parses((JSON.parse(cmd!) as string[]).join(' '), 'Dockerfile')
})
