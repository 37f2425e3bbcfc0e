// Reads a shared object of Linux: ELF, 64 bit, little endian.

const MACHINES = { 62: 'x64', 183: 'arm64' }
const DYNSYM = 11
const DYNAMIC = 6
const VERNEED = 0x6ffffffe
const DT_NEEDED = 1
const GLOBAL = 1
const WEAK = 2

/** `versions`: the symbol versions that libraries must have, such as GLIBC_2.28. */
export function readElf(bytes) {
  if (bytes.readUInt32BE(0) !== 0x7f454c46) throw new Error('not an ELF file')
  const at = { machine: bytes.readUInt16LE(18), sections: Number(bytes.readBigUInt64LE(40)) }
  const sections = Array.from({ length: bytes.readUInt16LE(60) }, (_, i) => sectionAt(bytes, at.sections + i * 64))
  const textOf = (section) => (offset) => cString(bytes, sections[section.link].offset + offset)
  const symbols = sections
    .filter(({ type }) => type === DYNSYM)
    .flatMap((section) => symbolsOf(bytes, section, textOf(section)))
  const visible = symbols.filter(({ name, bind }) => name !== '' && (bind === GLOBAL || bind === WEAK))
  return {
    machine: MACHINES[at.machine],
    exports: visible.filter(({ defined }) => defined).map(({ name }) => name),
    imports: visible.filter(({ defined }) => !defined).map(({ name }) => name),
    libraries: sections
      .filter(({ type }) => type === DYNAMIC)
      .flatMap((section) => neededBy(bytes, section, textOf(section))),
    versions: sections
      .filter(({ type }) => type === VERNEED)
      .flatMap((section) => versionsOf(bytes, section, textOf(section))),
    stripped: !sections.some(({ type }) => type === 2),
  }
}

function sectionAt(bytes, at) {
  return {
    type: bytes.readUInt32LE(at + 4),
    offset: Number(bytes.readBigUInt64LE(at + 24)),
    size: Number(bytes.readBigUInt64LE(at + 32)),
    link: bytes.readUInt32LE(at + 40),
    info: bytes.readUInt32LE(at + 44),
  }
}

function symbolsOf(bytes, { offset, size }, text) {
  return Array.from({ length: size / 24 }, (_, i) => {
    const at = offset + i * 24
    return {
      name: text(bytes.readUInt32LE(at)),
      bind: bytes[at + 4] >> 4,
      defined: bytes.readUInt16LE(at + 6) !== 0,
    }
  })
}

function neededBy(bytes, { offset, size }, text) {
  const names = []
  for (let at = offset; at < offset + size; at += 16) {
    if (Number(bytes.readBigUInt64LE(at)) === DT_NEEDED) names.push(text(Number(bytes.readBigUInt64LE(at + 8))))
  }
  return names
}

function versionsOf(bytes, { offset, info }, text) {
  const names = []
  for (let i = 0, at = offset; i < info; i++, at += bytes.readUInt32LE(at + 12)) {
    const count = bytes.readUInt16LE(at + 2)
    let entry = at + bytes.readUInt32LE(at + 8)
    for (let k = 0; k < count; k++, entry += bytes.readUInt32LE(entry + 12))
      names.push(text(bytes.readUInt32LE(entry + 8)))
  }
  return names
}

function cString(bytes, at) {
  return bytes.toString('latin1', at, bytes.indexOf(0, at))
}
