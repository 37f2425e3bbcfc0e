// Adds to package-lock.json the optional platform packages that npm left out. npm drops an optional
// dependency that it cannot fetch for another platform while it writes the lock file, and `npm ci`
// then refuses that lock file. Run it after `npm install` has changed the lock file: `node
// scripts/complete-lock.mjs`.
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const file = path.join(path.dirname(import.meta.dirname), 'package-lock.json')
const lock = JSON.parse(readFileSync(file, 'utf8'))
const { packages } = lock

for (const [owner, meta] of Object.entries(packages)) {
  for (const [name, range] of Object.entries(meta.optionalDependencies ?? {})) {
    if (Object.keys(packages).some((key) => key === `node_modules/${name}` || key.endsWith(`/node_modules/${name}`)))
      continue
    const os = ['darwin', 'linux', 'win32', 'android', 'freebsd'].find((each) => name.includes(each))
    if (owner === '' || !os) throw new Error(`complete-lock: cannot tell the platform of ${name}`)
    packages[`node_modules/${name}`] = {
      version: range.replace(/^[~^]/, ''),
      cpu: [/arm64/.test(name) ? 'arm64' : /-arm$/.test(name) ? 'arm' : 'x64'],
      ...(meta.dev ? { dev: true } : {}),
      ...(name.includes('musl') ? { libc: ['musl'] } : {}),
      license: meta.license,
      optional: true,
      os: [os],
    }
    console.log(`added ${name}`)
  }
}
lock.packages = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1)))
writeFileSync(file, `${JSON.stringify(lock, undefined, 2)}\n`)
