// `npm pack` and `npm publish` run this first: the package contains a compiled addon for every
// platform, and what it takes to compile one for another. `npm pack` continues with the targets
// that could be compiled and names the others; `npm publish` fails.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { TARGETS } from './prebuild/targets.mjs'
import { removeVendor, writeVendor } from './vendor.mjs'

const root = path.dirname(import.meta.dirname)

function prebuilt() {
  const { status } = spawnSync(process.execPath, [path.join(root, 'scripts/prebuild.mjs')], { stdio: 'inherit' })
  return status === 0
}

removeVendor()
const complete = prebuilt()
if (!complete) {
  const files = new Set(readdirSync(path.join(root, 'prebuilds')))
  const missing = TARGETS.map(({ name }) => name).filter((name) => !files.has(`${name}.node`))
  console.error(
    `prepack: \`npm run prebuild\` failed; no addon for: ${missing.join(', ') || 'none, but some may be old'}`,
  )
  if (process.env.npm_command === 'publish') process.exit(1)
}
writeVendor()
