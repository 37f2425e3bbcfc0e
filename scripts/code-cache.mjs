// Makes the compiled form of dist/**/*-code.js, which src/cached-code.ts gives to V8: FILE.cache. It is of use to the Node.js that
// made it and to no other, so it is made where the package is installed, and not published. Without it all works, and an opening
// takes longer.
//
// Functions are compiled all at once: V8 leaves those for later that it has not seen called, and each would be compiled while
// somebody waits.
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import v8 from 'node:v8'
import { Script } from 'node:vm'

const dist = path.join(path.dirname(import.meta.dirname), 'dist')

function codeFiles() {
  try {
    return readdirSync(dist, { recursive: true }).filter((file) => file.endsWith('-code.js'))
  } catch (error) {
    if (error.code === 'ENOENT') return [] // not built yet; the build calls this again
    throw error
  }
}

for (const name of codeFiles()) {
  const file = path.join(dist, name)
  const source = readFileSync(file, 'latin1') // as src/cached-code.ts reads it
  v8.setFlagsFromString('--no-lazy')
  const script = new Script(source, { filename: file })
  // V8 notes its flags with the code, and refuses it where they are others.
  v8.setFlagsFromString('--lazy')
  writeFileSync(`${file}.new`, script.createCachedData())
  renameSync(`${file}.new`, `${file}.cache`)
}
