// Reads a DLL of Windows: PE32+.

const MACHINES = { 34404: 'x64', 43620: 'arm64' }

/** `libraries`: the DLLs that it needs; `imports`: their functions as DLL!function. */
export function readPe(bytes) {
  const pe = bytes.readUInt32LE(0x3c)
  if (bytes.toString('latin1', pe, pe + 4) !== 'PE\0\0') throw new Error('not a PE file')
  const optional = pe + 24
  if (bytes.readUInt16LE(optional) !== 0x20b) throw new Error('not a PE32+ file')
  const headers = optional + bytes.readUInt16LE(pe + 20)
  const sections = Array.from({ length: bytes.readUInt16LE(pe + 6) }, (_, i) => {
    const [size, address, , offset] = [8, 12, 16, 20].map((field) => bytes.readUInt32LE(headers + i * 40 + field))
    return { address, size, offset }
  })
  /** Where in the file the byte at an address of the loaded image is. */
  const at = (address) => {
    const section = sections.find((one) => address >= one.address && address < one.address + one.size)
    if (!section) throw new Error(`address ${address} is in no section`)
    return section.offset + address - section.address
  }
  const [exportTable, importTable] = [0, 1].map((i) => bytes.readUInt32LE(optional + 112 + i * 8))
  const imported = importTable === 0 ? [] : importsOf(bytes, at, importTable)
  return {
    machine: MACHINES[bytes.readUInt16LE(pe + 4)],
    timestamp: bytes.readUInt32LE(pe + 8),
    exports: exportTable === 0 ? [] : exportsOf(bytes, at, exportTable),
    libraries: imported.map(({ library }) => library),
    imports: imported.flatMap(({ library, names }) => names.map((name) => `${library}!${name}`)),
  }
}

function exportsOf(bytes, at, table) {
  const count = bytes.readUInt32LE(at(table) + 24)
  const names = at(bytes.readUInt32LE(at(table) + 32))
  return Array.from({ length: count }, (_, i) => cString(bytes, at(bytes.readUInt32LE(names + i * 4))))
}

function importsOf(bytes, at, table) {
  const found = []
  for (let entry = at(table); bytes.readUInt32LE(entry + 12) !== 0; entry += 20) {
    const names = []
    const lookup = bytes.readUInt32LE(entry) || bytes.readUInt32LE(entry + 16)
    for (let thunk = at(lookup); bytes.readBigUInt64LE(thunk) !== 0n; thunk += 8) {
      const value = bytes.readBigUInt64LE(thunk)
      names.push(value >> 63n ? `#${value & 0xffffn}` : cString(bytes, at(Number(value)) + 2))
    }
    found.push({ library: cString(bytes, at(bytes.readUInt32LE(entry + 12))), names })
  }
  return found
}

function cString(bytes, at) {
  return bytes.toString('latin1', at, bytes.indexOf(0, at))
}
