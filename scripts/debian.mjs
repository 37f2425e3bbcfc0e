// Makes executables/litestream-ts_VERSION_ARCH.deb of the single-file executable of a Linux target,
// which scripts/executable.mjs makes first. The package has no scripts: it starts and enables
// nothing. Needs dpkg-deb.
//
// usage: npm run deb -- [--check] [TARGET]
//   TARGET   linux-x64 (default) or linux-arm64
//   --check  installs the package into a folder
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { commandLine } from './command-line.mjs'

const root = path.dirname(import.meta.dirname)
const ARCHITECTURES = { 'linux-x64': 'amd64', 'linux-arm64': 'arm64' }
const { version, description, homepage } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
/** For Debian a version with "~" is older than the version without it, as with "-" for npm. */
const debianVersion = version.replace('-', '~')

/** The unit of the documentation, with the paths of the package. */
function unitOf() {
  const text = readFileSync(path.join(root, 'docs/examples/litestream-ts.service'), 'utf8')
  const head = [
    '# Change the user and the folder with `systemctl edit litestream-ts`: User=, Group= and StateDirectory=.',
    '# socket.path in /etc/litestream.yml must be /run/litestream-ts/control.sock: this user cannot make a file in /run itself.',
  ]
  const unit = text
    .slice(text.indexOf('[Unit]'))
    .replace(/^ExecStart=\S+/m, 'ExecStart=/usr/bin/litestream-ts')
    .replace(/^RuntimeDirectory=.*$/m, '$&\n# The executable unpacks its files there.\nCacheDirectory=litestream-ts')
  return `${head.join('\n')}\n${unit}`
}

function control(architecture, size) {
  return `Package: litestream-ts
Version: ${debianVersion}
Architecture: ${architecture}
Maintainer: The litestream-ts authors <${homepage}>
Installed-Size: ${Math.ceil(size / 1024)}
Depends: libc6 (>= 2.28)
Section: database
Priority: optional
Homepage: ${homepage}
Description: ${description.split(':')[0]}
 Streams SQLite databases to object storage as they are written, restores them
 to any point in time, and queries replicas without a download. One program
 with everything that it needs: no Node.js, no SQLite.
`
}

/** The licences of the project, of the bundled packages and of Node.js. */
function copyright() {
  const own = readFileSync(path.join(root, 'LICENSE'), 'utf8')
  const others = readFileSync(path.join(root, 'dist/THIRD_PARTY_LICENSES.txt'), 'utf8')
  return `${own}\n\n${others}\n\nThe executable contains Node.js: https://github.com/nodejs/node/blob/main/LICENSE\n`
}

function stage(folder, target) {
  const put = (name, content, mode = 0o644) => {
    const file = path.join(folder, name)
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o755 })
    if (content === undefined) copyFileSync(path.join(root, 'executables', `litestream-ts-${target}`), file)
    else writeFileSync(file, content)
    chmodSync(file, mode)
    return file
  }
  const program = put('usr/bin/litestream-ts', undefined, 0o755)
  put('usr/lib/systemd/system/litestream-ts.service', unitOf())
  const doc = 'usr/share/doc/litestream-ts'
  put(`${doc}/copyright`, copyright())
  put(`${doc}/changelog.gz`, gzipSync(readFileSync(path.join(root, 'CHANGELOG.md')), { level: 9 }))
  put(`${doc}/examples/litestream.yml`, readFileSync(path.join(root, 'docs/examples/litestream.yml')))
  const completion = execFileSync(process.execPath, [path.join(root, 'dist/cli/main.js'), 'completion', 'bash'])
  put('usr/share/bash-completion/completions/litestream-ts', completion)
  put('DEBIAN/control', control(ARCHITECTURES[target], statSync(program).size))
}

function makePackage(target) {
  execFileSync(process.execPath, [path.join(import.meta.dirname, 'executable.mjs'), target], { stdio: 'inherit' })
  const folder = mkdtempSync(path.join(tmpdir(), 'litestream-deb-'))
  chmodSync(folder, 0o755)
  try {
    stage(folder, target)
    const file = path.join(root, 'executables', `litestream-ts_${debianVersion}_${ARCHITECTURES[target]}.deb`)
    // The time of the commit: the same sources give the same package.
    const time = execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: root, encoding: 'utf8' }).trim()
    const env = { ...process.env, SOURCE_DATE_EPOCH: process.env.SOURCE_DATE_EPOCH ?? time }
    execFileSync('dpkg-deb', ['--root-owner-group', '-Zxz', '-z2', '--build', folder, file], { env, stdio: 'pipe' })
    console.log(`${path.relative(root, file)}: ${(statSync(file).size / 1e6).toFixed(0)} MB`)
    return file
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Installs the package with dpkg into an empty folder, and runs the program there. */
function check(file) {
  const folder = mkdtempSync(path.join(tmpdir(), 'litestream-deb-'))
  try {
    mkdirSync(path.join(folder, 'var/lib/dpkg/info'), { recursive: true })
    for (const name of ['status', 'available']) writeFileSync(path.join(folder, 'var/lib/dpkg', name), '')
    const dpkg = (...args) => {
      // The folder has no libc6.
      const options = [`--root=${folder}`, '--force-depends', '--force-not-root', '--force-script-chrootless']
      return execFileSync('dpkg', [...options, ...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
    }
    dpkg('--install', file)
    const installed = dpkg('--status', 'litestream-ts')
    if (!/^Status: install ok installed$/m.test(installed)) throw new Error(installed)
    const program = path.join(folder, 'usr/bin/litestream-ts')
    const run = spawnSync(program, ['version'], { encoding: 'utf8', env: { PATH: '', HOME: folder } })
    if (run.status !== 0 || !run.stdout.includes(version)) throw new Error(`version: ${run.stdout}${run.stderr}`)
    dpkg('--purge', 'litestream-ts')
    console.log(`checked: dpkg --install, ${run.stdout.trim()}, dpkg --purge`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const { values, positionals } = commandLine(import.meta.filename, {
  options: { check: { type: 'boolean', default: false } },
  names: Object.keys(ARCHITECTURES),
})
const [target = 'linux-x64'] = positionals
const file = makePackage(target)
if (values.check) check(file)
