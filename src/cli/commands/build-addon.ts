import { spawnSync } from 'node:child_process'
import path from 'node:path'
import type { Command } from 'commander'
import { platformName } from '../../native/platform.js'
import { packageRoot } from '../../package-files.js'
import { createCommand } from '../command.js'
import { ExitStatus } from '../exit-status.js'

export function buildAddonCommand(): Command {
  return createCommand('build-addon', {
    summary: 'Compile the native addon for a platform without a prebuilt addon.',
    description:
      'Compiles the native addon inside the installed package, for platforms whose addon the package does not contain. Needs python3, make, a C++17 compiler and node-gyp; if node-gyp is not installed, the command uses the node-gyp of npm.',
    examples: [['build-addon', 'compile the addon once after the installation']],
  }).action(() => {
    process.stderr.write(`Compiling the addon for ${platformName()}…\n`)
    const script = path.join(packageRoot(), 'scripts', 'build-native.mjs')
    const { status } = spawnSync(process.execPath, [script], { stdio: 'inherit' })
    if (status !== 0) throw new ExitStatus(1)
  })
}
