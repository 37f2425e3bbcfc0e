// Checks a prebuilt binary without running it: the platform it is for, what it exports, and that it
// needs nothing that a machine of that platform may lack.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { readElf } from './elf.mjs'
import { readMachO } from './macho.mjs'
import { NODE_API_VERSION } from './node-api-stubs.mjs'
import { readPe } from './pe.mjs'
import { GLIBC, MAX_SIZE } from './targets.mjs'

const READ = { elf: readElf, macho: readMachO, pe: readPe }

/** For Node.js and for SQLite. */
const EXPORTS = ['napi_register_module_v1', 'sqlite3_extension_init']

/**
 * Libraries that every machine has. Of Windows: the system's own and the C library of Windows 10.
 */
const LIBRARIES = {
  linux: /^(libc|libm|libpthread|libdl|ld-linux-[\w-]+)\.so\.\d+$/,
  linuxmusl: /^libc\.(so|musl-\w+\.so\.1)$/,
  darwin: /^\/usr\/lib\/libSystem\.B\.dylib$/,
  win32: /^(kernel32|ntdll|advapi32|api-ms-win-crt-[\w-]+|ucrtbase)\.dll$/i,
}

const nodeApi = createRequire(import.meta.url)('node-api-headers').symbols[`v${NODE_API_VERSION}`]
const NODE_API = new Set([...nodeApi.js_native_api_symbols, ...nodeApi.node_api_symbols])

/** Throws what is wrong with the binary; returns a line about it. */
export function inspect(path, { name, format, machine }) {
  const bytes = readFileSync(path)
  const file = READ[format](bytes)
  const wrong = []
  const check = (fine, text) => fine || wrong.push(text)
  check(file.machine === machine, `it is for ${file.machine}, not ${machine}`)
  check(bytes.length < MAX_SIZE, `it has ${bytes.length} bytes; ${MAX_SIZE} is the limit`)
  for (const one of EXPORTS) check(file.exports.includes(one), `it does not export ${one}`)
  const system = name.slice(0, name.lastIndexOf('-'))
  for (const one of file.libraries) check(LIBRARIES[system].test(one), `it needs the library ${one}`)
  for (const one of file.imports) {
    check(!/^(node_api|napi)_/.test(one) || NODE_API.has(one), `${one} is not in Node-API ${NODE_API_VERSION}`)
  }
  for (const one of file.versions ?? []) check(isOldEnough(one), `it needs ${one}`)
  if (format === 'elf') check(file.stripped, 'it has a symbol table')
  if (format === 'macho' && machine === 'arm64') check(file.signed, 'it has no code signature')
  if (format === 'macho') check(Number.parseInt(file.minimum, 10) <= 11, `it needs macOS ${file.minimum}`)
  if (wrong.length > 0) throw new Error(`${path}: ${wrong.join('; ')}`)
  const glibc = newest(file.versions ?? [])
  return `${bytes.length} bytes, ${file.libraries.join(' ')}${glibc ? `, ${glibc}` : ''}${file.minimum ? `, macOS ${file.minimum}` : ''}`
}

const numbers = (version) => version.replace('GLIBC_', '').split('.').map(Number)

function compare([a, b = 0, c = 0], [x, y = 0, z = 0]) {
  return a - x || b - y || c - z
}

function isOldEnough(version) {
  return version.startsWith('GLIBC_') && compare(numbers(version), GLIBC) <= 0
}

function newest(versions) {
  return [...versions].sort((a, b) => compare(numbers(a), numbers(b))).at(-1)
}
