// Reads a bundle or dynamic library of macOS: Mach-O, 64 bit.

const MAGIC = 0xfeedfacf
const CPUS = { 16777223: 'x64', 16777228: 'arm64' }
const LC_SYMTAB = 0x2
const LC_LOAD_DYLIB = 0xc
const LC_CODE_SIGNATURE = 0x1d
const LC_BUILD_VERSION = 0x32
// Bits of a symbol's type.
const N_STAB = 0xe0
const N_TYPE = 0x0e
const N_EXT = 0x01
const N_PEXT = 0x10

/** `minimum`: the oldest macOS, as major.minor. Names come without their leading underscore. */
export function readMachO(bytes) {
  if (bytes.readUInt32LE(0) !== MAGIC) throw new Error('not a 64-bit Mach-O file')
  const file = { machine: CPUS[bytes.readUInt32LE(4)], exports: [], imports: [], libraries: [], signed: false }
  let at = 32
  for (let i = bytes.readUInt32LE(16); i > 0; i--, at += bytes.readUInt32LE(at + 4)) {
    const command = bytes.readUInt32LE(at) & 0x7fffffff
    if (command === LC_LOAD_DYLIB) file.libraries.push(cString(bytes, at + bytes.readUInt32LE(at + 8)))
    if (command === LC_CODE_SIGNATURE) file.signed = true
    if (command === LC_BUILD_VERSION) {
      const version = bytes.readUInt32LE(at + 12)
      file.minimum = `${version >> 16}.${(version >> 8) & 0xff}`
    }
    if (command === LC_SYMTAB) Object.assign(file, symbolsOf(bytes, at))
  }
  return file
}

function symbolsOf(bytes, at) {
  const [symbols, count, text] = [8, 12, 16].map((offset) => bytes.readUInt32LE(at + offset))
  const visible = Array.from({ length: count }, (_, i) => {
    const entry = symbols + i * 16
    return { name: cString(bytes, text + bytes.readUInt32LE(entry)).replace(/^_/, ''), type: bytes[entry + 4] }
  }).filter(({ type }) => (type & N_STAB) === 0 && (type & N_EXT) !== 0 && (type & N_PEXT) === 0)
  const defined = ({ type }) => (type & N_TYPE) !== 0
  return {
    exports: visible.filter(defined).map(({ name }) => name),
    imports: visible.filter((symbol) => !defined(symbol)).map(({ name }) => name),
  }
}

function cString(bytes, at) {
  return bytes.toString('latin1', at, bytes.indexOf(0, at))
}
