// zig, which compiles C++ for every platform and brings their headers and C libraries along. It
// comes from PyPI.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import path from 'node:path'

/** Pinned: another compiler makes other bytes. */
export const ZIG_VERSION = '0.17.1'

function versionOf([command, ...args]) {
  const { status, stdout } = spawnSync(command, [...args, 'version'], { encoding: 'utf8' })
  return status === 0 ? stdout.trim() : undefined
}

/**
 * zig as [command, ...arguments]: ZIG from the environment, or the one in the folder `cache`, where
 * it is installed if it is missing (python3 with venv, PyPI). Throws with what to do if it cannot
 * be had.
 */
export function findZig(cache) {
  const named = process.env.ZIG
  if (named) {
    const version = versionOf([named])
    if (version !== ZIG_VERSION)
      throw new Error(`ZIG=${named} is ${version ?? 'not zig'}; zig ${ZIG_VERSION} is needed`)
    return [named]
  }
  const venv = path.join(cache, 'zig')
  const zig = [path.join(venv, 'bin/python'), '-m', 'ziglang']
  if (existsSync(zig[0]) && versionOf(zig) === ZIG_VERSION) return zig
  mkdirSync(cache, { recursive: true })
  try {
    execFileSync('python3', ['-m', 'venv', venv], { stdio: 'pipe' })
    execFileSync(zig[0], ['-m', 'pip', 'install', '--quiet', `ziglang==${ZIG_VERSION}`], { stdio: 'pipe' })
  } catch (error) {
    const reason = String(error.stderr || error.message).trim()
    throw new Error(
      `zig ${ZIG_VERSION} could not be installed from PyPI: ${reason}\n` +
        'Install python3 with venv and pip, or set ZIG to the path of that version of zig.',
    )
  }
  return zig
}
