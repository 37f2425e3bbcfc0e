// Compiles the addon for one target with zig.
import { execFileSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { NODE_API_VERSION, nodeApiStubs } from './node-api-stubs.mjs'

const require = createRequire(import.meta.url)
const { folderOf, native, units } = require('../native-sources.cjs')
const { include_dir } = require('node-api-headers')

/** As in native/binding.gyp. */
const DEFINES = [
  `NAPI_VERSION=${NODE_API_VERSION}`,
  'NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS',
  'NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS',
]

const LINK = {
  elf: ['-Wl,--build-id=none', '-Wl,--gc-sections', '-Wl,-z,relro', '-Wl,-z,now'],
  macho: ['-Wl,-undefined,dynamic_lookup', '-Wl,-dead_strip', '-Wl,-install_name,litestream.node'],
  pe: ['-Wl,--gc-sections'],
}

/**
 * Compiles into the empty folder `work` and returns the path of the binary. The compiler keeps its
 * libraries in `cache`.
 */
export function compile(zig, target, work, cache) {
  rmSync(work, { recursive: true, force: true })
  mkdirSync(work, { recursive: true })
  const out = path.join(work, 'litestream.node')
  const run = (mode, args) => {
    const [command, ...first] = zig
    const env = { ...process.env, ZIG_GLOBAL_CACHE_DIR: path.join(cache, 'zig-cache') }
    execFileSync(command, [...first, mode, '-target', target.zig, ...args], { cwd: native, env, stdio: 'inherit' })
  }
  // Nothing of this machine's folders may come into the binary.
  const folders = [native, work, include_dir, folderOf('lz4'), folderOf('sqlite'), folderOf('node-addon-api')]
  const common = [
    '-O3',
    '-fPIC',
    '-fvisibility=hidden',
    '-ffunction-sections',
    '-fdata-sections',
    ...folders.map((folder) => `-ffile-prefix-map=${folder}=.`),
    ...DEFINES.map((define) => `-D${define}`),
    ...['.', include_dir, folderOf('lz4'), folderOf('sqlite')].map((folder) => `-I${folder}`),
  ]
  const c = units().filter((file) => file.endsWith('.c'))
  if (target.format === 'pe') {
    writeFileSync(path.join(work, 'node-api.c'), nodeApiStubs(target.machine))
    c.push(path.join(work, 'node-api.c'))
  }
  const objects = c.map((file) => {
    const object = path.join(work, `${path.basename(file, '.c')}.o`)
    run('cc', [...common, '-c', file, '-o', object])
    return object
  })
  const cc = units().filter((file) => file.endsWith('.cc'))
  const options = ['-std=c++17', '-fno-exceptions', `-I${folderOf('node-addon-api')}`, '-shared', '-s']
  run('c++', [...common, ...options, ...LINK[target.format], ...cc, ...objects, '-o', out])
  return out
}
