// docs/api.md: its examples run, and it is current, as are the other generated files.
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { replicateOnce } from '../../src/index.js'
import { createSandbox } from './sandbox.js'
import { snippetsOf } from './snippets.js'

const root = path.resolve(import.meta.dirname, '../../..')

test('the generated files in docs/ are up to date', async () => {
  await promisify(execFile)(process.execPath, ['scripts/generate-docs.mjs', '--check'], { cwd: root })
})

// One process for all: each example is a block of its own, and the imports are at the top.
test('every example of the API reference runs without an error', async (t) => {
  const { dir, here, env } = await createSandbox(t)
  const imports = new Set<string>()
  const blocks: string[] = []
  for (const { language, mode, text, line } of snippetsOf(path.join(root, 'docs/api.md'))) {
    if (language !== 'ts' || mode !== 'run') continue
    const lines = text.split('\n')
    for (const each of lines) if (each.startsWith('import ')) imports.add(each)
    const body = lines.filter((each) => !each.startsWith('import ')).join('\n')
    blocks.push(`at = 'docs/api.md:${line}'; {\n${body}\n}`)
  }
  const names = new Map<string, Set<string>>()
  for (const each of imports) {
    const [, list, module] = /^import (.*) from '(.*)'$/.exec(each)!
    const known = names.get(module!) ?? new Set()
    names.set(module!, known)
    for (const name of list!.replace(/[{}]/g, '').split(',')) known.add(name.trim())
  }
  const head = [...names].map(([module, list]) =>
    module === 'better-sqlite3'
      ? `import Database from '${module}'`
      : `import { ${[...list].join(', ')} } from '${module}'`,
  )
  const file = path.join(dir, 'examples.mjs')
  const failed = "process.on('exit', (status) => { if (status !== 0) console.error('in the example of ' + at) })"
  writeFileSync(file, here([...head, 'let at', failed, ...blocks].join('\n')))
  await replicateOnce(path.join(dir, 'app.db'), here('s3://bucket/app.db'))
  await promisify(execFile)(process.execPath, [file], { cwd: dir, env, timeout: 60_000 })
})
