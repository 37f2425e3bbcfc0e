// Makes executables/litestream-ts-TARGET: the command line as one file that needs no Node.js and no
// SQLite driver (Node's single executable application, with node:sqlite). It contains the addon of
// its platform and the libraries of every store. Needs dist/ (npm run build:all), the addon in
// prebuilds/ (npm run prebuild), npm and, for musl and macOS, python3 with pip.
//
// usage: npm run executable -- [--check] [TARGET…]
//   TARGET   default: that of this machine
//   --check  runs the executable of this machine
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { commandLine } from './command-line.mjs'
import { bundleLibraries } from './executable/libraries.mjs'
import { Runtimes } from './platforms/runtimes.mjs'
import { TARGETS } from './prebuild/targets.mjs'

const root = path.dirname(import.meta.dirname)
const out = path.join(root, 'executables')
const runtimes = new Runtimes(path.join(root, '.cache/platforms'))
/** Node.js searches its own file for this text: after it stands whether an application is included. */
const FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2'

/** The files of the unpacked package; see main.cjs. */
async function writePackage(folder, target) {
  const { name, version, license } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
  const write = (file, text) => writeFileSync(path.join(folder, file), text)
  // Without "imports" the AWS SDK of dist/ is used.
  write('package.json', JSON.stringify({ name, version, license, type: 'module' }))
  write('start.cjs', "import('./dist/cli/main.js')\n")
  copyFileSync(path.join(root, 'LICENSE'), path.join(folder, 'LICENSE'))
  for (const file of readdirSync(path.join(root, 'dist'), { recursive: true })) {
    const from = path.join(root, 'dist', file)
    if (!statSync(from).isFile() || /\.(d\.ts|map)$/.test(file)) continue
    mkdirSync(path.dirname(path.join(folder, 'dist', file)), { recursive: true })
    copyFileSync(from, path.join(folder, 'dist', file))
  }
  mkdirSync(path.join(folder, 'prebuilds'))
  copyFileSync(path.join(root, 'prebuilds', `${target}.node`), path.join(folder, 'prebuilds', `${target}.node`))
  const { folderOf } = createRequire(import.meta.url)('./native-sources.cjs')
  copyFileSync(path.join(folderOf('lz4'), 'LICENSE'), path.join(folder, 'prebuilds/LZ4_LICENSE'))
  await bundleLibraries(path.join(folder, 'node_modules'))
}

/** Writes the two assets of main.cjs: the names and sizes of the files, and their bytes. */
function writeAssets(folder, work) {
  const names = readdirSync(folder, { recursive: true })
    .filter((name) => statSync(path.join(folder, name)).isFile())
    .map((name) => name.replaceAll(path.sep, '/'))
    .sort()
  const bytes = names.map((name) => readFileSync(path.join(folder, name)))
  const index = names.map((name, i) => ({
    name,
    size: bytes[i].length,
    sha256: createHash('sha256').update(bytes[i]).digest('hex'),
  }))
  writeFileSync(path.join(work, 'index'), JSON.stringify(index))
  writeFileSync(path.join(work, 'files'), Buffer.concat(bytes))
  return { index: path.join(work, 'index'), files: path.join(work, 'files') }
}

async function makeExecutable(target) {
  const work = mkdtempSync(path.join(tmpdir(), 'litestream-executable-'))
  try {
    const folder = path.join(work, 'package')
    mkdirSync(folder)
    await writePackage(folder, target.name)
    const config = {
      main: path.join(import.meta.dirname, 'executable/main.cjs'),
      output: path.join(work, 'blob'),
      assets: writeAssets(folder, work),
      disableExperimentalSEAWarning: true,
    }
    writeFileSync(path.join(work, 'config.json'), JSON.stringify(config))
    execFileSync(runtimes.hostNode(), ['--experimental-sea-config', path.join(work, 'config.json')], { stdio: 'pipe' })
    const file = path.join(out, `litestream-ts-${target.name}${target.format === 'pe' ? '.exe' : ''}`)
    mkdirSync(out, { recursive: true })
    rmSync(file, { force: true })
    copyFileSync(runtimes.nodeOf(target.name), file)
    chmodSync(file, 0o755)
    const postject = createRequire(runtimes.tool('postject', '1.0.0-alpha.6', 'dist/api.js'))('./api.js')
    await postject.inject(file, 'NODE_SEA_BLOB', readFileSync(config.output), {
      sentinelFuse: FUSE,
      machoSegmentName: 'NODE_SEA',
    })
    console.log(`${path.relative(root, file)}: ${(statSync(file).size / 1e6).toFixed(0)} MB${signed(file, target)}`)
    return file
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** macOS on arm64 runs no program without a signature, and the file was changed after it was signed. */
function signed(file, { format }) {
  if (format !== 'macho') return ''
  if (process.platform !== 'darwin') return ', not signed: run `codesign --force --sign -` on macOS'
  execFileSync('codesign', ['--force', '--sign', '-', file])
  return ', signed'
}

/** Replicates, reads, verifies and restores with the executable alone: no Node.js is on its PATH. */
function check(file) {
  const work = mkdtempSync(path.join(tmpdir(), 'litestream-executable-'))
  try {
    const env = { PATH: '', HOME: work }
    const run = (...args) => {
      const { status, stdout, stderr } = spawnSync(file, args, { cwd: work, env, encoding: 'utf8', timeout: 120_000 })
      if (status !== 0) throw new Error(`${args.join(' ')}: status ${status}: ${stdout}${stderr}`)
      return stdout
    }
    const make =
      "const s = new (require('node:sqlite').DatabaseSync)('app.db'); s.exec('PRAGMA journal_mode = WAL; CREATE TABLE t (v); INSERT INTO t VALUES (42)')"
    execFileSync(runtimes.hostNode(), ['-e', make], { cwd: work, stdio: 'pipe' })
    const url = `file://${work}/replica`
    const version = run('version', '-verbose')
    run('replicate', '-once', 'app.db', url)
    const answer = run('query', url, 'SELECT v FROM t')
    if (!answer.includes('42')) throw new Error(`query printed ${answer}`)
    run('verify', url)
    run('restore', '-o', 'restored.db', url)
    const missing = ['gs://b/x', 'abs://account:a2V5@c/x', 'sftp://u@127.0.0.1:1/x'].filter((one) => {
      const { stderr } = spawnSync(file, ['ltx', `${one}?timeout=1s`], {
        cwd: work,
        env,
        encoding: 'utf8',
        timeout: 60_000,
      })
      return /PACKAGE_MISSING|needs the package/.test(stderr)
    })
    if (missing.length > 0) throw new Error(`the library is missing: ${missing.join(', ')}`)
    console.log(`checked: ${version.trim().replaceAll('\n', ', ')}`)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

const { values, positionals: names } = commandLine(import.meta.filename, {
  options: { check: { type: 'boolean', default: false } },
  names: TARGETS.map(({ name }) => name),
})
if (names.length === 0) names.push(runtimes.thisTarget())
for (const name of names) {
  if (!existsSync(path.join(root, 'prebuilds', `${name}.node`))) {
    throw new Error(`executable: there is no prebuilds/${name}.node: run \`npm run prebuild ${name}\``)
  }
  const file = await makeExecutable(TARGETS.find((target) => target.name === name))
  if (values.check && name === runtimes.thisTarget()) check(file)
}
