import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import path from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { packageRoot } from '../../src/package-files.js'
import { notRun } from '../support/not-run.js'
import { installPacked } from '../support/packed.js'
import { temporaryDirectory } from '../support/temporary-directory.js'

const root = packageRoot()
const app = installPacked({ after: after as TestContext['after'] })

/** Packages that the code of `src` imports and that are no peer dependencies: their code is included. */
function includedPackages(): Set<string> {
  const { peerDependencies } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  const found = new Set<string>()
  for (const file of readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue
    const text = readFileSync(path.join(root, 'src', file), 'utf8')
    for (const [, specifier] of text.matchAll(/^(?:import|export) (?!type ).*?from '([^'.#][^']*)'$/gm)) {
      const [name] = /^(?:@[^/]+\/)?[^/]+/.exec(specifier!)!
      if (!isBuiltin(specifier!) && !Object.hasOwn(peerDependencies, name)) found.add(name)
    }
  }
  return found
}

test('the published package has the licence text of every package whose code it includes', () => {
  const file = path.join(app, 'node_modules/litestream-ts/dist/THIRD_PARTY_LICENSES.txt')
  const [, ...parts] = readFileSync(file, 'utf8').split(`${'-'.repeat(80)}\n`)
  const names = new Set<string>()
  for (const part of parts) {
    const [head, ...text] = part.split('\n\n')
    for (const line of head!.split('\n')) names.add(line.replace(/ \S+ \([^)]*\)$/, ''))
    assert.ok(text.join('\n\n').length > 300, `${head}: no text`)
  }
  const included = includedPackages()
  assert.ok(included.size >= 10, [...included].join())
  assert.deepEqual(
    [...included].filter((name) => !names.has(name)),
    [],
  )
})

test('the single-file executable has the licence text of every package whose code it includes', async (t) => {
  const folder = temporaryDirectory(t)
  const script = pathToFileURL(path.join(root, 'scripts/executable/libraries.mjs')).href
  const { bundleLibraries } = (await import(script)) as { bundleLibraries(folder: string): Promise<void> }
  await bundleLibraries(folder)
  const text = readFileSync(path.join(folder, 'THIRD_PARTY_LICENSES.txt'), 'utf8')
  for (const name of ['@azure/storage-blob', '@google-cloud/storage', 'age-encryption', 'fast-xml-parser', 'ssh2']) {
    assert.match(text, new RegExp(`^${name} \\S+ \\(.+\\)$`, 'm'))
  }
})

test('npm reports no severe vulnerability in the packages whose code is included', (t) => {
  const options = ['--json', '--audit-level=high', '--fetch-retries=0', '--fetch-timeout=20000']
  const { status, stdout } = spawnSync('npm', ['audit', ...options], { cwd: root, encoding: 'utf8', timeout: 60_000 })
  if (!stdout.includes('"vulnerabilities"')) {
    const [, reason = 'the registry does not answer'] = /"message": "(.*?)(?: - .*)?"/.exec(stdout) ?? []
    notRun(t, 'npm audit', reason)
    return
  }
  assert.equal(status, 0, stdout)
})
