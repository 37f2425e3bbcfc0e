// The main script inside the single-file executable (scripts/executable.mjs). Threads, the addon and
// SQLite's VFS need files, so the package, which is the asset of the executable, is unpacked once
// into a folder that only this user can write to, and the command line is started from there.
const { createHash } = require('node:crypto')
const {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  writeFileSync,
} = require('node:fs')
const { createRequire } = require('node:module')
const { homedir, tmpdir } = require('node:os')
const path = require('node:path')
const { getAsset, getRawAsset } = require('node:sea')

const MODE = 0o700

/** Where the folder may be, best first. systemd sets CACHE_DIRECTORY. */
function places() {
  const { CACHE_DIRECTORY, XDG_CACHE_HOME, LOCALAPPDATA } = process.env
  const user = process.getuid?.() ?? ''
  return [CACHE_DIRECTORY?.split(':')[0], LOCALAPPDATA, XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), tmpdir()]
    .filter((folder) => folder && path.isAbsolute(folder))
    .map((folder) => path.join(folder, `litestream-ts-${user}`))
}

/** Whether no other user can write to the folder or replace it. */
function isPrivate(folder) {
  const stats = lstatSync(folder)
  if (!stats.isDirectory()) return false
  return process.getuid === undefined || (stats.uid === process.getuid() && (stats.mode & 0o022) === 0)
}

function unpackInto(folder) {
  const files = JSON.parse(getAsset('index', 'utf8'))
  const bytes = new Uint8Array(getRawAsset('files'))
  let at = 0
  for (const { name, size } of files) {
    const file = path.join(folder, name)
    mkdirSync(path.dirname(file), { recursive: true, mode: MODE })
    writeFileSync(file, bytes.subarray(at, at + size), { mode: MODE, flag: 'wx' })
    at += size
  }
}

/** The unpacked package in `place`: that of an earlier run, or a new one. */
function unpackedIn(place) {
  mkdirSync(place, { recursive: true, mode: MODE })
  if (!isPrivate(place)) throw new Error(`another user can write to ${place}`)
  const name = createHash('sha256').update(getAsset('index', 'utf8')).digest('hex').slice(0, 16)
  const folder = path.join(place, name)
  if (existsSync(folder)) return folder
  const filling = mkdtempSync(`${folder}.`)
  try {
    chmodSync(filling, MODE)
    unpackInto(filling)
    renameSync(filling, folder)
  } catch (error) {
    rmSync(filling, { recursive: true, force: true })
    // Another process was faster.
    if (!existsSync(folder)) throw error
  }
  return folder
}

function unpacked() {
  const reasons = []
  for (const place of places()) {
    try {
      return unpackedIn(place)
    } catch (error) {
      reasons.push(error.message)
    }
  }
  console.error(`Error: litestream-ts cannot unpack its files: ${reasons.join('; ')}`)
  console.error('Hint: Set XDG_CACHE_HOME to a folder in which this user can write and run programs.')
  process.exit(1)
}

createRequire(path.join(unpacked(), 'package.json'))('./start.cjs')
