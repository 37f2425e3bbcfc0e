// Writes the types of dist/: those that the entry points of package.json lead to, and no others.
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'

const root = path.dirname(import.meta.dirname)
const dist = path.join(root, 'dist')

rmSync(dist, { recursive: true, force: true })
const tsc = path.join(root, 'node_modules/typescript/bin/tsc')
execFileSync(process.execPath, [tsc, '-p', 'tsconfig.json', '--emitDeclarationOnly'], { cwd: root, stdio: 'inherit' })

const { exports } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8'))
const entries = Object.values(exports).flatMap(({ types }) => (types ? [path.join(root, types)] : []))
const needed = new Set(entries)
for (const file of needed) {
  for (const [, name] of readFileSync(file, 'utf8').matchAll(/(?:from|import)\s*\(?\s*['"](\.[^'"]+)['"]/g)) {
    needed.add(path.resolve(path.dirname(file), name.replace(/\.js$/, '.d.ts')))
  }
}
for (const file of readdirSync(dist, { recursive: true }).map((name) => path.join(dist, name))) {
  if (file.endsWith('.d.ts') && !needed.has(file)) rmSync(file)
}
const missing = [...needed].filter((file) => !existsSync(file))
if (missing.length > 0) throw new Error(`build-types: ${missing.join(', ')} do not exist`)
